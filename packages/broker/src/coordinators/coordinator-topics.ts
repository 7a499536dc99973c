import { isMetadataError, type MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import { ZERO_UUID } from '@millrace/protocol';
import type { ClusterImage, TopicImage } from '../cluster/cluster-image.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import type { Logger } from '../shared/logger.ts';
import { decodeTopic, MalformedNodeError, paths } from '../store/znodes.ts';

/** How long a request waits for a look into the store; its client is told to come again. */
const LOOK_MS_MAX = 1000;

/** While the store and what the controller has told do not agree, the store is not asked more often than this. */
const LOOK_AGAIN_MS = 100;

export interface CoordinatorTopicsOptions {
  readonly store: MetadataStore;
  readonly cluster: ClusterImage;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * How many partitions the topics of coordinators have, as the metadata store says: groups and transactional ids are spread by that number.
 * What the controller has told of a topic is not enough to go by. It tells nothing of a partition that never had a leader, so that a
 * broker that has not been told of the last one would look for half of all groups in partitions that know nothing of them.
 */
export class CoordinatorTopics {
  readonly #topics: ReadonlyMap<string, CountedTopic>;

  constructor(options: CoordinatorTopicsOptions) {
    this.#topics = new Map([OFFSETS_TOPIC, TRANSACTIONS_TOPIC].map((name) => [name, new CountedTopic(name, options)]));
  }

  /** Reads them, and follows them from then on. Called again once the session is a new one, for the watches went with the old. Never rejects. */
  async load(): Promise<void> {
    await Promise.all(Array.from(this.#topics.values(), (topic) => topic.load()));
  }

  /** Undefined while there is no such topic, or that is not known. */
  partitionCount(name: string): number | undefined {
    return this.#topics.get(name)?.partitionCount();
  }

  /** As {@link CoordinatorTopics.partitionCount}, for a request that can wait for a look into the store. */
  async find(name: string): Promise<number | undefined> {
    return this.partitionCount(name) ?? this.#topics.get(name)?.find();
  }
}

interface Counted {
  /** Undefined where the node does not say, as before Kafka 2.8. */
  readonly id: string | undefined;
  readonly partitions: number;
}

class CountedTopic {
  readonly #name: string;
  readonly #options: CoordinatorTopicsOptions;
  #known: Counted | undefined;
  #reading: Promise<void> = Promise.resolve();
  /** The look that has not begun; whoever wants one meanwhile shares it. */
  #next: Promise<void> | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** One function, so that a store that is asked twice tells once. */
  readonly #changed = (): void => void this.load();

  constructor(name: string, options: CoordinatorTopicsOptions) {
    this.#name = name;
    this.#options = options;
  }

  load(): Promise<void> {
    this.#next ??= this.#reading.then(() => {
      this.#next = undefined;
      return this.#read();
    });
    this.#reading = this.#next;
    return this.#next;
  }

  partitionCount(): number | undefined {
    const image = this.#options.cluster.topic(this.#name);
    const known = this.#known;
    if (known === undefined ? image === undefined : image === undefined || agrees(known, image)) {
      return known?.partitions;
    }
    // The topic was made, or made anew, or has grown, and this server of the store may not have heard of it.
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - this.#lookedAtMs >= LOOK_AGAIN_MS) {
      this.#lookedAtMs = nowMs;
      void this.load();
    }
    return undefined;
  }

  async find(): Promise<number | undefined> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.schedule(LOOK_MS_MAX, resolve);
      void this.load().then(() => {
        timer.cancel();
        resolve();
      });
    });
    return this.partitionCount();
  }

  async #read(): Promise<void> {
    try {
      while (!(await this.#readOnce()));
    } catch (err) {
      // Without a session nothing is told of; the next one reads anew.
      if (isMetadataError(err, 'SESSION_EXPIRED', 'STORE_CLOSED')) return;
      const fields = { err, topic: this.#name };
      this.#options.logger.error(fields, 'It cannot be told how many partitions the topic of coordinators has');
    }
  }

  /** False where the topic came meanwhile. */
  async #readOnce(): Promise<boolean> {
    const { store } = this.#options;
    const path = paths.topic(this.#name);
    try {
      const { data } = await store.get(path, { watch: this.#changed });
      const { topicId: id, partitions } = decodeTopic(this.#name, data);
      this.#known = { id, partitions: partitions.length };
      return true;
    } catch (err) {
      if (err instanceof MalformedNodeError) {
        const fields = { err, topic: this.#name };
        this.#options.logger.error(fields, 'The topic of coordinators cannot be read; what was known before holds');
        return true;
      }
      if (!isMetadataError(err, 'NO_NODE')) throw err;
    }
    if ((await store.exists(path, { watch: this.#changed })) !== undefined) return false;
    this.#known = undefined;
    return true;
  }
}

/** Whether what the controller has told can be of the topic that the store has. */
function agrees({ id, partitions }: Counted, image: TopicImage): boolean {
  const isOther = id !== undefined && image.id !== ZERO_UUID && id !== image.id;
  return !isOther && image.partitions.length <= partitions;
}
