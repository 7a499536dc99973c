/**
 * Where a package reports what an operator may want to know. Compatible with pino: the fields first, the sentence after.
 * No method may throw; what comes from a user goes through {@link guardedLogger}.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** What is more than `debug` shows. A logger without it drops such lines. */
  trace?(fields: object, message: string): void;
  /** Whether lines of a level are written, so that what nobody reads need not be put into words; without it, all but `trace` are. */
  isLevelEnabled?(level: string): boolean;
}

const ignore = (): void => {};

/**
 * The same logger, which may do what it likes: throw, or return a promise that is rejected. What a user hands over is wrapped once, where
 * it comes in; losing a line must not lose a record.
 */
export function guardedLogger(logger: Logger): Logger {
  return logger instanceof GuardedLogger || logger === silentLogger ? logger : new GuardedLogger(logger);
}

type Level = 'debug' | 'info' | 'warn' | 'error' | 'trace';

class GuardedLogger implements Logger {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  debug(fields: object, message: string): void {
    this.#say('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#say('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#say('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#say('error', fields, message);
  }

  trace(fields: object, message: string): void {
    if (this.#logger.trace !== undefined) this.#say('trace', fields, message);
  }

  isLevelEnabled(level: string): boolean {
    try {
      return this.#logger.isLevelEnabled?.(level) ?? (level !== 'trace' || this.#logger.trace !== undefined);
    } catch {
      return false;
    }
  }

  #say(level: Level, fields: object, message: string): void {
    try {
      // Typed as nothing, but a user's may be asynchronous.
      const said = this.#logger[level]?.(fields, message) as { then?: unknown } | undefined;
      if (typeof said?.then === 'function') said.then(ignore, ignore);
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** Says nothing; the default everywhere. */
export const silentLogger: Logger = {
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  isLevelEnabled: () => false,
};
