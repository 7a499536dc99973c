/** What the console of the command line notes: changes for whoever asks later, and its own trouble for whoever has started it. */
import type { Logger } from '@millrace/client';
import type { CommandContext } from '../context.ts';

/**
 * Every change is one line of JSON on standard error, for people and scripts alike: who, what, when, what came of it. All else of weight is
 * told in words.
 */
export function auditTo({ out, io }: Pick<CommandContext, 'out' | 'io'>): Logger {
  const note = (fields: object, message: string): void => {
    if (!('audit' in fields) || out.quiet) return;
    io.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), message, ...fields }, errorsInFull)}\n`);
  };
  const warn = (fields: object, message: string): void => {
    const { audit, err } = fields as { readonly audit?: unknown; readonly err?: unknown };
    if (audit !== undefined) note(fields, message);
    else out.warn(err === undefined ? message : `${message}: ${err instanceof Error ? err.message : String(err)}`);
  };
  return { debug: () => undefined, info: note, warn, error: warn };
}

/** What says most of an error is no field that JSON takes along. */
function errorsInFull(_: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { name, message, cause, ...more } = value;
  return { ...more, name, message, cause };
}
