import type { MetadataStore } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import type { Peers } from '../cluster/peers.ts';
import type { CoordinatorTopics } from '../coordinators/coordinator-topics.ts';
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import type { ReplicaManager } from '../replicas/replica-manager.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import type { Metrics } from '../shared/metrics.ts';
import { isRefusal } from '../shared/refusal.ts';
import { TRANSACTION_VERSION_MAX, TransactionLevel } from '../store/transaction-level.ts';
import { BrokerLanes } from './broker-lanes.ts';
import type { TransactionConfig } from './config.ts';
import { MarkerSender, type TopicLooks } from './marker-sender.ts';
import { MarkerWriter } from './marker-writer.ts';
import type { TransactionAsker } from './transaction.ts';
import { TransactionCoordinator } from './transaction-coordinator.ts';
import { VerifiedAppends, type VerifiedOffsets, verifyOffsets } from './verified-appends.ts';
import { type Demand, Verifier } from './verifier.ts';

export interface TransactionRoomsOptions {
  readonly brokerId: number;
  readonly config: TransactionConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cluster: ClusterImage;
  readonly replicas: ReplicaManager;
  readonly coordinatorTopics: Pick<CoordinatorTopics, 'partitionCount'>;
  readonly groups: GroupCoordinator;
  readonly peers: Peers;
  /** Finds topics that this broker has not been told of. */
  readonly topics: TopicLooks;
  /** `inter.broker.listener.name` */
  readonly listener: string;
  readonly metrics: Metrics;
  readonly nextProducerId: () => Promise<number>;
  /** `transaction.partition.verification.enable`, which may change while the broker runs. */
  readonly isVerifying: () => boolean;
  /** Where brokers register, and tell which transactions they know. */
  readonly store: MetadataStore;
  /** Whether values of `__transaction_state` may have tags, as `inter.broker.protocol.version` has it. */
  readonly hasTaggedTransactions: boolean;
  /** The highest `transaction.version` that this broker takes part in. */
  readonly transactionVersionMax?: number | undefined;
}

/** All that a broker does for transactions: it coordinates some, writes markers for others, and verifies what producers send. */
export class TransactionRooms {
  readonly coordinator: TransactionCoordinator;
  readonly markers: MarkerWriter;
  readonly appends: VerifiedAppends;
  /** `transaction.version` of the cluster. */
  readonly level: TransactionLevel;
  readonly #verifier: Verifier;
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  readonly #isVerifying: () => boolean;
  readonly #replicas: ReplicaManager;
  readonly #groups: GroupCoordinator;
  readonly #lanes: readonly BrokerLanes[];

  constructor(options: TransactionRoomsOptions) {
    const { brokerId, config, clock, logger, cluster, topics, replicas, groups, peers, listener, nextProducerId } =
      options;
    const timeoutMs = config.requestTimeoutMs;
    const partitionCount = (): number | undefined => options.coordinatorTopics.partitionCount(TRANSACTIONS_TOPIC);
    const limits = { loadBytes: config.loadBytes, commitTimeoutMs: config.loadTimeoutMs };
    const writer = new MarkerWriter({ clock, replicas, groups, timeoutMs });
    const markerLanes = new BrokerLanes({ brokerId, cluster, peers, listener });
    const verifierLanes = new BrokerLanes({ brokerId, cluster, peers, listener });
    this.#lanes = [markerLanes, verifierLanes];
    this.#replicas = replicas;
    this.#groups = groups;
    this.#isVerifying = options.isVerifying;
    this.markers = writer;
    const { store, hasTaggedTransactions, transactionVersionMax = TRANSACTION_VERSION_MAX } = options;
    this.level = new TransactionLevel({ store, clock, logger, ownMax: transactionVersionMax });
    this.coordinator = new TransactionCoordinator({
      config,
      clock,
      logger,
      nextProducerId,
      mayTagValues: () => hasTaggedTransactions && this.level.mayTagValues,
      rewritesTagged: !hasTaggedTransactions,
      raisesEpochs: () => this.level.raisesEpochs,
      partitionCount,
      openLog: (partitions) => replicas.coordinatorLog(TRANSACTIONS_TOPIC, limits, partitions),
      openSender: (deadlines, guard) =>
        new MarkerSender({
          brokerId,
          cluster,
          topics,
          lanes: markerLanes,
          writer,
          deadlines,
          guard,
          logger,
          timeoutMs,
        }),
    });
    const guard = new Guard(logger);
    this.#deadlines = new Deadlines(clock, guard);
    this.#clock = clock;
    const { coordinator } = this;
    const lanes = verifierLanes;
    this.#verifier = new Verifier({
      brokerId,
      cluster,
      lanes,
      coordinator,
      partitionCount,
      guard,
      deadlines: this.#deadlines,
      timeoutMs,
      clock,
      metrics: options.metrics,
    });
    this.appends = new VerifiedAppends(this.#verifier, clock, options.isVerifying);
  }

  /** Asks before offsets of a group are written in a transaction; the guard goes with them. */
  async verifyOffsets(groupId: string, asker: TransactionAsker, demand: Demand): Promise<VerifiedOffsets> {
    const index = this.#groups.partitionOf(groupId);
    if (isRefusal(index)) return { errorCode: index.errorCode, guard: undefined };
    const partition = this.#replicas.find(OFFSETS_TOPIC, index);
    if (isRefusal(partition)) return { errorCode: partition.errorCode, guard: undefined };
    if (demand === 'verify' && !this.#isVerifying()) return { errorCode: ErrorCode.NONE, guard: undefined };
    return verifyOffsets(this.#verifier, this.#clock, partition, asker, demand);
  }

  stop(): void {
    this.level.stop();
    this.coordinator.stop();
    this.#deadlines.close();
    for (const lanes of this.#lanes) lanes.close();
  }
}
