import type { MetadataStore } from '@millrace/metadata';
import type { Clock, Timer } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';

/** How long to wait before a registration that failed is tried again. */
const RETRY_MS = 1000;

/** What a session is kept with. */
export interface SessionKeeperOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Registers the broker in the present session, and gives its epoch. */
  readonly register: () => Promise<number>;
  /** What must be done again in a new session, once the broker is registered. */
  readonly renewed: () => Promise<void>;
}

/**
 * Keeps a broker registered in the metadata store: when its session has expired (the store was out of reach for too long,
 * and the others take the broker for gone), it opens a new one and registers anew, until that succeeds.
 */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  #forget: (() => void) | undefined;
  #retry: Timer | undefined;
  #isStopped = false;
  #brokerEpoch = -1;
  /** The session is over, and there is no new one in which the broker is registered. */
  #hasEnded = false;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
  }

  /** The transaction that registered this broker last (KIP-380); -1 before the first. */
  get brokerEpoch(): number {
    return this.#brokerEpoch;
  }

  /**
   * The epoch in which the broker is registered now, as far as it knows; `Infinity` while its session is over and it is not registered anew,
   * so that whatever was said to it before is from an earlier one.
   */
  get registration(): number {
    return this.#hasEnded ? Number.POSITIVE_INFINITY : this.#brokerEpoch;
  }

  /** Registers, and looks after the session from then on. */
  async start(): Promise<void> {
    this.#brokerEpoch = await this.#options.register();
    this.#forget = this.#options.store.onSession((state) => {
      if (state !== 'expired') return;
      this.#hasEnded = true;
      void this.#renew();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#forget?.();
    this.#retry?.cancel();
  }

  async #renew(): Promise<void> {
    const { store, clock, logger, register, renewed } = this.#options;
    if (this.#isStopped) return;
    logger.warn({}, 'The session with the metadata store has expired; the broker registers anew');
    try {
      await store.renewSession();
      this.#brokerEpoch = await register();
      // The new one may have ended while its answer was on its way.
      this.#hasEnded = store.sessionState === 'expired';
      await renewed();
    } catch (err) {
      if (this.#isStopped) return;
      logger.error({ err }, `The broker could not register; it tries again in ${RETRY_MS} ms`);
      this.#retry = clock.schedule(RETRY_MS, () => void this.#renew());
    }
  }
}
