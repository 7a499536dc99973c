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

/** However much settings allow, so much is read at a time: checking it is work of one piece, a millisecond or two. */
const READ_BYTES_MAX = 256 * 1024;
/** So much of a log is taken in at once: a fraction of a millisecond's work, but many batches where they are small. */
const RUN_BYTES = 16 * 1024;
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
    const bytesMax = Math.min(this.#limits.loadBytes, READ_BYTES_MAX);
    while (offset < endOffset) {
      const refusal = partition.leaderError(-1);
      if (refusal !== ErrorCode.NONE) return { errorCode: refusal, endOffset: offset };
      const read = await log.read(offset, bytesMax, { isolation: 'logEnd', minOneBatch: true });
      if (read.errorCode !== ErrorCode.NONE) return { errorCode: read.errorCode, endOffset: offset };
      if (read.chunks.length === 0) {
        // What compaction or deletion took away at the end leaves nothing to read before the end.
        if (log.durableEndOffset >= endOffset) break;
        // What this broker was appending when it ceased to lead, and leads again, cannot be read before it is durable, and is state all the same.
        const errorCode = await partition.whenCommitted(endOffset, this.#limits.commitTimeoutMs);
        if (errorCode !== ErrorCode.NONE) return { errorCode, endOffset: offset };
        continue;
      }
      for (const shared of read.chunks) {
        // What is decoded may hold on to views of it, so it has to be a copy.
        const chunk = read.release === undefined ? shared : Buffer.from(shared);
        for (const run of runsOf(chunk)) {
          onBatches(chunk.subarray(run.start, run.end));
          offset = Math.max(offset, run.lastOffset + 1);
          const rest = turns.pause(Math.ceil((run.end - run.start) / BYTES_PER_ELEMENT));
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

/** Where the batches of a chunk stand, some of them at a time. */
function* runsOf(
  chunk: Buffer,
): Generator<{ readonly start: number; readonly end: number; readonly lastOffset: number }> {
  let start = 0;
  let end = 0;
  let lastOffset = -1;
  for (const at of splitBatches(chunk)) {
    end = at + batchSizeBytes(chunk, at);
    lastOffset = batchLastOffset(chunk, at);
    if (end - start < RUN_BYTES) continue;
    yield { start, end, lastOffset };
    start = end;
  }
  if (end > start) yield { start, end, lastOffset };
}
