import { ZERO_UUID } from '@millrace/protocol';
import {
  type BrokerEndpoint,
  LEADER_OF_DELETED,
  type LiveBroker,
  type PartitionState,
  type UpdateMetadataCommand,
} from './broker-channel.ts';

/** Ids of deleted topics that are remembered, so that what was said of them before, and comes late, is known for it. */
const DELETED_TOPICS_MAX = 10_000;

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
 * What this broker knows of the cluster: the brokers, the topics and who leads their partitions. It changes by
 * UpdateMetadata, and by what other brokers know while no controller reaches this one; a change replaces topics, never alters one, so what a request took hold of stays as it was.
 */
export class ClusterImage {
  readonly #topicsByName = new Map<string, TopicImage>();
  readonly #topicsById = new Map<string, TopicImage>();
  #brokers: ReadonlyMap<number, LiveBroker> = new Map();
  #controllerId = -1;
  #controllerEpoch = -1;
  #partitionCount = 0;
  /** Whether the controller tells topics' ids, as all do from Kafka 2.8 on. */
  #hasIds = true;
  /** By id, the epoch of the controller that has told of the deletion; the oldest first. */
  readonly #deletedTopics = new Map<string, number>();
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

  /**
   * Whether this broker has been told of the deletion of the topic with this id, by the controller of an epoch or by a later one. No id
   * comes back, so what that controller says of the topic beside was said before, over a connection that was slower.
   */
  isDeleted(topicId: string, controllerEpoch: number): boolean {
    return (this.#deletedTopics.get(topicId) ?? Number.NEGATIVE_INFINITY) >= controllerEpoch;
  }

  /** Whether this broker has been told that a topic is deleted, before anybody asks it for the topic's files. */
  isGone(name: string, topicId: string): boolean {
    const isKnownById = this.#hasIds && topicId !== ZERO_UUID;
    return isKnownById ? this.#deletedTopics.has(topicId) : !this.#topicsByName.has(name);
  }

  /**
   * Takes over what the controller says, but for what is older than what is known: a command that was not answered is sent again over
   * another connection, and may arrive a second time behind later ones. The caller has checked the controller's epoch.
   */
  apply(command: UpdateMetadataCommand): ImageChange {
    this.#controllerId = command.controllerId;
    this.#controllerEpoch = command.controllerEpoch;
    this.#brokers = new Map(command.liveBrokers.map((broker) => [broker.id, broker]));
    const topics = Map.groupBy(command.partitions, ({ topic }) => topic);
    const deletedTopics: string[] = [];
    if (command.partitions[0] !== undefined) this.#hasIds = command.partitions[0].topicId !== ZERO_UUID;
    for (const [name, states] of topics) {
      if (this.#isLate(name, states, command.controllerEpoch)) topics.delete(name);
      else if (!this.#merge(name, states)) deletedTopics.push(name);
    }
    const change = { topics: new Set(topics.keys()), deletedTopics };
    this.#tell(change);
    return change;
  }

  /** Takes over what another broker knows of leaders where its epoch is a later one; the controller says the same when it can. */
  learn(news: readonly PartitionState[]): void {
    const topics = Map.groupBy(
      news.filter((state) => {
        const known = this.partition(state.topic, state.partition);
        return known?.topicId === state.topicId && known.leaderEpoch < state.leaderEpoch;
      }),
      ({ topic }) => topic,
    );
    for (const [name, states] of topics) this.#merge(name, states);
    if (topics.size > 0) this.#tell({ topics: new Set(topics.keys()), deletedTopics: [] });
  }

  /** Forgets topics, unless others of their names have taken their place; gives the names of those that are forgotten. */
  drop(topics: readonly TopicImage[]): string[] {
    const dropped = topics.filter(({ name, id }) => this.#topicsByName.get(name)?.id === id);
    for (const { name } of dropped) this.#remove(this.#topicsByName.get(name) as TopicImage);
    const deletedTopics = dropped.map(({ name }) => name);
    if (dropped.length > 0) this.#tell({ topics: new Set(deletedTopics), deletedTopics });
    return deletedTopics;
  }

  /** Calls `listener` after every change; the returned function ends that. */
  onChange(listener: (change: ImageChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Whether what is said of a topic is about one of this name that is gone. */
  #isLate(name: string, [first]: readonly PartitionState[], controllerEpoch: number): boolean {
    if (first === undefined || first.topicId === ZERO_UUID) return false;
    const { topicId, leader } = first;
    if (leader !== LEADER_OF_DELETED) return this.isDeleted(topicId, controllerEpoch);
    this.#deletedTopics.delete(topicId);
    this.#deletedTopics.set(topicId, controllerEpoch);
    if (this.#deletedTopics.size > DELETED_TOPICS_MAX) {
      for (const oldest of this.#deletedTopics.keys()) {
        this.#deletedTopics.delete(oldest);
        break;
      }
    }
    const present = this.#topicsByName.get(name);
    return present !== undefined && present.id !== topicId;
  }

  #tell(change: ImageChange): void {
    for (const listener of [...this.#listeners]) listener(change);
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
      else if (!isOlder(state, partitions[state.partition])) partitions[state.partition] = state;
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

/** Without an id a topic may have been made anew, and its epochs begin again. */
function isOlder({ topicId, leaderEpoch, partitionEpoch }: PartitionState, known: PartitionState | undefined): boolean {
  if (known === undefined || topicId === ZERO_UUID) return false;
  if (leaderEpoch !== known.leaderEpoch) return leaderEpoch < known.leaderEpoch;
  return partitionEpoch < known.partitionEpoch;
}

function countOf({ partitions }: TopicImage): number {
  // `reduce` passes over holes.
  return partitions.reduce((count) => count + 1, 0);
}
