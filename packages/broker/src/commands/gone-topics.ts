import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import type { Clock, Timer } from '@millrace/ports';
import type { ClusterImage, TopicImage } from '../cluster/cluster-image.ts';
import { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import { decodeControllerEpoch, paths } from '../store/znodes.ts';

/** A server of the store that has not heard of the newest controller yet is asked again after so long. */
const ASK_PAUSE_MS = 100;

export interface GoneTopicsOptions {
  readonly store: MetadataStore;
  readonly cluster: ClusterImage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly inbox: { forget(topics: readonly TopicImage[]): Promise<void> };
}

/**
 * Forgets topics whose deletion this broker was never told of. Nobody waits with a deletion for a broker that has no replica of the topic;
 * if its session ends while it is told, or the controller dies, no later controller knows that there was anything to tell. It would go on
 * describing the topic to clients until it starts anew (Kafka's brokers with ZooKeeper do). So it looks into the store itself when it
 * registers anew, and when another controller has taken over.
 */
export class GoneTopics {
  readonly #options: GoneTopicsOptions;
  readonly #guard: Guard;
  #controllerEpoch = -1;
  #unsubscribe: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(options: GoneTopicsOptions) {
    this.#options = options;
    this.#guard = new Guard(options.logger);
  }

  start(): void {
    this.#unsubscribe = this.#options.cluster.onChange(() => this.#maybeReplaced());
  }

  stop(): void {
    this.#unsubscribe?.();
    this.#timer?.cancel();
  }

  /** After a registration, which is a write of this session: what is read behind it is no older. */
  async load(): Promise<void> {
    const { cluster, store, logger, inbox } = this.#options;
    const known = [...cluster.topics.values()];
    if (known.length === 0) return;
    const names = new Set(await store.children(paths.topics));
    const gone: TopicImage[] = [];
    for (const topic of known) if (!names.has(topic.name) && (await this.#isGone(topic.name))) gone.push(topic);
    if (gone.length === 0) return;
    logger.info({ topics: gone.map(({ name }) => name) }, 'Topics were deleted without this broker being told');
    await inbox.forget(gone);
  }

  #maybeReplaced(): void {
    const { controllerEpoch } = this.#options.cluster;
    if (controllerEpoch <= this.#controllerEpoch) return;
    const isFirst = this.#controllerEpoch < 0;
    this.#controllerEpoch = controllerEpoch;
    if (!isFirst) this.#lookAfter(0);
  }

  #lookAfter(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.schedule(ms, () =>
      this.#guard.settle('Looking for topics that were deleted', this.#look()),
    );
  }

  /** What this server of the store tells of topics is no older than what it tells of controllers. */
  async #look(): Promise<void> {
    const awaited = this.#controllerEpoch;
    try {
      const { data } = await this.#options.store.get(paths.controllerEpoch);
      if (decodeControllerEpoch(data) >= awaited) await this.load();
      else this.#lookAfter(ASK_PAUSE_MS);
    } catch (err) {
      // The session has ended, and whoever registers anew looks again.
      this.#options.logger.debug({ err }, 'It could not be found out which topics were deleted');
    }
  }

  /** As of now, by a transaction, which unlike a read is never of the past: a topic that was just made must not be taken for a deleted one. */
  async #isGone(name: string): Promise<boolean> {
    try {
      await this.#options.store.multi([{ type: 'check', path: paths.topic(name), expected: 'any' }]);
      return false;
    } catch (err) {
      if (isMetadataError(err, 'NO_NODE')) return true;
      throw err;
    }
  }
}
