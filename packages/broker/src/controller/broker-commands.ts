import {
  type BrokerChannel,
  type CommandHeader,
  type CommandOutcome,
  EPOCH_OF_DELETED,
  LEADER_OF_DELETED,
  NO_LEADER,
  type PartitionState,
  type ReplicaState,
  type StoppedReplica,
} from '../cluster/broker-channel.ts';
import type { ControllerContext, PartitionContext, RegisteredBroker, ReplicaRef } from './controller-context.ts';

/** Who commands, as every command says. */
export type Commander = Omit<CommandHeader, 'brokerEpoch'>;

/** What came of a command; the promise settles when the broker has answered, with undefined when it never will. */
export interface SentCommand {
  readonly brokerId: number;
  readonly command: 'LeaderAndIsr' | 'UpdateMetadata' | 'StopReplica';
  /** Replicas whose files go. */
  readonly deletes: ReadonlySet<PartitionContext>;
  readonly outcome: Promise<CommandOutcome | undefined>;
}

/** The commands for one broker. */
interface BrokerBatch {
  readonly leaderAndIsr: Map<PartitionContext, ReplicaState>;
  readonly stops: Map<PartitionContext, StoppedReplica>;
}

/**
 * Collects what brokers must be told after one change of states, so that each gets at most one LeaderAndIsr, one UpdateMetadata and
 * one StopReplica, in this order, however many partitions it is about (`ControllerBrokerRequestBatch`).
 */
export class BrokerCommands {
  readonly #context: ControllerContext;
  readonly #commander: Commander;
  readonly #batches = new Map<number, BrokerBatch>();
  /** What everybody is told who is told anything. */
  readonly #metadata = new Map<PartitionContext, PartitionState>();
  readonly #told = new Set<number>();

  constructor(context: ControllerContext, commander: Commander) {
    this.#context = context;
    this.#commander = commander;
  }

  /** Replicas must act on the partition's state; all brokers must know it. */
  leaderAndIsr(replicas: Iterable<number>, partition: PartitionContext, isNew: boolean): void {
    const state = this.#stateOf(partition);
    if (state === undefined) return;
    const { offlineReplicas: _, ...told } = state;
    const { adding, removing } = partition.assignment;
    for (const replica of replicas) {
      const orders = this.#batch(replica)?.leaderAndIsr;
      orders?.set(partition, {
        ...told,
        addingReplicas: adding,
        removingReplicas: removing,
        leaderRecoveryState: partition.state?.leaderRecoveryState ?? 0,
        isNew: isNew || orders.get(partition)?.isNew === true,
      });
    }
    this.updateMetadata(this.#context.brokers.keys(), [partition]);
  }

  /** Brokers must know which brokers are live, and these partitions. All that are told in one batch are told the same. */
  updateMetadata(brokers: Iterable<number>, partitions: Iterable<PartitionContext>): void {
    for (const broker of brokers) this.#told.add(broker);
    for (const partition of partitions) {
      const state = this.#stateOf(partition);
      if (state === undefined) continue;
      // Of a topic that goes, Kafka tells no epochs.
      const gone = { leader: LEADER_OF_DELETED, leaderEpoch: 0, partitionEpoch: 0 };
      this.#metadata.set(partition, this.#context.isDeleting(partition) ? { ...state, ...gone } : state);
    }
  }

  /** As {@link BrokerCommands.updateMetadata}, but that nobody leads these partitions for the moment, whom their states name neither. */
  updateLeaderless(brokers: Iterable<number>, partitions: readonly PartitionContext[]): void {
    const leaders = new Map(partitions.map((partition) => [partition, this.#metadata.get(partition)?.leader]));
    this.updateMetadata(brokers, partitions);
    for (const partition of partitions) {
      const state = this.#metadata.get(partition);
      // Where a LeaderAndIsr of this batch names a leader, all may know.
      if (state !== undefined && (leaders.get(partition) ?? NO_LEADER) === NO_LEADER) {
        this.#metadata.set(partition, { ...state, leader: NO_LEADER });
      }
    }
  }

  /** Replicas must no longer lead nor follow. */
  stopReplica({ broker, partition }: ReplicaRef, deletesFiles: boolean): void {
    const stops = this.#batch(broker)?.stops;
    const { topic, index } = partition;
    stops?.set(partition, {
      topic: topic.name,
      partition: index,
      leaderEpoch: this.#context.isDeleting(partition) ? EPOCH_OF_DELETED : partition.leaderEpoch,
      deletePartition: deletesFiles || stops.get(partition)?.deletePartition === true,
    });
  }

  /** Puts the commands on their way. */
  send(channelTo: (brokerId: number) => BrokerChannel | undefined): SentCommand[] {
    const sent: SentCommand[] = [];
    const { brokers } = this.#context;
    for (const [brokerId, registered] of brokers) {
      const channel = channelTo(brokerId);
      if (channel !== undefined) sent.push(...this.#sendTo(brokerId, registered, channel));
    }
    return sent;
  }

  *#sendTo(brokerId: number, { epoch }: RegisteredBroker, channel: BrokerChannel): Generator<SentCommand> {
    const header = { ...this.#commander, brokerEpoch: epoch };
    const { liveBrokers } = this.#context;
    const batch = this.#batches.get(brokerId);
    const none = new Set<PartitionContext>();
    if (batch !== undefined && batch.leaderAndIsr.size > 0) {
      const partitions = [...batch.leaderAndIsr.values()];
      const leaders = new Set(partitions.map(({ leader }) => leader));
      const liveLeaders = liveBrokers.filter(({ id }) => leaders.has(id));
      const outcome = channel.leaderAndIsr({ ...header, partitions, liveLeaders });
      yield { brokerId, command: 'LeaderAndIsr', deletes: none, outcome };
    }
    if (this.#told.has(brokerId)) {
      const partitions = [...this.#metadata.values()];
      const outcome = channel.updateMetadata({ ...header, liveBrokers, partitions });
      yield { brokerId, command: 'UpdateMetadata', deletes: none, outcome };
    }
    if (batch !== undefined && batch.stops.size > 0) {
      const deletes = new Set([...batch.stops].filter(([, stop]) => stop.deletePartition).map(([key]) => key));
      const outcome = channel.stopReplica({ ...header, partitions: [...batch.stops.values()] });
      yield { brokerId, command: 'StopReplica', deletes, outcome };
    }
  }

  /** Undefined for a broker that is not there: it will be told all when it comes. */
  #batch(brokerId: number): BrokerBatch | undefined {
    if (!this.#context.brokers.has(brokerId)) return undefined;
    let batch = this.#batches.get(brokerId);
    if (batch === undefined) {
      batch = { leaderAndIsr: new Map(), stops: new Map() };
      this.#batches.set(brokerId, batch);
    }
    return batch;
  }

  #stateOf(partition: PartitionContext): PartitionState | undefined {
    const { topic, index, state, replicas } = partition;
    if (state === undefined) return undefined;
    return {
      topic: topic.name,
      topicId: topic.id,
      partition: index,
      controllerEpoch: state.controllerEpoch,
      leader: state.leader,
      leaderEpoch: state.leaderEpoch,
      isr: state.isr,
      partitionEpoch: state.version,
      replicas,
      offlineReplicas: this.#context.offlineReplicas(partition),
    };
  }
}
