import { isShortage } from './errors.ts';
import type { AppendResult } from './log-types.ts';
import type { Segment } from './segment.ts';

/** Bytes that one gathered write takes at most; what is behind joins the next. */
export const GROUP_BYTES_MAX = 16 * 1024 * 1024;

interface WriteItem {
  readonly kind: 'write';
  readonly segment: Segment;
  readonly bytes: Buffer;
  readonly endOffset: number;
  readonly result: AppendResult;
  readonly resolve: (result: AppendResult) => void;
}

interface TaskItem {
  readonly kind: 'task';
  readonly run: () => Promise<void>;
  readonly cancel: (error: unknown) => void;
}

/** What the writer tells the log it works for. */
export interface LogWriterHost {
  /** How many records may be written without a sync (`flush.messages`). */
  readonly flushMessages: number;
  /** Called before bytes go to a segment's file for the first time; makes the file's name durable. */
  prepare(segment: Segment): Promise<void>;
  /** Everything below `endOffset` is acknowledged from now on. */
  written(endOffset: number): void;
  /** There was no room (or no file to be had) for a group: the log must go back to `endOffset`. Rejects when that fails too. */
  shortage(endOffset: number, cause: unknown): Promise<void>;
  /** The log cannot be relied upon any more. */
  failed(error: unknown): void;
  /** What the log has failed with, here or elsewhere. */
  readonly failure: unknown;
  /** What a refused append is answered with. */
  refusal(error: unknown): AppendResult;
}

/**
 * Writes the batches of a partition in the order they got their offsets, as group commit: one write (and sync) is under way
 * at a time, and all that arrives meanwhile goes with the next. Whatever else changes the partition's files runs in the same
 * queue as a task, so that nothing ever overlaps.
 */
export class LogWriter {
  readonly #host: LogWriterHost;
  #queue: (WriteItem | TaskItem)[] = [];
  #isDraining = false;
  #idle: Promise<void> = Promise.resolve();
  /** Everything below is written, and synced where the configuration says so. */
  durableEndOffset: number;
  /** Everything below is synced. */
  syncedEndOffset: number;
  /**
   * Whether the next write is synced in any case: the log was cut before, and after a crash what was cut off must not stand behind what was
   * written since.
   */
  mustSync = false;
  /** Bytes of batches written since the log was opened. */
  bytesWritten = 0;

  constructor(host: LogWriterHost, endOffset: number) {
    this.#host = host;
    this.durableEndOffset = endOffset;
    this.syncedEndOffset = endOffset;
  }

  /** Appends and tasks that wait. */
  get queueLength(): number {
    return this.#queue.length;
  }

  /** Queues an append. `result` is what it resolves with once it is durable. Empty bytes wait for what is before them. */
  write(segment: Segment, bytes: Buffer, endOffset: number, result: AppendResult): Promise<AppendResult> {
    return new Promise((resolve) => {
      this.#enqueue({ kind: 'write', segment, bytes, endOffset, result, resolve });
    });
  }

  /** Runs `run` behind everything that is queued. Rejects as it does, or when the log fails before its turn. */
  task<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ kind: 'task', run: () => run().then(resolve, reject), cancel: reject });
    });
  }

  /** Runs `run` behind everything that is queued; its failure is the log's failure. */
  step(run: () => Promise<void>): void {
    this.#enqueue({ kind: 'task', run, cancel: () => {} });
  }

  /** Resolves when nothing is queued or under way. */
  whenIdle(): Promise<void> {
    return this.#idle;
  }

  #enqueue(item: WriteItem | TaskItem): void {
    this.#queue.push(item);
    if (this.#isDraining) return;
    this.#isDraining = true;
    // What else arrives in this turn of the event loop (a connection's pipelined requests) goes with the first group.
    this.#idle = Promise.resolve().then(() => this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      try {
        if (first.kind === 'task') {
          this.#queue.shift();
          await first.run();
        } else if (this.#host.failure === undefined) {
          await this.#writeGroup(first.segment);
        } else {
          this.#refuse(this.#takeGroup(first.segment));
        }
      } catch (error) {
        await this.#handle(error, false);
      }
    }
    this.#isDraining = false;
  }

  async #writeGroup(segment: Segment): Promise<void> {
    const group = this.#takeGroup(segment);
    const { endOffset } = group.at(-1)!;
    const sync = this.mustSync || endOffset - this.syncedEndOffset >= this.#host.flushMessages;
    const chunks = chunksOf(group);
    try {
      if (chunks.length > 0) await this.#writeBytes(segment, chunks, sync);
    } catch (error) {
      this.#queue.unshift(...group);
      await this.#handle(error, sync);
      return;
    }
    if (this.#host.failure !== undefined) {
      this.#refuse(group);
      return;
    }
    this.durableEndOffset = Math.max(this.durableEndOffset, endOffset);
    if (sync && chunks.length > 0) {
      this.syncedEndOffset = this.durableEndOffset;
      this.mustSync = false;
    }
    this.#host.written(this.durableEndOffset);
    for (const item of group) item.resolve(item.result);
    // Entries that do not fit on the disk now stay in memory; the next group tries again.
    if (segment.hasIndexBacklog) await segment.hasFlushedIndexes();
  }

  /** Of a log that has failed nobody knows which files the next start takes for it: what is in them now may not be acknowledged. */
  #refuse(group: readonly WriteItem[]): void {
    const refusal = this.#host.refusal(this.#host.failure);
    for (const item of group) item.resolve(refusal);
  }

  async #writeBytes(segment: Segment, chunks: Buffer[], sync: boolean): Promise<void> {
    if (segment.writtenBytes === 0) await this.#host.prepare(segment);
    await segment.log.use((file) => file.write(segment.writtenBytes, chunks, { sync }), { create: true });
    for (const chunk of chunks) {
      segment.writtenBytes += chunk.length;
      this.bytesWritten += chunk.length;
    }
  }

  /** Takes the writes at the head of the queue that go to one segment, within the bound. */
  #takeGroup(segment: Segment): WriteItem[] {
    let count = 0;
    let sizeBytes = 0;
    while (count < this.#queue.length) {
      const item = this.#queue[count]!;
      if (item.kind !== 'write' || item.segment !== segment) break;
      sizeBytes += item.bytes.length;
      if (count > 0 && sizeBytes > GROUP_BYTES_MAX) break;
      count += 1;
    }
    return this.#queue.splice(0, count) as WriteItem[];
  }

  /**
   * For want of room, what was acknowledged is as good as it was, provided that it was synced before: the log goes back to
   * where it ended and refuses what did not fit. Any other failure, and a failed sync that covers acknowledged bytes, means
   * that nobody knows what is on the disk.
   */
  async #handle(error: unknown, syncFailed: boolean): Promise<void> {
    const isRecoverable = isShortage(error) && (!syncFailed || this.syncedEndOffset === this.durableEndOffset);
    // Whatever comes from here on is refused by the log itself, whose state says so.
    const refused = this.#queue;
    this.#queue = [];
    if (isRecoverable) await this.#goBack(error);
    else this.#host.failed(error);
    const refusal = this.#host.refusal(error);
    for (const item of refused) {
      if (item.kind === 'write') item.resolve(refusal);
      else item.cancel(error);
    }
  }

  async #goBack(cause: unknown): Promise<void> {
    try {
      await this.#host.shortage(this.durableEndOffset, cause);
    } catch (error) {
      this.#host.failed(error);
    }
  }
}

/** The bytes of a group, with those that lie side by side in memory joined. */
function chunksOf(group: readonly WriteItem[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (const { bytes } of group) {
    if (bytes.length === 0) continue;
    const last = chunks.at(-1);
    if (last !== undefined && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset) {
      chunks[chunks.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + bytes.length);
    } else {
      chunks.push(bytes);
    }
  }
  return chunks;
}
