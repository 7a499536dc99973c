import { ErrorCode } from '@millrace/protocol';
import { batchLastOffset, batchSizeBytes, splitBatches } from '@millrace/records';
import { isRefusal, type Refusal } from '../shared/refusal.ts';
import type { TurnLine } from '../shared/turns.ts';
import type {
  CoordinatorAppendOptions,
  CoordinatorAppendResult,
  CoordinatorLog,
  CoordinatorLogLimits,
  CoordinatorReadResult,
} from './coordinator-log.ts';
import type { Partition } from './partition.ts';

/** Taking so much in costs about as much as the cheapest of what is done in turns. */
const BYTES_PER_ELEMENT = 128;

/** {@link CoordinatorLog} on this broker's replicas. */
export class PartitionCoordinatorLog implements CoordinatorLog {
  readonly topic: string;
  readonly #find: (partition: number) => Partition | Refusal;
  readonly #limits: CoordinatorLogLimits;
  readonly #registration: () => number;
  readonly #turns: TurnLine;

  /** @param registration - The broker's present one; see `SessionKeeper.registration`. */
  constructor(
    topic: string,
    limits: CoordinatorLogLimits,
    registration: () => number,
    turns: TurnLine,
    find: (partition: number) => Partition | Refusal,
  ) {
    this.topic = topic;
    this.#limits = limits;
    this.#registration = registration;
    this.#turns = turns;
    this.#find = find;
  }

  async append(
    index: number,
    batch: Buffer,
    { leaderEpoch, timeoutMs, guard }: CoordinatorAppendOptions,
  ): Promise<CoordinatorAppendResult> {
    const partition = this.#find(index);
    if (isRefusal(partition)) return { errorCode: partition.errorCode, baseOffset: -1 };
    if (leaderEpoch !== undefined && leaderEpoch !== partition.leaderEpoch) {
      return { errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, baseOffset: -1 };
    }
    return partition.append(batch, { origin: 'coordinator', acks: -1, timeoutMs, guard });
  }

  async readAll(index: number, onBatches: (batches: Buffer) => void): Promise<CoordinatorReadResult> {
    const partition = this.#find(index);
    if (isRefusal(partition)) return { errorCode: partition.errorCode, endOffset: -1 };
    const { log } = partition;
    const endOffset = log.logEndOffset;
    let offset = log.logStartOffset;
    // What there is to read may take seconds, and clients of all other partitions are served meanwhile.
    const turns = this.#turns.begin();
    while (offset < endOffset) {
      const refusal = partition.leaderError(-1);
      if (refusal !== ErrorCode.NONE) return { errorCode: refusal, endOffset: offset };
      const read = await log.read(offset, this.#limits.loadBytes, { isolation: 'logEnd', minOneBatch: true });
      if (read.errorCode !== ErrorCode.NONE) return { errorCode: read.errorCode, endOffset: offset };
      // What compaction or deletion took away at the end leaves nothing to read before the end.
      if (read.chunks.length === 0) break;
      for (const shared of read.chunks) {
        // What is decoded may hold on to views of it, so it has to be a copy.
        const chunk = read.release === undefined ? shared : Buffer.from(shared);
        for (const at of splitBatches(chunk)) {
          const sizeBytes = batchSizeBytes(chunk, at);
          onBatches(chunk.subarray(at, at + sizeBytes));
          offset = Math.max(offset, batchLastOffset(chunk, at) + 1);
          const rest = turns.pause(Math.ceil(sizeBytes / BYTES_PER_ELEMENT));
          if (rest !== undefined) await rest;
        }
      }
      read.release?.();
    }
    const errorCode = await partition.whenCommitted(endOffset, this.#limits.commitTimeoutMs);
    return { errorCode, endOffset };
  }

  isInDoubt(index: number): boolean {
    const partition = this.#find(index);
    return !isRefusal(partition) && partition.isInDoubt(this.#registration());
  }
}
