import type { BrokerChannel, LeaderAndIsrCommand, PartitionState } from '../cluster/broker-channel.ts';
import type { ControllerContext, PartitionContext, PartitionRef } from './controller-context.ts';

type NewPartitionState = LeaderAndIsrCommand['partitions'][number];

/** Who commands, as every command says. */
export interface Commander {
  readonly controllerId: number;
  readonly controllerEpoch: number;
}

/** The commands for one broker. */
interface BrokerBatch {
  readonly leaderAndIsr: Map<PartitionContext, NewPartitionState>;
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
  readonly #deletedTopics: string[] = [];
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
      orders?.set(ref.context, { ...state, isNew });
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
      if (state.replicas.includes(brokerId)) batch.leaderAndIsr.set(ref.context, { ...state, isNew: false });
    }
  }

  /** All brokers must know that these topics are gone. */
  deletedTopics(topics: Iterable<string>): void {
    this.#deletedTopics.push(...topics);
    this.#tellsAll = true;
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
    for (const { id } of liveBrokers) {
      const channel = channelTo(id);
      const batch = this.#batches.get(id);
      if (channel === undefined) continue;
      if (batch !== undefined && batch.leaderAndIsr.size > 0) {
        const outcome = channel.leaderAndIsr({ ...this.#commander, partitions: [...batch.leaderAndIsr.values()] });
        sent.push({ brokerId: id, command: 'LeaderAndIsr', outcome });
      }
      if (!this.#tellsAll) continue;
      const partitions = batch === undefined ? changed : [...batch.metadata.values(), ...changed];
      const outcome = channel.updateMetadata({
        ...this.#commander,
        liveBrokers,
        partitions,
        deletedTopics: this.#deletedTopics,
      });
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
