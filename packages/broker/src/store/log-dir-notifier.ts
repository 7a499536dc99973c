import type { MetadataStore } from '@millrace/metadata';
import type { Clock, Timer } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';
import { encodeLogDirEvent, paths } from './znodes.ts';

/** How long until the controller is told again that could not be told. */
const RETRY_MS = 1000;

/** What tells the controller of failed log folders. */
export interface LogDirNotifierOptions {
  readonly store: Pick<MetadataStore, 'create'>;
  readonly brokerId: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Tells the controller that log folders of this broker have failed, by a node as Kafka's brokers write it: it then asks for the state of
 * every replica here, and has others lead those that are offline. Until that has been written it is tried again.
 */
export class LogDirNotifier {
  readonly #options: LogDirNotifierOptions;
  #isTelling = false;
  /** Another has failed since the node was sent that is under way: the controller may have asked before that. */
  #isTold = true;
  #isStopped = false;
  #retry: Timer | undefined;

  constructor(options: LogDirNotifierOptions) {
    this.#options = options;
  }

  /** One node speaks of all that has failed before it is sent. */
  notify(): void {
    this.#isTold = false;
    this.#tell();
  }

  #tell(): void {
    if (this.#isTelling || this.#isStopped || this.#isTold) return;
    this.#isTelling = true;
    this.#isTold = true;
    this.#retry?.cancel();
    this.#create().then(
      () => {
        this.#isTelling = false;
        this.#tell();
      },
      (err: unknown) => {
        this.#isTelling = false;
        this.#isTold = false;
        if (this.#isStopped) return;
        const { clock, logger } = this.#options;
        this.#retry = clock.schedule(RETRY_MS, () => this.#tell());
        logger.warn({ err, retryInMs: RETRY_MS }, 'The controller could not be told that a log folder has failed');
      },
    );
  }

  /** What throws here is an outcome as any other. */
  async #create(): Promise<void> {
    const { store, brokerId } = this.#options;
    await store.create(paths.logDirEventPrefix, encodeLogDirEvent(brokerId), { sequential: true });
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry?.cancel();
  }
}
