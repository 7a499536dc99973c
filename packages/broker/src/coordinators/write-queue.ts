import type { VerificationGuard } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { BATCH_HEADER_BYTES, RecordBatchBuilder } from '@millrace/records';
import type { CoordinatorLog } from '../replicas/coordinator-log.ts';
import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { Guard } from '../shared/guard.ts';

/** How many bytes of records may wait to be appended to one partition. */
const QUEUED_WRITE_BYTES_MAX = 64 * 1024 * 1024;

/** How many bytes of records are put into one batch; what is larger on its own travels alone. */
const WRITE_BATCH_BYTES_MAX = 512 * 1024;

/** A record of a coordinator's topic; no value is a tombstone. */
export interface StateRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/** Whose transaction records belong to. */
export interface TransactionalProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** What was asked before, if this begins the transaction in the partition. */
  readonly guard: VerificationGuard | undefined;
}

/** Records that belong together: they go into one batch, so they are kept whole or not at all. */
export interface StateWrite {
  readonly records: readonly StateRecord[];
  /** For records that belong to a transaction; they travel alone. */
  readonly producer?: TransactionalProducer | undefined;
  /** Called once when the outcome is known: 0 and where the records' batch begins, or the error of the append. */
  done(errorCode: number, baseOffset: number): void;
  /** Called when the outcome has not come in time; `done` follows when it does. */
  timedOut?(): void;
}

/** Length, attributes, deltas, key and value lengths and header count of a record, each at its longest. */
const RECORD_OVERHEAD_BYTES_MAX = 40;

interface QueuedWrite {
  readonly write: StateWrite;
  readonly sizeBytes: number;
}

export interface WriteQueueOptions {
  readonly partition: number;
  readonly log: CoordinatorLog;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly guard: Guard;
  readonly timeoutMs: number;
  /** The term that the writes are made in; undefined where they may be made in any that this broker leads in. */
  readonly leaderEpoch?: number | undefined;
}

/**
 * The way into one partition of a coordinator's topic. One append is in flight at a time; what is written meanwhile joins
 * the next batch, so that a thousand commits cost a handful of appends. Outcomes come in the order of the writes.
 */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #queued: QueuedWrite[] = [];
  #queuedBytes = 0;
  #inFlight: readonly QueuedWrite[] | undefined;
  #closed = false;
  readonly #deadline: Deadline = new Deadline(() => this.#tellTimeout());

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  /** How many writes wait or are under way. */
  get size(): number {
    return this.#queued.length + (this.#inFlight?.length ?? 0);
  }

  push(write: StateWrite): void {
    const sizeBytes = sizeOf(write);
    if (this.#closed) {
      write.done(ErrorCode.NOT_LEADER_OR_FOLLOWER, -1);
    } else if (this.#queuedBytes + sizeBytes > QUEUED_WRITE_BYTES_MAX) {
      write.done(ErrorCode.REQUEST_TIMED_OUT, -1);
    } else {
      this.#queued.push({ write, sizeBytes });
      this.#queuedBytes += sizeBytes;
      this.#flush();
    }
  }

  /** Refuses what has not been sent to the log and everything that comes later; what is in flight ends by itself. */
  close(): void {
    this.#closed = true;
    const refused = this.#queued.splice(0);
    this.#queuedBytes = 0;
    for (const queued of refused) this.#tell(queued, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1);
  }

  #flush(): void {
    if (this.#inFlight !== undefined || this.#queued.length === 0) return;
    const taken = this.#take();
    this.#inFlight = taken;
    const { partition, log, deadlines, guard, timeoutMs } = this.#options;
    deadlines.set(this.#deadline, timeoutMs);
    this.#append(taken).then(
      (result) => this.#finish(taken, result.errorCode, result.baseOffset),
      (error: unknown) => {
        guard.report(`Appending to partition ${partition} of ${log.topic}`, error);
        this.#finish(taken, ErrorCode.UNKNOWN_SERVER_ERROR, -1);
      },
    );
  }

  /** A promise that is rejected where the batch cannot be built, too. */
  async #append(writes: readonly QueuedWrite[]): ReturnType<CoordinatorLog['append']> {
    const { log, partition, leaderEpoch, timeoutMs } = this.#options;
    const guard = writes[0]?.write.producer?.guard;
    return log.append(partition, this.#batch(writes), { leaderEpoch, timeoutMs, guard });
  }

  /** As many writes as fit into a batch, at least one. */
  #take(): readonly QueuedWrite[] {
    let count = 0;
    let sizeBytes = BATCH_HEADER_BYTES;
    for (const queued of this.#queued) {
      const { producer } = queued.write;
      if (count > 0 && (producer !== undefined || sizeBytes + queued.sizeBytes > WRITE_BATCH_BYTES_MAX)) break;
      sizeBytes += queued.sizeBytes;
      count += 1;
      if (producer !== undefined) break;
    }
    const taken = this.#queued.splice(0, count);
    for (const queued of taken) this.#queuedBytes -= queued.sizeBytes;
    return taken;
  }

  #batch(writes: readonly QueuedWrite[]): Buffer {
    const sizeBytes = writes.reduce((sum, queued) => sum + queued.sizeBytes, BATCH_HEADER_BYTES);
    const builder = new RecordBatchBuilder({ initialBytes: sizeBytes });
    const timestampMs = this.#options.clock.now();
    for (const { write } of writes) {
      for (const { key, value } of write.records) builder.append(timestampMs, key, value);
    }
    const producer = writes[0]?.write.producer;
    if (producer === undefined) return builder.build();
    const { producerId, producerEpoch } = producer;
    return builder.build({ producerId, producerEpoch, isTransactional: true });
  }

  #finish(writes: readonly QueuedWrite[], errorCode: number, baseOffset: number): void {
    this.#options.deadlines.cancel(this.#deadline);
    // The next batch leaves before the outcomes are told, so that what they lead to joins the one after it.
    this.#inFlight = undefined;
    this.#flush();
    for (const queued of writes) this.#tell(queued, errorCode, baseOffset);
  }

  /** What one write's owner does with its outcome must not keep the others from theirs. */
  #tell({ write }: QueuedWrite, errorCode: number, baseOffset: number): void {
    this.#options.guard.run('Taking the outcome of a write', () => write.done(errorCode, baseOffset));
  }

  #tellTimeout(): void {
    for (const { write } of [...(this.#inFlight ?? []), ...this.#queued]) {
      this.#options.guard.run('Taking the timeout of a write', () => write.timedOut?.());
    }
  }
}

function sizeOf(write: StateWrite): number {
  let sizeBytes = 0;
  for (const { key, value } of write.records) {
    sizeBytes += RECORD_OVERHEAD_BYTES_MAX + key.length + (value?.length ?? 0);
  }
  return sizeBytes;
}
