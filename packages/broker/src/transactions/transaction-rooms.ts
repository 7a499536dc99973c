import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import type { Peers } from '../cluster/peers.ts';
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import type { ReplicaManager } from '../replicas/replica-manager.ts';
import { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import { isRefusal } from '../shared/refusal.ts';
import { BrokerLines } from './broker-lines.ts';
import type { TransactionConfig } from './config.ts';
import { MarkerSender } from './marker-sender.ts';
import { MarkerWriter } from './marker-writer.ts';
import { type TransactionAsker, TransactionCoordinator } from './transaction-coordinator.ts';
import { VerifiedAppends, verifyOffsets } from './verified-appends.ts';
import { Verifier } from './verifier.ts';

export interface TransactionRoomsOptions {
  readonly brokerId: number;
  readonly config: TransactionConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cluster: ClusterImage;
  readonly replicas: ReplicaManager;
  readonly groups: GroupCoordinator;
  readonly peers: Peers;
  /** `inter.broker.listener.name` */
  readonly listener: string;
  readonly nextProducerId: () => Promise<number>;
  /** `transaction.partition.verification.enable`, which may change while the broker runs. */
  readonly isVerifying: () => boolean;
}

/** All that a broker does for transactions: it coordinates some, writes markers for others, and verifies what producers send. */
export class TransactionRooms {
  readonly coordinator: TransactionCoordinator;
  readonly markers: MarkerWriter;
  readonly appends: VerifiedAppends;
  readonly #verifier: Verifier;
  readonly #isVerifying: () => boolean;
  readonly #replicas: ReplicaManager;
  readonly #groups: GroupCoordinator;
  readonly #lines: readonly BrokerLines[];

  constructor(options: TransactionRoomsOptions) {
    const { brokerId, config, clock, logger, cluster, replicas, groups, peers, listener, nextProducerId } = options;
    const timeoutMs = config.requestTimeoutMs;
    const writer = new MarkerWriter({ clock, replicas, groups, timeoutMs });
    const markerLines = new BrokerLines({ brokerId, cluster, peers, listener });
    const verifierLines = new BrokerLines({ brokerId, cluster, peers, listener });
    this.#lines = [markerLines, verifierLines];
    this.#replicas = replicas;
    this.#groups = groups;
    this.#isVerifying = options.isVerifying;
    this.markers = writer;
    this.coordinator = new TransactionCoordinator({
      config,
      clock,
      logger,
      nextProducerId,
      partitionCount: () => cluster.topic(TRANSACTIONS_TOPIC)?.partitions.length,
      openLog: (partitions) => replicas.coordinatorLog(TRANSACTIONS_TOPIC, partitions),
      openSender: (deadlines, guard) =>
        new MarkerSender({ brokerId, cluster, lines: markerLines, writer, deadlines, guard, logger, timeoutMs }),
    });
    const { coordinator } = this;
    const guard = new Guard(logger);
    this.#verifier = new Verifier({ brokerId, cluster, lines: verifierLines, coordinator, guard, timeoutMs });
    this.appends = new VerifiedAppends(this.#verifier, options.isVerifying);
  }

  /** Asks before offsets of a group are written in a transaction; the guard goes with them. */
  async verifyOffsets(groupId: string, asker: TransactionAsker): ReturnType<typeof verifyOffsets> {
    const index = this.#groups.partitionOf(groupId);
    if (isRefusal(index)) return { errorCode: index.errorCode, guard: undefined };
    const partition = this.#replicas.find(OFFSETS_TOPIC, index);
    if (isRefusal(partition)) return { errorCode: partition.errorCode, guard: undefined };
    if (!this.#isVerifying()) return { errorCode: ErrorCode.NONE, guard: undefined };
    return verifyOffsets(this.#verifier, partition, asker);
  }

  stop(): void {
    this.coordinator.stop();
    for (const lines of this.#lines) lines.close();
  }
}
