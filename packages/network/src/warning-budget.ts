import type { Clock, Logger } from '@millrace/ports';

/** Warnings of one listener in a second: each is a client's doing, and there may be thousands of those. */
const WARNINGS_PER_SECOND_MAX = 20;
const SECOND_MS = 1000;

/**
 * The same logger with a bound on its warnings. Anybody who reaches a port can have connections closed with a warning as fast as he
 * opens them, and the log must not fill the disk that holds the records. How many were left out is said with the next one that is not.
 */
export function withWarningBudget(logger: Logger, clock: Clock): Logger {
  let secondStartMs = Number.NEGATIVE_INFINITY;
  let written = 0;
  let leftOut = 0;
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    error: (fields, message) => logger.error(fields, message),
    warn(fields, message) {
      const nowMs = clock.monotonic();
      if (nowMs - secondStartMs >= SECOND_MS) {
        secondStartMs = nowMs;
        written = 0;
      }
      if (written >= WARNINGS_PER_SECOND_MAX) {
        leftOut += 1;
        return;
      }
      written += 1;
      const before = leftOut;
      leftOut = 0;
      logger.warn(before === 0 ? fields : { ...fields, warningsLeftOut: before }, message);
    },
  };
}
