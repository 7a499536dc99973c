import type { LiveBroker } from '../cluster/broker-channel.ts';
import type { LeaderAndIsr } from '../store/znodes.ts';

/** A partition's state with what the store says about the node that holds it. */
export interface StoredState extends LeaderAndIsr {
  /** The version of the node, which a change of it must show. */
  readonly version: number;
  /** A broker with this epoch or a lower one was registered when the state was written; one with a higher has come since. */
  readonly zxid: number;
}

/** A partition as the controller knows it. */
export interface PartitionContext {
  readonly replicas: readonly number[];
  /** Undefined until the first leader is elected. */
  state: StoredState | undefined;
}

/** A topic as the controller knows it. */
export interface TopicContext {
  readonly name: string;
  readonly id: string;
  /** Partition N stands at place N. */
  readonly partitions: PartitionContext[];
}

/** A live broker and its epoch: the transaction that registered it. */
export interface RegisteredBroker {
  readonly broker: LiveBroker;
  readonly epoch: number;
}

/** A partition by the topic's context and its number. */
export interface PartitionRef {
  readonly topic: TopicContext;
  readonly partition: number;
  readonly context: PartitionContext;
}

/** What a controller knows in its term: the live brokers, the topics, and which of these are to be deleted. */
export class ControllerContext {
  readonly brokers = new Map<number, RegisteredBroker>();
  readonly topics = new Map<string, TopicContext>();
  /** Topics whose deletion has been asked for. */
  readonly deletions = new Set<string>();

  readonly isLive = (broker: number): boolean => this.brokers.has(broker);

  /** The epoch of the broker that registered last. */
  get newestEpoch(): number {
    let newest = 0;
    for (const { epoch } of this.brokers.values()) newest = Math.max(newest, epoch);
    return newest;
  }

  get liveBrokers(): LiveBroker[] {
    return Array.from(this.brokers.values(), ({ broker }) => broker);
  }

  /** All partitions except those of topics that are being deleted. */
  *partitions(): Generator<PartitionRef> {
    for (const topic of this.topics.values()) {
      if (!this.deletions.has(topic.name)) yield* partitionsOf(topic);
    }
  }
}

export function* partitionsOf(topic: TopicContext): Generator<PartitionRef> {
  for (const [partition, context] of topic.partitions.entries()) yield { topic, partition, context };
}
