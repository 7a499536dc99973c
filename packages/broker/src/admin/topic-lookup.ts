import { ignoreNoNode, type MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { invalidTopicName } from '../cluster/topic-name.ts';
import type { Logger } from '../shared/logger.ts';
import { decodeTopic, paths } from '../store/znodes.ts';
import { ImageWaits } from './image-waits.ts';

/** Topics that are looked for at the same time, whoever asks. */
const LOOKS_AT_ONCE_MAX = 100;

/** A look takes no longer; the asker is told to come again. */
const LOOK_MS_MAX = 1000;

/** Topics that are looked for on behalf of one request; further ones that this broker has not been told of are taken for unknown. */
const LOOKS_PER_REQUEST_MAX = 1000;

export interface TopicLookupOptions {
  readonly store: MetadataStore;
  readonly cluster: ClusterImage;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Looks into the metadata store before a coordinator calls a topic unknown. A coordinator answers as soon as it has loaded its partition,
 * and a broker that has just started, or heard of the topic's creation from nobody yet, may not have been told of the topic by then. Kafka
 * refuses there (`KafkaApis`), and a consumer whose commit is refused so gives up.
 */
export class TopicLookup {
  readonly #options: TopicLookupOptions;
  readonly #waits: ImageWaits;
  #running = 0;

  constructor(options: TopicLookupOptions) {
    this.#options = options;
    this.#waits = new ImageWaits(options.cluster, options.clock);
  }

  /** What the topics of one request are looked for with: each once. */
  forRequest(): RequestLookup {
    return new RequestLookup(this.#options.cluster, (name) => this.#partitionCount(name));
  }

  /** How many partitions a topic has in the store, 0 without a topic; undefined when that could not be found out. */
  async #partitionCount(name: string): Promise<number | undefined> {
    if (this.#running >= LOOKS_AT_ONCE_MAX) return undefined;
    this.#running += 1;
    try {
      return await this.#waits.atMost(this.#look(name), LOOK_MS_MAX);
    } catch (err) {
      this.#options.logger.debug({ err, topic: name }, 'A topic could not be looked for in the metadata store');
      return undefined;
    } finally {
      this.#running -= 1;
    }
  }

  async #look(name: string): Promise<number> {
    const { store, cluster } = this.#options;
    const node = await store.get(paths.topic(name)).catch(ignoreNoNode);
    if (node === undefined) return 0;
    // One that is on its way out has no offsets any more, and shall get none that a later topic of its name would begin with.
    if ((await store.exists(paths.deleteTopic(name))) !== undefined) return 0;
    const { topicId, partitions } = decodeTopic(name, node.data);
    return topicId !== undefined && cluster.isDeleted(topicId, 0) ? 0 : partitions.length;
  }
}

/** The topics of one request, which are looked for only where this broker has not been told of them. */
export class RequestLookup {
  readonly #cluster: ClusterImage;
  readonly #look: (name: string) => Promise<number | undefined>;
  readonly #counts = new Map<string, number | undefined>();

  constructor(cluster: ClusterImage, look: (name: string) => Promise<number | undefined>) {
    this.#cluster = cluster;
    this.#look = look;
  }

  /**
   * NONE for a partition that is there, UNKNOWN_TOPIC_OR_PARTITION for one that is not, INVALID_TOPIC_EXCEPTION for a name that no topic may
   * have, COORDINATOR_NOT_AVAILABLE, which clients answer by
   * asking again, where that could not be found out. No promise for what this broker knows, or has looked for.
   */
  errorOf(topic: string, partition: number): number | Promise<number> {
    if (this.#cluster.partition(topic, partition) !== undefined) return ErrorCode.NONE;
    if (this.#counts.has(topic)) return this.#errorFor(topic, partition);
    const invalid = invalidTopicName(topic);
    if (invalid !== undefined) return invalid.errorCode;
    if (this.#counts.size >= LOOKS_PER_REQUEST_MAX) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    return this.#look(topic).then((count) => {
      this.#counts.set(topic, count);
      return this.#errorFor(topic, partition);
    });
  }

  #errorFor(topic: string, partition: number): number {
    const count = this.#counts.get(topic);
    if (count === undefined) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    return partition >= 0 && partition < count ? ErrorCode.NONE : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  }
}
