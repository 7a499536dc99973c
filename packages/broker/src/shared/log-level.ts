/** What sets how important a log line must be to be written; a pino logger fits as it is. */
export interface LogLevelControl {
  level: string;
}

/** The name under which Kafka's tools find what all log lines go through. */
export const ROOT_LOGGER = 'root';

/** The levels that Kafka's tools know (`LogLevelConfig`), in the order in which Kafka lists them. */
export const LOG_LEVELS: readonly string[] = ['DEBUG', 'ERROR', 'FATAL', 'INFO', 'TRACE', 'WARN'];

/** The level as Kafka spells it. */
export function levelOf(control: LogLevelControl): string {
  return control.level === 'silent' ? 'OFF' : control.level.toUpperCase();
}

/** @param level one of {@link LOG_LEVELS} */
export function setLevelOf(control: LogLevelControl, level: string): void {
  control.level = level.toLowerCase();
}
