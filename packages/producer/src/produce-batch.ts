import { invariant } from '@millrace/ports';
import {
  addToSequence,
  batchRecordCount,
  type Compression,
  RecordBatchBuilder,
  type RecordHeaderInput,
  readRecords,
  setBatchProducer,
} from '@millrace/records';
import type { BatchMemory } from './batch-memory.ts';
import type { RecordMetadata } from './record.ts';

type Resolve = (metadata: RecordMetadata) => void;
type Reject = (error: Error) => void;

/** What a batch's records are stamped with, so that the broker can tell a repeated batch from a new one (KIP-98). */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** How a batch's memory is taken and how it is compressed. */
export interface BatchSettings {
  readonly batchBytes: number;
  readonly compression: Compression;
  readonly compressionLevel: number | undefined;
  readonly isTransactional: boolean;
  readonly memory: BatchMemory;
}

/** Bytes that an empty batch takes; it doubles as records come. */
const INITIAL_BYTES = 4 * 1024;

/**
 * The records that go to one partition as one record batch: open while records are appended, then built once, and sent
 * until the broker has answered for it.
 */
export class ProduceBatch {
  readonly topic: string;
  readonly partition: number;
  /** `Clock.monotonic` when the first of its records was sent; linger and delivery timeout count from it. */
  createdMs: number;
  /** Grows by one from batch to batch of a producer; the second half of a split batch lies between two of them. */
  readonly order: number;
  /** What the records take of the producer's buffer: given back when the batch is done. */
  bufferedBytes = 0;
  /** How often the batch has been sent. */
  attempts = 0;
  /** Which of its partition's batches it was when it was sent last. */
  place = -1;
  /** Whether it was sent and no answer told what became of it: it may be in the log. */
  outcomeUnknown = false;
  /** The sequence of the first record under `identity`, or -1 while none is assigned. */
  baseSequence = -1;
  identity: ProducerIdentity | undefined;
  readonly #builder: RecordBatchBuilder;
  readonly #settings: BatchSettings;
  /** How far the orders of this batch's halves may lie apart. */
  #orderWidth = 1;
  /** Those who wait for a record each, in order: three lists side by side, because an object for each would be most of the cost. */
  readonly #resolves: Resolve[] = [];
  readonly #rejects: Reject[] = [];
  readonly #timestamps: number[] = [];
  /** Which record each waits for; left out where the first so many records are waited for one by one, which is the rule. */
  #indexes: number[] | undefined;
  /** Records that nobody waits for, told of when they are lost. */
  #unwatchedCount = 0;
  #rejectUnwatched: Reject | undefined;
  #bytes: Buffer | undefined;
  #recordCount = 0;
  #completion: { promise: Promise<void>; resolve: () => void } | undefined;
  #isComplete = false;

  constructor(topic: string, partition: number, createdMs: number, order: number, settings: BatchSettings) {
    this.topic = topic;
    this.partition = partition;
    this.createdMs = createdMs;
    this.order = order;
    this.#settings = settings;
    this.#builder = new RecordBatchBuilder({
      initialBytes: INITIAL_BYTES,
      targetBytes: settings.batchBytes,
      memory: settings.memory.take(),
    });
  }

  /** Bytes before compression, header included. */
  get sizeBytes(): number {
    return this.#builder.sizeBytes;
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** Whether its records were told of what became of them. A batch in flight may be, when its time is over. */
  get isDone(): boolean {
    return this.#isComplete;
  }

  hasRoomFor(
    key: Uint8Array | string | null,
    value: Uint8Array | string | null,
    headers: readonly RecordHeaderInput[] | undefined,
  ): boolean {
    return this.#builder.hasRoomFor(key, value, headers);
  }

  /** Appends a record; returns by how much the batch grew. */
  append(
    timestamp: number,
    key: Uint8Array | string | null,
    value: Uint8Array | string | null,
    headers: readonly RecordHeaderInput[] | undefined,
  ): number {
    const before = this.#builder.sizeBytes;
    this.#builder.append(timestamp, key, value, headers);
    this.#recordCount += 1;
    const grownBytes = this.#builder.sizeBytes - before;
    this.bufferedBytes += grownBytes;
    return grownBytes;
  }

  /** Whom to tell what became of the record that was appended last; without `resolve`, only that it was lost. */
  notify(timestamp: number, resolve: Resolve | undefined, reject: Reject): void {
    if (resolve === undefined) {
      this.#unwatchedCount += 1;
      this.#rejectUnwatched = reject;
      return;
    }
    const index = this.#recordCount - 1;
    if (this.#indexes === undefined && index !== this.#resolves.length) this.#indexes = [...this.#resolves.keys()];
    this.#indexes?.push(index);
    this.#resolves.push(resolve);
    this.#rejects.push(reject);
    this.#timestamps.push(timestamp);
  }

  /** Resolves when every record has been acknowledged or has failed; never rejects. */
  whenComplete(): Promise<void> {
    if (this.#isComplete) return Promise.resolve();
    if (this.#completion === undefined) {
      let resolve = (): void => {};
      const promise = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#completion = { promise, resolve };
    }
    return this.#completion.promise;
  }

  /** Names the producer and the first sequence; takes effect on the bytes that are sent next. */
  assignSequence(identity: ProducerIdentity, baseSequence: number): void {
    this.identity = identity;
    this.baseSequence = baseSequence;
    if (this.#bytes !== undefined) {
      setBatchProducer(this.#bytes, 0, identity.producerId, identity.producerEpoch, baseSequence);
    }
  }

  /** Forgets the sequence: the broker has told that the batch is not in the log, so it may take a new one. */
  clearSequence(): void {
    this.identity = undefined;
    this.baseSequence = -1;
    this.outcomeUnknown = false;
  }

  /** The sequence after the last record's. */
  get nextSequence(): number {
    return addToSequence(this.baseSequence, this.#recordCount);
  }

  /** The batch's bytes, built and compressed the first time. */
  bytes(): Buffer {
    this.#bytes ??= this.#builder.build({
      producerId: this.identity?.producerId ?? -1,
      producerEpoch: this.identity?.producerEpoch ?? -1,
      baseSequence: this.baseSequence,
      isTransactional: this.#settings.isTransactional,
      compression: this.#settings.compression,
      ...(this.#settings.compressionLevel === undefined ? {} : { compressionLevel: this.#settings.compressionLevel }),
    });
    return this.#bytes;
  }

  /**
   * @param baseOffset the first record's offset, or -1 where it is not known
   * @param logAppendTimeMs -1 where the records keep their own timestamps
   */
  succeed(baseOffset: number, logAppendTimeMs: number): void {
    invariant(() => !this.#isComplete, 'the records of a batch are told once what became of them');
    const { topic, partition } = this;
    for (let at = 0; at < this.#resolves.length; at += 1) {
      this.#resolves[at]!({
        topic,
        partition,
        offset: baseOffset < 0 ? -1 : baseOffset + this.#indexAt(at),
        timestamp: logAppendTimeMs < 0 ? this.#timestamps[at]! : logAppendTimeMs,
      });
    }
    this.#complete();
    // An answer to the only attempt came, so nothing that is still to be written can be a view of this memory.
    if (this.attempts === 1) this.#settings.memory.give(this.#builder.release());
  }

  fail(error: Error): void {
    invariant(() => !this.#isComplete, 'the records of a batch are told once what became of them');
    for (const reject of this.#rejects) reject(error);
    for (let count = 0; count < this.#unwatchedCount; count += 1) this.#rejectUnwatched?.(error);
    this.#complete();
  }

  /** Hands the records and those who wait for them over to two batches of half the records each, in order. */
  split(): [ProduceBatch, ProduceBatch] {
    const bytes = this.bytes();
    const count = batchRecordCount(bytes, 0);
    const half = Math.ceil(count / 2);
    const halves: [ProduceBatch, ProduceBatch] = [this.#half(0), this.#half(1)];
    let index = 0;
    for (const record of readRecords(bytes)) {
      halves[index < half ? 0 : 1].append(record.timestamp, record.key, record.value, record.headers);
      index += 1;
    }
    for (let at = 0; at < this.#resolves.length; at += 1) this.#handOver(at, half, halves);
    halves[0].#unwatchedCount = half - halves[0].#resolves.length;
    halves[1].#unwatchedCount = count - half - halves[1].#resolves.length;
    for (const each of halves) each.#rejectUnwatched = this.#rejectUnwatched;
    const [first, second] = halves;
    second.bufferedBytes = this.bufferedBytes - first.bufferedBytes;
    if (this.#completion !== undefined) {
      const { resolve } = this.#completion;
      void Promise.all([first.whenComplete(), second.whenComplete()]).then(resolve);
    }
    return halves;
  }

  #handOver(at: number, half: number, halves: readonly [ProduceBatch, ProduceBatch]): void {
    const index = this.#indexAt(at);
    const to = halves[index < half ? 0 : 1];
    to.#indexes ??= [];
    to.#indexes.push(index < half ? index : index - half);
    to.#resolves.push(this.#resolves[at]!);
    to.#rejects.push(this.#rejects[at]!);
    to.#timestamps.push(this.#timestamps[at]!);
  }

  /** Which record it is that `at` waits for. */
  #indexAt(at: number): number {
    return this.#indexes === undefined ? at : this.#indexes[at]!;
  }

  #half(which: 0 | 1): ProduceBatch {
    const width = this.#orderWidth / 2;
    const half = new ProduceBatch(
      this.topic,
      this.partition,
      this.createdMs,
      this.order + which * width,
      this.#settings,
    );
    half.#orderWidth = width;
    return half;
  }

  #complete(): void {
    this.#isComplete = true;
    this.#resolves.length = 0;
    this.#rejects.length = 0;
    this.#completion?.resolve();
  }
}
