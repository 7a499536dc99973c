import {
  type BrokerEndpoint,
  LEADER_OF_DELETED,
  type LiveBroker,
  type PartitionState,
  type UpdateMetadataCommand,
} from './broker-channel.ts';

/** A topic as the controller last described it. */
export interface TopicImage {
  readonly name: string;
  readonly id: string;
  /** Partition N stands at place N. Partitions that never had a leader may be missing, as brokers are not told of them. */
  readonly partitions: readonly PartitionState[];
}

/** What a command has changed. */
export interface ImageChange {
  /** Topics of which something is new, by name. */
  readonly topics: ReadonlySet<string>;
  /** Topics that are gone, by name. */
  readonly deletedTopics: readonly string[];
}

/**
 * What this broker knows of the cluster: the brokers, the topics and who leads their partitions. It changes only by
 * UpdateMetadata, and a change replaces topics, never alters one, so what a request took hold of stays as it was.
 */
export class ClusterImage {
  readonly #topicsByName = new Map<string, TopicImage>();
  readonly #topicsById = new Map<string, TopicImage>();
  #brokers: ReadonlyMap<number, LiveBroker> = new Map();
  #controllerId = -1;
  #controllerEpoch = -1;
  #partitionCount = 0;
  readonly #listeners = new Set<(change: ImageChange) => void>();

  /** The active controller's broker id, -1 while there is none. */
  get controllerId(): number {
    return this.#controllerId;
  }

  /** The epoch of the last controller that was heard of, -1 before the first. */
  get controllerEpoch(): number {
    return this.#controllerEpoch;
  }

  /** Live brokers by id. */
  get brokers(): ReadonlyMap<number, LiveBroker> {
    return this.#brokers;
  }

  /** All topics, by name. */
  get topics(): ReadonlyMap<string, TopicImage> {
    return this.#topicsByName;
  }

  /** How many partitions there are in the cluster. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  topic(name: string): TopicImage | undefined {
    return this.#topicsByName.get(name);
  }

  topicById(id: string): TopicImage | undefined {
    return this.#topicsById.get(id);
  }

  partition(topic: string, partition: number): PartitionState | undefined {
    return this.#topicsByName.get(topic)?.partitions[partition];
  }

  /** Where a live broker is reached under a listener's name; undefined when it is down or has no such listener. */
  endpoint(brokerId: number, listener: string): BrokerEndpoint | undefined {
    return this.#brokers.get(brokerId)?.endpoints.find((endpoint) => endpoint.listener === listener);
  }

  /** Takes over what the controller says. The caller has checked the controller's epoch. */
  apply(command: UpdateMetadataCommand): ImageChange {
    this.#controllerId = command.controllerId;
    this.#controllerEpoch = command.controllerEpoch;
    this.#brokers = new Map(command.liveBrokers.map((broker) => [broker.id, broker]));
    const topics = Map.groupBy(command.partitions, ({ topic }) => topic);
    const deletedTopics: string[] = [];
    for (const [name, states] of topics) if (!this.#merge(name, states)) deletedTopics.push(name);
    const change = { topics: new Set(topics.keys()), deletedTopics };
    for (const listener of [...this.#listeners]) listener(change);
    return change;
  }

  /** Calls `listener` after every change; the returned function ends that. */
  onChange(listener: (change: ImageChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** False when nothing of the topic is left. */
  #merge(name: string, states: readonly PartitionState[]): boolean {
    const id = (states[0] as PartitionState).topicId;
    const before = this.#topicsByName.get(name);
    // A topic that was deleted and made anew has another id: nothing of the old one may shine through.
    const partitions = before !== undefined && before.id === id ? before.partitions.slice() : [];
    if (before !== undefined) this.#remove(before);
    for (const state of states) {
      if (state.leader === LEADER_OF_DELETED) delete partitions[state.partition];
      else partitions[state.partition] = state;
    }
    // A hole at the end is no partition.
    while (partitions.length > 0 && partitions.at(-1) === undefined) partitions.length -= 1;
    if (partitions.length === 0) return false;
    const image: TopicImage = { name, id, partitions };
    this.#topicsByName.set(name, image);
    this.#topicsById.set(id, image);
    this.#partitionCount += countOf(image);
    return true;
  }

  #remove(topic: TopicImage): void {
    this.#topicsByName.delete(topic.name);
    this.#topicsById.delete(topic.id);
    this.#partitionCount -= countOf(topic);
  }
}

function countOf({ partitions }: TopicImage): number {
  // `reduce` passes over holes.
  return partitions.reduce((count) => count + 1, 0);
}
