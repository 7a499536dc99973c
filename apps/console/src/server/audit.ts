/** The audit log: who has changed what, or tried to, and what came of it. */
import type { Logger } from '@millrace/client';
import { ConsoleError } from '../errors.ts';
import type { Caller } from './guard.ts';

/** A change as far as it is noted. */
export interface Change {
  /** Undefined for somebody who was not let in. */
  readonly caller: Caller | undefined;
  readonly route: string;
  readonly input: object;
}

/** Values of messages and configs are nobody's business in a log. */
const UNTOLD = ['key', 'value', 'headers', 'edits', 'set', 'seen', 'configs', 'password'];

/** Makes a change and notes that it was made, or that it was tried. */
export async function noted<T>(logger: Logger, change: Change, make: () => Promise<T>): Promise<T> {
  let made: T;
  try {
    made = await make();
  } catch (error) {
    noteTried(logger, change, error);
    throw error;
  }
  logger.info({ ...fieldsOf(change), outcome: 'done' }, `${whoOf(change)} did ${change.route} in the console`);
  return made;
}

/** Notes a change that was not made. */
export function noteTried(logger: Logger, change: Change, error: unknown): void {
  const outcome = error instanceof ConsoleError && error.status === 403 ? 'refused' : 'failed';
  const { route, input } = change;
  logger.warn(
    { ...fieldsOf(change), outcome, err: errorOf(error, input) },
    `${whoOf(change)} tried ${route} in the console, which ${outcome === 'refused' ? 'was refused' : 'failed'}`,
  );
}

function whoOf({ caller }: Change): string {
  return caller === undefined ? 'somebody' : (caller.user ?? 'somebody on this machine');
}

function fieldsOf({ caller, route, input }: Change): object {
  const what = Object.fromEntries(Object.entries(input).filter(([name]) => !UNTOLD.includes(name)));
  const names = Object.entries(input).flatMap(([name, value]) =>
    (name === 'set' || name === 'configs') && typeof value === 'object' ? Object.keys(value as object) : [],
  );
  // What came in has names of its own, `user` among them, and does not stand in the place of who did it.
  return { audit: true, user: caller?.user, route, on: what, names };
}

/** Why it was not made. Where something was sent that is told to nobody the words are left out: they may repeat it. */
function errorOf(error: unknown, input: object): object {
  const { name, code, message } = error as {
    readonly name?: unknown;
    readonly code?: unknown;
    readonly message?: unknown;
  };
  const isRefusal = error instanceof ConsoleError && error.status === 403;
  const hasUntold = Object.keys(input).some((each) => UNTOLD.includes(each));
  return { name, code, ...(hasUntold && !isRefusal ? {} : { message: message ?? String(error) }) };
}
