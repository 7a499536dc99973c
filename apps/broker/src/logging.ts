import type { Logger, LogLevelControl } from '@millrace/broker';
import { KafkaError } from '@millrace/network';
import { LogOutput } from './log-output.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Fields that are for machines: the messages beside them say the same in words. */
const SAID_IN_WORDS = 'addresses,logDirs,httpPort,tookMs,signal';

/**
 * The process' logger: one JSON object a line for machines, and lines that a person reads easily on a terminal. pino's
 * pretty printer is only loaded for the latter.
 * @param name Stands in every line, where several processes write to one place.
 */
export async function openLogger(level: LogLevel, terminal: boolean, name?: string): Promise<Logger> {
  const { pino } = await import('pino');
  // pino's own codec for errors turns `err` into type, message and stack.
  const options = { level, base: name === undefined ? null : { name }, timestamp: pino.stdTimeFunctions.isoTime };
  const showsTraces = level === 'debug' || level === 'trace';
  // A pino logger has index signatures that make it look like a promise, so it goes by the port's type from here.
  let logger: Logger;
  if (terminal) {
    const { default: pretty } = await import('pino-pretty');
    const colorize = (process.env['NO_COLOR'] ?? '') === '';
    const format = { colorize, translateTime: 'SYS:HH:MM:ss.l', ignore: SAID_IN_WORDS, singleLine: true };
    const hooks = showsTraces ? {} : { logMethod: withoutTraces };
    logger = pino({ ...options, hooks }, pretty({ ...format, sync: true }));
  } else {
    const output = new LogOutput(process.stdout);
    const hooks = showsTraces ? {} : { logMethod: withoutTracesOfWhatPasses };
    logger = pino({ ...options, hooks }, output);
    output.sayLeftOut = (lines) => logger.warn({ lines }, `${lines} lines of the log were left out: nobody took them`);
  }
  return logger;
}

/** What sets the level of a logger; undefined for one that has none, as a user may have handed over. */
export function levelControlOf(logger: Logger): LogLevelControl | undefined {
  const isLevelled = 'level' in logger && typeof logger.level === 'string';
  return isLevelled ? (logger as Logger & LogLevelControl) : undefined;
}

/**
 * Leaves the traces of what passes by itself out of the lines for machines, below `error`: a neighbour that is away, say. Where in this broker
 * that was noticed tells nobody anything, and it comes often; the code is there instead.
 */
export function withoutTracesOfWhatPasses(
  this: unknown,
  args: unknown[],
  log: (...args: never[]) => void,
  level: number,
): void {
  const [fields, ...rest] = args;
  if (level < ERROR && typeof fields === 'object' && fields !== null && 'err' in fields) {
    const { err } = fields;
    const isPassing = err instanceof KafkaError && err.retriable;
    if (isPassing) args = [{ ...fields, err: { type: err.name, code: err.code, message: err.message } }, ...rest];
  }
  // pino takes what was given to the logger, whatever its types say of a hook.
  log.apply(this, args as never[]);
}

/** pino's number of the level `error`. */
const ERROR = 50;

/**
 * Leaves the traces of warnings out, for a terminal: what a broker goes on from is said in a line, where twenty of a trace would hide it.
 * Errors keep theirs, and so does everything at the level `debug`; for JSON see {@link withoutTracesOfWhatPasses}.
 */
export function withoutTraces(this: unknown, args: unknown[], log: (...args: never[]) => void, level: number): void {
  const [fields, ...rest] = args;
  const isBrief = level < ERROR && typeof fields === 'object' && fields !== null && 'err' in fields;
  if (isBrief && fields.err instanceof Error) {
    const { err, ...others } = fields;
    args = [{ ...others, why: err.message }, ...rest];
  }
  // pino takes what was given to the logger, whatever its types say of a hook.
  log.apply(this, args as never[]);
}
