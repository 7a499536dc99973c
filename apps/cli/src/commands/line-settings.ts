import { usageError } from '../errors.ts';
import type { Assignment } from '../parse/values.ts';

/** Options that say what settings say, too. */
const STANDS_FOR = {
  '--data': ['log.dirs', 'log.dir'],
  '--http-port': ['millrace.http.port'],
  '--port': ['listeners'],
} as const;

/**
 * Refuses an option beside the setting that says the same: one of the two would be passed over.
 * @param given what the options say, by their names
 * @param override settings by name
 * @throws CliError
 */
export function refuseSaidTwice(
  given: { readonly [Option in keyof typeof STANDS_FOR]?: string | number | undefined },
  override: readonly Assignment[] = [],
): void {
  for (const [option, names] of Object.entries(STANDS_FOR) as [keyof typeof STANDS_FOR, readonly string[]][]) {
    if (given[option] === undefined) continue;
    // `listeners` that are set to nothing say nothing, as in a file.
    const other = override.find(([name, text]) => names.includes(name) && !(option === '--port' && text.trim() === ''));
    if (other === undefined) continue;
    throw usageError(
      `${option} ${given[option]} and --override ${other[0]}=${other[1]} are two answers to one question`,
      'Leave one of the two out.',
    );
  }
}
