import type { LogMoveNews } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import type { Logger } from './shared/logger.ts';

/** Tells how logs come from one log directory into another: when one sets out, and what has become of it. */
export class MoveReports {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** When the copying that goes on has begun, by partition. */
  readonly #begunMs = new Map<string, number>();

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  told({ topic, partition, from, to, event, copiedBytes, error: err }: LogMoveNews): void {
    const name = `${topic}-${partition}`;
    const place = { topic, partition, from, to };
    const nowMs = this.#clock.monotonic();
    const tookMs = Math.round(nowMs - (this.#begunMs.get(name) ?? nowMs));
    if (event === 'begun' || event === 'resumed') this.#begunMs.set(name, nowMs);
    else this.#begunMs.delete(name);
    const words: Readonly<Record<LogMoveNews['event'], string>> = {
      begun: `${name} is being copied from ${from} to ${to}`,
      resumed: `The copy of ${name} from ${from} to ${to} goes on: ${copiedBytes} bytes were there from before`,
      done: `${name} is in ${to} now, and no longer in ${from}`,
      stopped: `${name} stays in ${from}: its copy was left off`,
      failed: `${name} could not be moved from ${from} to ${to}, and stays where it is. Mend the cause, then have it moved again`,
    };
    if (event === 'failed') this.#logger.error({ ...place, copiedBytes, tookMs, err }, words[event]);
    else this.#logger.info({ ...place, copiedBytes, tookMs }, words[event]);
  }
}
