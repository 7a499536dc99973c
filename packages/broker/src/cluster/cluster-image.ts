import type { BrokerEndpoint, LiveBroker, PartitionState, UpdateMetadataCommand } from './broker-channel.ts';

/** A topic as the controller last described it. */
export interface TopicImage {
  readonly name: string;
  readonly id: string;
  /** Partition N stands at place N. */
  readonly partitions: readonly PartitionState[];
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
  readonly #listeners = new Set<(command: UpdateMetadataCommand) => void>();

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
  apply(command: UpdateMetadataCommand): void {
    this.#controllerId = command.controllerId;
    this.#controllerEpoch = command.controllerEpoch;
    this.#brokers = new Map(command.liveBrokers.map((broker) => [broker.id, broker]));
    for (const topic of command.deletedTopics) this.#remove(topic);
    for (const [name, states] of byTopic(command.partitions)) this.#merge(name, states);
    for (const listener of [...this.#listeners]) listener(command);
  }

  /** Calls `listener` after every change with the command that made it; the returned function ends that. */
  onChange(listener: (command: UpdateMetadataCommand) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #merge(name: string, states: readonly PartitionState[]): void {
    const id = (states[0] as PartitionState).topicId;
    const before = this.#topicsByName.get(name);
    // A topic that was deleted and made anew has another id: nothing of the old one may shine through.
    const partitions = before !== undefined && before.id === id ? before.partitions.slice() : [];
    if (before !== undefined) this.#remove(name);
    for (const state of states) partitions[state.partition] = state;
    const image: TopicImage = { name, id, partitions };
    this.#topicsByName.set(name, image);
    this.#topicsById.set(id, image);
    this.#partitionCount += partitions.length;
  }

  #remove(name: string): void {
    const topic = this.#topicsByName.get(name);
    if (topic === undefined) return;
    this.#topicsByName.delete(name);
    this.#topicsById.delete(topic.id);
    this.#partitionCount -= topic.partitions.length;
  }
}

function byTopic(states: readonly PartitionState[]): Map<string, PartitionState[]> {
  const topics = new Map<string, PartitionState[]>();
  for (const state of states) {
    const known = topics.get(state.topic);
    if (known === undefined) topics.set(state.topic, [state]);
    else known.push(state);
  }
  return topics;
}
