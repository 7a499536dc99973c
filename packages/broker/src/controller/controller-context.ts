import { type LiveBroker, NO_LEADER } from '../cluster/broker-channel.ts';
import type { LeaderAndIsr, ReplicaAssignment } from '../store/znodes.ts';

/** A partition's state with what the store says about the node that holds it. */
export interface StoredState extends LeaderAndIsr {
  /** The version of the node, which a change of it must show: the partition epoch. */
  readonly version: number;
  /** A broker with this epoch or a lower one was registered when the state was written; one with a higher has come since. */
  readonly zxid: number;
}

/** Where a partition stands (`PartitionState` of Kafka's controller). */
export type PartitionPhase = 'new' | 'online' | 'offline' | 'nonexistent';

/** Where a replica stands (`ReplicaState` of Kafka's controller). */
export type ReplicaPhase =
  | 'new'
  | 'online'
  | 'offline'
  | 'deletion started'
  | 'deletion successful'
  | 'deletion ineligible';

/** A partition as the controller knows it. */
export class PartitionContext {
  readonly topic: TopicContext;
  readonly index: number;
  /** Undefined until the first leader is elected. */
  state: StoredState | undefined;
  phase: PartitionPhase = 'nonexistent';
  /** By broker. A replica that is not in it does not exist. */
  readonly replicaPhases = new Map<number, ReplicaPhase>();
  assignment: ReplicaAssignment;
  /** Brokers whose replicas a reassignment takes away, which is done but for their files; the store names them until these have gone. */
  leaving: readonly number[] = [];

  constructor(topic: TopicContext, index: number, assignment: ReplicaAssignment) {
    this.topic = topic;
    this.index = index;
    this.assignment = assignment;
  }

  get name(): string {
    return `${this.topic.name}-${this.index}`;
  }

  /** All replicas, with those that a reassignment adds and those that leave with it. */
  get replicas(): readonly number[] {
    return this.assignment.replicas;
  }

  get isReassigning(): boolean {
    return this.assignment.adding.length > 0 || this.assignment.removing.length > 0 || this.leaving.length > 0;
  }

  /** The replicas that there shall be when a running reassignment is done. */
  get targetReplicas(): readonly number[] {
    return this.replicas.filter((replica) => !this.assignment.removing.includes(replica));
  }

  /** The replicas that there were before a running reassignment began. */
  get originReplicas(): readonly number[] {
    return this.replicas.filter((replica) => !this.assignment.adding.includes(replica));
  }

  get leader(): number {
    return this.state?.leader ?? NO_LEADER;
  }

  get leaderEpoch(): number {
    return this.state?.leaderEpoch ?? -1;
  }
}

/** A topic as the controller knows it. */
export interface TopicContext {
  readonly name: string;
  readonly id: string;
  /** Partition N stands at place N. */
  readonly partitions: PartitionContext[];
}

/** A replica: a partition on a broker. */
export interface ReplicaRef {
  readonly partition: PartitionContext;
  readonly broker: number;
}

/** A live broker and its epoch: the transaction that registered it. */
export interface RegisteredBroker {
  readonly broker: LiveBroker;
  readonly epoch: number;
}

/** What a controller knows in its term: the brokers, the topics, and which of these are to be deleted. */
export class ControllerContext {
  /** All that are registered, those that are shutting down included. */
  readonly brokers = new Map<number, RegisteredBroker>();
  /** Brokers that have asked to be relieved of their leaderships, until their registration goes. */
  readonly shuttingDown = new Set<number>();
  readonly topics = new Map<string, TopicContext>();
  /** Topics whose deletion has been asked for. */
  readonly deletions = new Set<string>();
  /** Those of them that must wait: for a broker that is down, or for a reassignment. */
  readonly ineligibleDeletions = new Set<string>();
  /** Those of them whose partitions have been taken offline. */
  readonly startedDeletions = new Set<string>();
  /** By broker, the partitions whose replica there is in a log folder that has failed. */
  readonly #failedReplicas = new Map<number, Set<PartitionContext>>();

  /** Whether a broker is registered and not on its way out. */
  readonly isLive = (broker: number): boolean => this.brokers.has(broker) && !this.shuttingDown.has(broker);

  /** Whether a replica's broker is live and its log folder works. */
  isReplicaOnline(broker: number, partition: PartitionContext): boolean {
    return this.isLive(broker) && this.#failedReplicas.get(broker)?.has(partition) !== true;
  }

  /** As {@link isReplicaOnline}, for a broker that is shutting down as well. */
  isReplicaReachable(broker: number, partition: PartitionContext): boolean {
    return this.brokers.has(broker) && this.#failedReplicas.get(broker)?.has(partition) !== true;
  }

  /** A replica works no more; true when it had until now. */
  replicaFailed({ broker, partition }: ReplicaRef): boolean {
    const failed = this.#failedReplicas.get(broker) ?? new Set();
    const isNews = !failed.has(partition);
    this.#failedReplicas.set(broker, failed.add(partition));
    return isNews;
  }

  /** A replica works again; true when it had failed. */
  replicaWorks({ broker, partition }: ReplicaRef): boolean {
    return this.#failedReplicas.get(broker)?.delete(partition) ?? false;
  }

  /** A broker has said that a replica has failed, which is acted on later: what it answers from now on may say that the replica is back. */
  failureAnswered(broker: number): void {
    if (!this.#failedReplicas.has(broker)) this.#failedReplicas.set(broker, new Set());
  }

  /** Whether replicas of a broker have failed since it came, those included of which it has only just said so. */
  hasHadFailures(broker: number): boolean {
    return this.#failedReplicas.has(broker);
  }

  /** A broker that comes (back) has its log folders looked at anew. */
  forgetFailedReplicas(broker: number): void {
    this.#failedReplicas.delete(broker);
  }

  get liveBrokers(): LiveBroker[] {
    return Array.from(this.brokers.values(), ({ broker }) => broker);
  }

  partition(topic: string, index: number): PartitionContext | undefined {
    return this.topics.get(topic)?.partitions[index];
  }

  topicById(id: string): TopicContext | undefined {
    for (const topic of this.topics.values()) if (topic.id === id) return topic;
    return undefined;
  }

  isDeleting({ topic }: PartitionContext): boolean {
    return this.deletions.has(topic.name);
  }

  /** All partitions except those of topics that are being deleted. */
  *partitions(): Generator<PartitionContext> {
    for (const topic of this.topics.values()) if (!this.deletions.has(topic.name)) yield* topic.partitions;
  }

  /** Partitions, of topics that are being deleted too, with a replica on one of the brokers. */
  *replicasOn(brokers: Iterable<number>): Generator<ReplicaRef> {
    for (const broker of brokers) {
      for (const { partitions } of this.topics.values()) {
        for (const partition of partitions) if (partition.replicas.includes(broker)) yield { partition, broker };
      }
    }
  }

  /** Replicas that clients cannot count on: their broker is gone, or the log folder has failed. */
  offlineReplicas(partition: PartitionContext): number[] {
    return partition.replicas.filter((replica) => !this.isReplicaOnline(replica, partition));
  }
}
