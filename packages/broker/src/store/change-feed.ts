import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import type { Logger } from '../shared/logger.ts';
import { untilAnswered } from './lost-answers.ts';

/** How long a notification stays, so that a broker that was away for a moment still sees it (Kafka's 15 minutes). */
const CHANGE_NOTIFICATION_MS = 900_000;
/** How long to wait before what could not be read is read again. */
const RETRY_MS = 1000;

/** What a feed of notifications works with. */
export interface ChangeFeedOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Nodes that are made where they are missing, parents first; the last has the notifications below it. */
  readonly paths: readonly string[];
  /** What is followed, for the log. */
  readonly what: string;
  /** Reads everything: at the start, and when notifications may have been missed. */
  readonly readAll: () => Promise<void>;
  /** Takes up what one notification tells, in the node at `path`. */
  readonly take: (data: Buffer, path: string) => Promise<void>;
}

/**
 * Notifications in the metadata store (`ZkNodeChangeNotificationListener`): sequential nodes that say what has changed. They are taken
 * one after the other; what fails is read anew as a whole, and so is everything after a lost session.
 */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions;
  readonly #root: string;
  #lastChange = '';
  #following: Promise<void> = Promise.resolve();
  #isStopped = false;
  #forget: (() => void) | undefined;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#root = options.paths.at(-1) as string;
  }

  /** @throws MetadataError, or what `readAll` throws */
  async start(): Promise<void> {
    const { store, paths } = this.#options;
    for (const path of paths) {
      if ((await store.exists(path)) !== undefined) continue;
      await untilAnswered(() => store.create(path, Buffer.alloc(0))).catch(ignoring('NODE_EXISTS'));
    }
    await this.#readAll();
    // Watches end with a session, and what was told meanwhile is not told again.
    let hasExpired = false;
    this.#forget = store.onSession((state) => {
      if (state === 'expired') hasExpired = true;
      if (state !== 'connected' || !hasExpired) return;
      hasExpired = false;
      this.#next(() => this.#readAll());
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#forget?.();
  }

  /** Has something done in its turn among the notifications; where it fails, everything is read anew, as for them. */
  inTurn(task: () => Promise<void>): void {
    this.#next(task);
  }

  async #readAll(): Promise<void> {
    // The watch comes before the reading, so that no change falls in between.
    this.#lastChange = (await this.#watch()).toSorted().at(-1) ?? '';
    await this.#options.readAll();
  }

  #watch(): Promise<readonly string[]> {
    return this.#options.store.children(this.#root, { watch: () => this.#next(() => this.#takeChanges()) });
  }

  #next(task: () => Promise<void>): void {
    this.#following = this.#following.then(async () => {
      if (this.#isStopped) return;
      try {
        await task();
      } catch (err) {
        if (this.#isStopped) return;
        const { logger, clock, what } = this.#options;
        logger.error({ err }, `${what} could not be read; this is tried again in ${RETRY_MS} ms`);
        clock.schedule(RETRY_MS, () => this.#next(() => this.#readAll()));
      }
    });
  }

  async #takeChanges(): Promise<void> {
    const names = (await this.#watch()).toSorted();
    const taken = this.#lastChange;
    for (const name of names.filter((each) => each > taken)) {
      const path = `${this.#root}/${name}`;
      const node = await this.#options.store.get(path).catch(ignoring('NO_NODE'));
      if (node !== undefined) await this.#options.take(node.data, path);
      this.#lastChange = name;
    }
    await this.#dropOldChanges(names.filter((each) => each <= taken));
  }

  async #dropOldChanges(names: readonly string[]): Promise<void> {
    const { store, clock } = this.#options;
    for (const name of names) {
      const path = `${this.#root}/${name}`;
      const stat = await store.exists(path);
      // They are in the order of their creation.
      if (stat !== undefined && clock.now() - stat.createdMs <= CHANGE_NOTIFICATION_MS) return;
      if (stat !== undefined) await store.delete(path, 'any').catch(ignoring('NO_NODE'));
    }
  }
}

function ignoring(code: 'NO_NODE' | 'NODE_EXISTS'): (error: unknown) => undefined {
  return (error) => {
    if (isMetadataError(error, code)) return undefined;
    throw error;
  };
}
