/**
 * Where a package reports what an operator may want to know. Compatible with pino: the fields first, the sentence after.
 * No method may throw.
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const ignore = (): void => {};

/** Says nothing; the default everywhere. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
