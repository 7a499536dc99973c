import {
  type BrokerChannel,
  type CommandHeader,
  LEADER_OF_DELETED,
  LEADER_RECOVERED,
  type PartitionState,
  type ReplicaState,
} from '../cluster/broker-channel.ts';
import {
  type ControllerContext,
  type PartitionContext,
  type PartitionRef,
  partitionsOf,
  type TopicContext,
} from './controller-context.ts';

/** Who commands, as every command says. */
export type Commander = Omit<CommandHeader, 'brokerEpoch'>;

/** The commands for one broker. */
interface BrokerBatch {
  readonly leaderAndIsr: Map<PartitionContext, ReplicaState>;
  /** What only this broker must be told. */
  readonly metadata: Map<PartitionContext, PartitionState>;
}

/** What came of the commands of a batch; each promise settles when the broker has answered. */
export interface SentCommand {
  readonly brokerId: number;
  readonly command: 'LeaderAndIsr' | 'UpdateMetadata';
  readonly outcome: ReturnType<BrokerChannel['updateMetadata']>;
}

/**
 * Collects what brokers must be told after an event, so that each gets at most one LeaderAndIsr and one UpdateMetadata
 * however many partitions it is about (`ControllerBrokerRequestBatch`).
 */
export class BrokerCommands {
  readonly #context: ControllerContext;
  readonly #commander: Commander;
  readonly #batches = new Map<number, BrokerBatch>();
  readonly #changed = new Map<PartitionContext, PartitionState>();
  #tellsAll = false;

  constructor(context: ControllerContext, commander: Commander) {
    this.#context = context;
    this.#commander = commander;
  }

  /** A partition's state has changed: its live replicas must act on it, and all brokers must know. */
  changed(ref: PartitionRef, options: { isNew: boolean }): void {
    const state = this.#stateOf(ref);
    if (state === undefined) return;
    this.#changed.set(ref.context, state);
    this.#tellsAll = true;
    for (const replica of state.replicas) {
      const orders = this.#batch(replica)?.leaderAndIsr;
      const isNew = options.isNew || orders?.get(ref.context)?.isNew === true;
      orders?.set(ref.context, ordersOf(state, isNew));
    }
  }

  /** A broker has come (back): it must act on its replicas and know all partitions. To be called after the changes. */
  introduce(brokerId: number, refs: Iterable<PartitionRef>): void {
    const batch = this.#batch(brokerId);
    if (batch === undefined) return;
    this.#tellsAll = true;
    for (const ref of refs) {
      const state = this.#stateOf(ref);
      if (state === undefined || this.#changed.has(ref.context)) continue;
      batch.metadata.set(ref.context, state);
      if (state.replicas.includes(brokerId)) batch.leaderAndIsr.set(ref.context, ordersOf(state, false));
    }
  }

  /** All brokers must know that these topics are gone. */
  deletedTopics(topics: Iterable<TopicContext>): void {
    this.#tellsAll = true;
    for (const topic of topics) {
      for (const ref of partitionsOf(topic)) {
        const state = this.#stateOf(ref);
        if (state === undefined) continue;
        // Epochs are 0 here, as Kafka sends them.
        this.#changed.set(ref.context, { ...state, leader: LEADER_OF_DELETED, leaderEpoch: 0, partitionEpoch: 0 });
      }
    }
  }

  /** All brokers must know which brokers are live, even if nothing else has changed. */
  liveBrokersChanged(): void {
    this.#tellsAll = true;
  }

  /** Puts the commands on their way: LeaderAndIsr before UpdateMetadata, so that clients find leaders that know their role. */
  send(channelTo: (brokerId: number) => BrokerChannel | undefined): SentCommand[] {
    const sent: SentCommand[] = [];
    const { liveBrokers } = this.#context;
    const changed = [...this.#changed.values()];
    for (const { broker, epoch } of this.#context.brokers.values()) {
      const { id } = broker;
      const header = { ...this.#commander, brokerEpoch: epoch };
      const channel = channelTo(id);
      const batch = this.#batches.get(id);
      if (channel === undefined) continue;
      if (batch !== undefined && batch.leaderAndIsr.size > 0) {
        const partitions = [...batch.leaderAndIsr.values()];
        const leaders = new Set(partitions.map(({ leader }) => leader));
        const liveLeaders = liveBrokers.filter((live) => leaders.has(live.id));
        const outcome = channel.leaderAndIsr({ ...header, partitions, liveLeaders });
        sent.push({ brokerId: id, command: 'LeaderAndIsr', outcome });
      }
      if (!this.#tellsAll) continue;
      const partitions = batch === undefined ? changed : [...batch.metadata.values(), ...changed];
      const outcome = channel.updateMetadata({ ...header, liveBrokers, partitions });
      sent.push({ brokerId: id, command: 'UpdateMetadata', outcome });
    }
    return sent;
  }

  #batch(brokerId: number): BrokerBatch | undefined {
    if (!this.#context.isLive(brokerId)) return undefined;
    let batch = this.#batches.get(brokerId);
    if (batch === undefined) {
      batch = { leaderAndIsr: new Map(), metadata: new Map() };
      this.#batches.set(brokerId, batch);
    }
    return batch;
  }

  #stateOf({ topic, partition, context }: PartitionRef): PartitionState | undefined {
    const { state, replicas } = context;
    if (state === undefined) return undefined;
    return {
      topic: topic.name,
      topicId: topic.id,
      partition,
      controllerEpoch: state.controllerEpoch,
      leader: state.leader,
      leaderEpoch: state.leaderEpoch,
      isr: state.isr,
      partitionEpoch: state.version,
      replicas,
      offlineReplicas: replicas.filter((replica) => !this.#context.isLive(replica)),
    };
  }
}

function ordersOf({ offlineReplicas: _, ...state }: PartitionState, isNew: boolean): ReplicaState {
  return { ...state, addingReplicas: [], removingReplicas: [], leaderRecoveryState: LEADER_RECOVERED, isNew };
}
