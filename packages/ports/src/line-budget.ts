import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

/** Lines of one level in a second: each is a client's doing, and there may be thousands of those. */
const LINES_PER_SECOND_MAX = 20;
/** Kinds of line whose first in a second is written though that bound is reached. */
const KINDS_PER_SECOND_MAX = 32;
const SECOND_MS = 1000;
/** Of a text that tells two kinds apart, as much as is looked at. */
const KIND_CHARACTERS_MAX = 200;
/** Sizes, ports, addresses, keys: what differs between two lines of one kind. */
const NUMBERS = /[\da-f.:]*\d[\da-f.:]*/gi;

/**
 * The same logger with a bound on its lines of one level. Anybody who reaches a port can have connections closed with a warning as fast as
 * he opens them, or fail to log in, and the log must not fill the disk that holds the records. How many were left out is said with the
 * next one that is not. A flood of one kind does not hide the others: the first of each kind in a second is written.
 */
export function withLineBudget(logger: Logger, clock: Clock, level: 'info' | 'warn'): Logger {
  const kinds = new Set<string>();
  let secondStartMs = Number.NEGATIVE_INFINITY;
  let written = 0;
  let leftOut = 0;
  const isFirstOfItsKind = (fields: object, message: string): boolean => {
    if (kinds.size >= KINDS_PER_SECOND_MAX) return false;
    return kinds.size < kinds.add(kindOf(fields, message)).size;
  };
  const bounded = (fields: object, message: string): void => {
    const nowMs = clock.monotonic();
    if (nowMs - secondStartMs >= SECOND_MS) {
      secondStartMs = nowMs;
      written = 0;
      kinds.clear();
    }
    const isNews = isFirstOfItsKind(fields, message);
    if (!isNews && written >= LINES_PER_SECOND_MAX) {
      leftOut += 1;
      return;
    }
    written += 1;
    const before = leftOut;
    leftOut = 0;
    logger[level](before === 0 ? fields : { ...fields, linesLeftOut: before }, message);
  };
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: level === 'info' ? bounded : (fields, message) => logger.info(fields, message),
    warn: level === 'warn' ? bounded : (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}

function kindOf(fields: object, message: string): string {
  const cause = 'err' in fields && fields.err instanceof Error ? fields.err.message : '';
  return `${message.slice(0, KIND_CHARACTERS_MAX)}\n${cause.slice(0, KIND_CHARACTERS_MAX)}`.replace(NUMBERS, '#');
}
