import { ignoreNoNode, isMetadataError, type MetadataStore } from '@millrace/metadata';
import type { Clock, Timer } from '@millrace/ports';
import { ZERO_UUID } from '@millrace/protocol';
import type { ClusterImage, TopicImage } from '../cluster/cluster-image.ts';
import { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import { decodeControllerEpoch, decodeTopic, MalformedNodeError, paths } from '../store/znodes.ts';

/** A server of the store that has not heard of the newest controller yet is asked again after so long. */
const ASK_PAUSE_MS = 100;

/** How many topics are looked at at once. */
const LOOKS_AT_ONCE_MAX = 64;

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
 * registers anew, and when another controller has taken over. A topic of the name that was made since is another.
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
    for (let from = 0; from < known.length; from += LOOKS_AT_ONCE_MAX) {
      const looked = known.slice(from, from + LOOKS_AT_ONCE_MAX);
      const areGone = await Promise.all(looked.map((topic) => this.#isGone(topic, names.has(topic.name))));
      gone.push(...looked.filter((_, index) => areGone[index]));
    }
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

  async #isGone({ name, id }: TopicImage, isListed: boolean): Promise<boolean> {
    if (isListed && !(await this.#isOther(name, id))) return false;
    if (await this.#isMissing(name)) return true;
    // What is read behind a transaction is no older than that.
    return this.#isOther(name, id);
  }

  /** Whether the topic of this name has another id, as this server of the store knows it, which may be behind. */
  async #isOther(name: string, id: string): Promise<boolean> {
    const node = await this.#options.store.get(paths.topic(name)).catch(ignoreNoNode);
    if (node === undefined) return true;
    try {
      const { topicId } = decodeTopic(name, node.data);
      return topicId !== undefined && id !== ZERO_UUID && topicId !== id;
    } catch (err) {
      // Nobody can tell until it is mended.
      if (err instanceof MalformedNodeError) return false;
      throw err;
    }
  }

  /** As of now, by a transaction, which unlike a read is never of the past: a topic that was just made must not be taken for a deleted one. */
  async #isMissing(name: string): Promise<boolean> {
    try {
      await this.#options.store.multi([{ type: 'check', path: paths.topic(name), expected: 'any' }]);
      return false;
    } catch (err) {
      if (isMetadataError(err, 'NO_NODE')) return true;
      throw err;
    }
  }
}
