import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import type { Clock, Timer } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';
import { MalformedNodeError, paths, transactionVersionOf } from './znodes.ts';

/** From this level on values of `__transaction_state` may have tags; from 2 on producers get a new epoch with each transaction (KIP-890). */
const TAGS_SINCE = 1;
const RAISING_SINCE = 2;

/** How long until the store is read again that could not be read. */
const RETRY_MS = 1000;

/** The highest that this release knows. */
export const TRANSACTION_VERSION_MAX = 2;

export interface TransactionLevelOptions {
  /** The highest that this broker takes part in. */
  readonly ownMax: number;
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * `transaction.version` of the cluster: the highest that all its members have, as their registrations tell. A member that tells of none,
 * such as Apache Kafka's broker with ZooKeeper, has 0.
 *
 * No broker decides it and nothing is written for it: it follows from who is registered. The epoch that clients go by, since they believe
 * the highest they have seen, is the version of the list of brokers, which rises with each that comes or goes: whoever has seen the same
 * list gives the same answer.
 */
export class TransactionLevel {
  readonly #options: TransactionLevelOptions;
  #level = 0;
  #epoch = 0;
  /** Whether there was a cluster to read of: what is read first is no change. */
  #isKnown = false;
  #reading: Promise<void> = Promise.resolve();
  #isStopped = false;
  #retry: Timer | undefined;
  /** One function, so that a store that is asked twice tells once. */
  readonly #changed = (): void => void this.load();

  constructor(options: TransactionLevelOptions) {
    this.#options = options;
  }

  get ownMax(): number {
    return this.#options.ownMax;
  }

  get level(): number {
    return this.#level;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get mayTagValues(): boolean {
    return this.#level >= TAGS_SINCE;
  }

  get raisesEpochs(): boolean {
    return this.#level >= RAISING_SINCE;
  }

  /** Reads it, and follows it from then on. Called again once the session is a new one, for the watches went with the old. Never rejects. */
  load(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  /** Follows it no more. */
  stop(): void {
    this.#isStopped = true;
    this.#retry?.cancel();
  }

  /**
   * Where the store cannot be read, what was read last holds until it can: clients take what comes with one epoch for the same, and where others have
   * read the same list of brokers they say the same.
   */
  async #read(): Promise<void> {
    const { store, clock, logger } = this.#options;
    if (this.#isStopped) return;
    this.#retry?.cancel();
    try {
      while (!(await this.#readOnce()));
    } catch (error) {
      // Without a session nothing is told of; the next one reads anew.
      if (isMetadataError(error, 'SESSION_EXPIRED', 'STORE_CLOSED')) return;
      if (this.#isStopped) return;
      this.#retry = clock.schedule(RETRY_MS, this.#changed);
      logger.warn(
        { err: error, sessionState: store.sessionState, transactionVersion: this.#level, retryInMs: RETRY_MS },
        'The transaction.version of the cluster could not be read; what was read last holds until it can',
      );
    }
  }

  /** False where somebody came or went meanwhile. */
  async #readOnce(): Promise<boolean> {
    const { store, logger } = this.#options;
    const names = await store.children(paths.brokerIds, { watch: this.#changed });
    const epoch = (await store.exists(paths.brokerIds))?.childrenVersion ?? 0;
    const versions: number[] = [];
    for (const name of names) {
      const data = await this.#registration(paths.brokerId(Number(name)));
      if (data === undefined) return false;
      versions.push(data);
    }
    if ((await store.exists(paths.brokerIds))?.childrenVersion !== epoch) return false;
    const level = versions.length === 0 ? 0 : Math.min(...versions);
    if (this.#isKnown && level !== this.#level) {
      // Not by the name of level: that is the line's own.
      logger.info(
        { transactionVersion: level, before: this.#level, brokers: names.length, epoch },
        'The transaction.version of the cluster has changed',
      );
    }
    this.#level = level;
    this.#epoch = epoch;
    this.#isKnown ||= names.length > 0;
    return true;
  }

  async #registration(path: string): Promise<number | undefined> {
    try {
      const { data } = await this.#options.store.get(path);
      return transactionVersionOf(path, data);
    } catch (error) {
      if (isMetadataError(error, 'NO_NODE')) return undefined;
      if (error instanceof MalformedNodeError) return 0;
      throw error;
    }
  }
}
