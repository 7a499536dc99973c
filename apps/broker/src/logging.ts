import type { Logger } from '@millrace/broker';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Fields that are for machines: the messages beside them say the same in words. */
const SAID_IN_WORDS = 'addresses,logDirs,httpPort,tookMs,signal';

/**
 * The process' logger: one JSON object a line for machines, and lines that a person reads easily on a terminal. pino's
 * pretty printer is only loaded for the latter.
 */
export async function openLogger(level: LogLevel, terminal: boolean): Promise<Logger> {
  const { pino } = await import('pino');
  // pino's own codec for errors turns `err` into type, message and stack.
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  // A pino logger has index signatures that make it look like a promise, so it goes by the port's type from here.
  let logger: Logger;
  if (terminal) {
    const { default: pretty } = await import('pino-pretty');
    const colorize = (process.env['NO_COLOR'] ?? '') === '';
    const format = { colorize, translateTime: 'SYS:HH:MM:ss.l', ignore: SAID_IN_WORDS, singleLine: true };
    logger = pino(options, pretty({ ...format, sync: true }));
  } else {
    logger = pino(options, pino.destination({ fd: 1, sync: true }));
  }
  return logger;
}
