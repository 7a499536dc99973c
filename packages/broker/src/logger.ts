/** What a log line carries besides its message; an `err` field holds an error with its stack. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where the broker's core writes its log lines. A pino logger fits as it is: fields first, then the message.
 * A level that is switched off costs a call and the building of its fields, so nothing on a hot path logs per request.
 */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

const nothing = (): void => {};

/** Swallows every line; for tests and for brokers that live inside somebody else's process. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
