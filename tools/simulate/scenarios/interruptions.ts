/** Every write of every verb, struck in every way. */
import { type Blow, interrupt, type When } from './interrupted.ts';
import { verbs } from './interrupted-verbs.ts';

/** More writes than anything takes. */
const WRITES_MAX = 60;

const WAYS: readonly (readonly [Blow, When])[] = (['death', 'loss', 'expiry'] as const).flatMap((blow) =>
  (['before', 'after'] as const).map((when) => [blow, when] as const),
);

/** What came of a verb whose writes were struck one after the other, each in a world of its own. */
export interface Interruptions {
  readonly writes: number;
  /** Whether what it was to change was found under way at least once; true where it changes nothing of that kind. */
  readonly hasMet: boolean;
  readonly problems: readonly string[];
}

/** Strikes each write of a verb in turn. @throws Error when they do not end */
export async function interruptEach(verb: string, blow: Blow, when: When): Promise<Interruptions> {
  const problems: string[] = [];
  let hasMet = verbs[verb]?.meets !== true;
  for (let write = 1; write < WRITES_MAX; write += 1) {
    const outcome = await interrupt(verb, { blow, when, write });
    hasMet ||= outcome.hasMet;
    problems.push(...outcome.problems.map((problem) => `write ${write}: ${problem}`));
    // The last attempt met no write any more.
    if (!outcome.hasStruck) return { writes: write - 1, hasMet, problems };
  }
  throw new Error(`${verb} takes more than ${WRITES_MAX} writes`);
}

/** All of them; 1 for the process to end with where anything was left half done. */
export async function printInterruptions(isJson: boolean): Promise<number> {
  const rows: { verb: string; blow: Blow; when: When; writes: number; problems: readonly string[] }[] = [];
  for (const verb of Object.keys(verbs)) {
    for (const [blow, when] of WAYS) {
      const { writes, problems } = await interruptEach(verb, blow, when);
      rows.push({ verb, blow, when, writes, problems });
      if (!isJson) console.log([`${verb}, ${blow} ${when}: ${writes} writes`, ...problems].join('\n  '));
    }
  }
  const struck = rows.reduce((sum, { writes }) => sum + writes, 0);
  const failed = rows.flatMap(({ problems }) => problems).length;
  console.log(isJson ? JSON.stringify({ struck, failed, rows }) : `${struck} writes struck, ${failed} left something`);
  return failed === 0 ? 0 : 1;
}
