import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { buildEndTxnMarker, ControlRecordType } from '@millrace/records';
import { OFFSETS_TOPIC } from '../cluster/internal-topics.ts';
import type { GroupCoordinator } from '../groups/group-coordinator.ts';
import type { ReplicaManager } from '../replicas/replica-manager.ts';
import { isRefusal } from '../shared/refusal.ts';

/** What ends a producer's transaction in a partition. */
export interface Marker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isCommit: boolean;
  readonly coordinatorEpoch: number;
  /** The producer's epoch was raised for it, so that no records can have this epoch which it could end. */
  readonly isRaised: boolean;
}

export interface MarkerWriterOptions {
  readonly clock: Clock;
  readonly replicas: ReplicaManager;
  readonly groups: GroupCoordinator;
  readonly timeoutMs: number;
}

/** Writes markers into the partitions that this broker leads, whoever coordinates the transaction. */
export class MarkerWriter {
  readonly #options: MarkerWriterOptions;

  constructor(options: MarkerWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the error code once the marker is replicated, and, where it ends offsets of groups, once these count: whoever asks
   * for them next must get them (KAFKA-17507).
   */
  async write(topic: string, index: number, marker: Marker): Promise<number> {
    const { replicas, groups, clock, timeoutMs } = this.#options;
    const { producerId, producerEpoch, isCommit, coordinatorEpoch, isRaised } = marker;
    const partition = replicas.find(topic, index);
    if (isRefusal(partition)) return partition.errorCode;
    // A group that is being read has perhaps read past the place already where the marker will stand.
    if (topic === OFFSETS_TOPIC && !groups.knows(index)) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
    const type = isCommit ? ControlRecordType.COMMIT : ControlRecordType.ABORT;
    const batch = buildEndTxnMarker({ type, coordinatorEpoch, producerId, producerEpoch, timestampMs: clock.now() });
    const result = await partition.append(batch, { origin: 'coordinator', acks: -1, timeoutMs, isRaised });
    if (result.errorCode !== ErrorCode.NONE || topic !== OFFSETS_TOPIC) return result.errorCode;
    const isApplied = groups.endTransaction(index, { producerId, isCommit, markerOffset: result.baseOffset });
    // Whoever reads the partition meanwhile finds the marker there, but has perhaps been told where to stop before it.
    return isApplied ? ErrorCode.NONE : ErrorCode.NOT_LEADER_OR_FOLLOWER;
  }
}
