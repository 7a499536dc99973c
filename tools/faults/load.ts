/** Load on a broker that dies all the time: producers and groups that go on when it is back, and write down what it promised. */
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { type CompressionName, Producer } from '@millrace/producer';
import { Fetch } from '@millrace/protocol';
import { batchLastOffset, readRecords, splitBatches } from '@millrace/records';
import type { Consumer } from 'kafkajs';
import { connectKafkaJs } from '../clients/kafkajs.ts';
import { type OffsetsAnswered, watchOffsetFetches } from '../clients/kafkajs-offset-fetches.ts';
import '../clients/kafkajs-idle.ts';
import { type Ledger, loadKey, loadValue, type Sent } from './ledger.ts';

/** Long enough for every kill and restart of a run: nothing may fail for want of patience. */
const PATIENCE_MS = 600_000;
/** The highest version that asks for topics by name. */
const FETCH_VERSION_BY_NAME = 12;
const FETCH_BYTES = 1_000_000;

/** What all parts of the load share. */
export interface LoadTarget {
  readonly bootstrapServers: string;
  readonly topic: string;
  readonly partitions: number;
  readonly ledger: Ledger;
  /** Records get one of so many keys, and some are tombstones; undefined for records without a key. */
  readonly keys?: number;
  /** A record for each partition so often, in milliseconds. Default: 10. */
  readonly paceMs?: number | undefined;
}

const client = ({ bootstrapServers }: LoadTarget) => ({
  bootstrapServers,
  apiTimeoutMs: PATIENCE_MS,
  requestTimeoutMs: 10_000,
  retryBackoffMs: 20,
  retryBackoffMsMax: 100,
  reconnectBackoffMs: 10,
  reconnectBackoffMsMax: 100,
});

/** A record of the load, as it is given to a producer. */
export function loadMessage({ topic, keys }: LoadTarget, sent: Sent) {
  const { partition } = sent;
  if (keys === undefined) return { topic, partition, value: loadValue(sent) };
  const { key, isTombstone } = loadKey(sent, keys);
  return { topic, partition, key, value: isTombstone ? null : loadValue(sent) };
}

const CODECS: readonly CompressionName[] = ['none', 'lz4', 'zstd', 'gzip'];
/** Records of one producer that may wait for acknowledgement. */
const UNACKNOWLEDGED_MAX = 400;

/** An idempotent producer that sends to all partitions as fast as they are acknowledged. */
export class LoadProducer {
  readonly #target: LoadTarget;
  readonly #id: number;
  readonly #producer: Producer;
  readonly #next: number[];
  #unacknowledged = 0;
  #isStopping = false;
  #wake: (() => void) | undefined;
  readonly #run: Promise<void>;

  constructor(target: LoadTarget, id: number) {
    this.#target = target;
    this.#id = id;
    this.#next = Array.from({ length: target.partitions }, () => 0);
    const compression = CODECS[id % CODECS.length]!;
    this.#producer = new Producer({ ...client(target), deliveryTimeoutMs: PATIENCE_MS, batchBytes: 4096, compression });
    this.#run = this.#send();
  }

  /** Records on their way now. */
  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  /** Sends nothing more, and resolves when all that was sent is acknowledged. */
  async finish(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    await this.#run;
    await this.#producer.flush();
    await this.#producer.close();
  }

  /** Gives up on what is not acknowledged. */
  async abort(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    await this.#producer.close({ timeoutMs: 0 }).catch(() => undefined);
  }

  async #send(): Promise<void> {
    for (let n = 0; !this.#isStopping; n += 1) {
      const partition = n % this.#target.partitions;
      const sequence = this.#next[partition]!++;
      const sent = { producer: this.#id, partition, sequence };
      this.#unacknowledged += 1;
      this.#producer.send(loadMessage(this.#target, sent)).then(
        ({ offset }) => {
          this.#target.ledger.acknowledged(sent, offset);
          this.#done();
        },
        (error: unknown) => {
          if (!this.#isStopping) this.#target.ledger.violation(`a send failed: ${String(error)}`);
          this.#done();
        },
      );
      if (this.#unacknowledged >= UNACKNOWLEDGED_MAX) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #done(): void {
    this.#unacknowledged -= 1;
    if (this.#unacknowledged < UNACKNOWLEDGED_MAX) this.#wake?.();
  }
}

/** Reads and commits without being a member, as tools and simple consumers do: each commit is asked for and written down. */
export class CommittingReader {
  readonly group: string;
  readonly #target: LoadTarget;
  readonly #client: KafkaClient;
  readonly #admin: Admin;
  #isStopping = false;
  readonly #run: Promise<void>;

  constructor(target: LoadTarget, group: string) {
    this.group = group;
    this.#target = target;
    this.#client = new KafkaClient(client(target));
    this.#admin = new Admin(client(target));
    this.#run = this.#readAll().catch((error: unknown) => {
      if (!this.#isStopping) target.ledger.violation(`group ${group} failed: ${String(error)}`);
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#run;
    await this.close();
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    await this.#client.close();
    await this.#admin.close();
  }

  async #readAll(): Promise<void> {
    const { topic, partitions, ledger } = this.#target;
    const positions = Array.from({ length: partitions }, () => 0);
    for (let n = 0; !this.#isStopping; n += 1) {
      const partition = n % partitions;
      const { nextOffset } = await fetchOnce(this.#client, topic, partition, positions[partition]!, 20);
      positions[partition] = nextOffset;
      const offset = positions[partition]!;
      if (offset === 0) continue;
      await this.#admin.alterGroupOffsets(this.group, [{ topic, partition, offset }]);
      ledger.committed(this.group, partition, offset);
    }
  }
}

/**
 * A member of a group, with kafkajs, that commits each batch, and is held to what brokers answer it when it asks how far its group has come.
 *
 * Where it reads from says nothing of that. kafkajs has a fetcher for each broker, and where a partition's leader changes while a batch of it is at
 * work, the fetcher of the next leader asks for the same records meanwhile. Their answer is thrown away as long as the batch is at work, and
 * taken where it comes when that has been committed: so they are read again, within a generation or beyond the next join.
 */
export class GroupMember {
  readonly group: string;
  readonly #target: LoadTarget;
  readonly #consumer: Consumer;
  #unwatch: () => void = () => undefined;
  /** The offset behind all that was read of a partition: nothing may be left out. */
  readonly #readUpTo = new Map<number, number>();
  #recordsRead = 0;

  constructor(target: LoadTarget, group: string) {
    this.group = group;
    this.#target = target;
    const kafka = connectKafkaJs(target.bootstrapServers, {
      retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 1000 },
    });
    this.#consumer = kafka.consumer({
      groupId: group,
      heartbeatInterval: 300,
      maxWaitTimeInMs: 100,
      retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 1000, restartOnFailure: async () => true },
    });
  }

  get recordsRead(): number {
    return this.#recordsRead;
  }

  async start(): Promise<void> {
    const { topic } = this.#target;
    this.#unwatch = watchOffsetFetches(this.group, () => this.#offsetsAsked());
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [topic], fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: 2,
      eachBatch: async ({ batch, isStale, isRunning }) => {
        if (isStale() || !isRunning()) return;
        const { partition } = batch;
        this.#noteRead(partition, Number(batch.firstOffset()), Number(batch.lastOffset()) + 1);
        this.#recordsRead += batch.messages.length;
        await this.#commit(partition, Number(batch.lastOffset()) + 1, isRunning);
      },
    });
  }

  /** A commit that is acknowledged from now on may be in the answer; all that were before must be. */
  #offsetsAsked(): OffsetsAnswered {
    const { ledger, partitions } = this.#target;
    const committed = Array.from({ length: partitions }, (_, each) => ledger.committedOffset(this.group, each));
    return (topic, partition, offset) => {
      if (topic !== this.#target.topic) return;
      const answered = offset < 0 ? undefined : offset;
      ledger.checkCommitted(`${this.group}, as its member was told,`, partition, committed[partition], answered);
    };
  }

  #noteRead(partition: number, first: number, next: number): void {
    const due = this.#readUpTo.get(partition) ?? 0;
    if (first > due) {
      this.#target.ledger.violation(
        `group ${this.group} left out records ${due} to ${first - 1} of partition ${partition}`,
      );
    }
    this.#readUpTo.set(partition, Math.max(due, next));
  }

  /** What was committed before, and is only read again, is not committed again: the group would go back by its own will. */
  async #commit(partition: number, offset: number, isRunning: () => boolean): Promise<void> {
    const { topic, ledger } = this.#target;
    if (offset <= (ledger.committedOffset(this.group, partition) ?? 0)) return;
    await this.#consumer.commitOffsets([{ topic, partition, offset: String(offset) }]);
    // A consumer that is being stopped gives up on its commits, and says nothing.
    if (isRunning()) ledger.committed(this.group, partition, offset);
  }

  async stop(): Promise<void> {
    await this.#consumer.disconnect();
    this.#unwatch();
  }
}

/** What a group had committed in a partition when it was noted; undefined for nothing. */
export type CommittedOffset = readonly [group: string, partition: number, offset: number | undefined];

/** Asks the broker what the groups have committed. */
export async function checkCommits(
  admin: Admin,
  topic: string,
  ledger: Ledger,
  expected: readonly CommittedOffset[],
): Promise<void> {
  for (const group of new Set(expected.map(([each]) => each))) {
    const found = await admin.listGroupOffsets(group);
    for (const [of, partition, offset] of expected) {
      if (of !== group) continue;
      const now = found.find((each) => each.topic === topic && each.partition === partition)?.offset;
      ledger.checkCommitted(group, partition, offset, now);
    }
  }
}

/** A record as the checks need it. */
export interface FetchedRecord {
  readonly offset: number;
  readonly key: string | undefined;
  /** Empty for a tombstone. */
  readonly value: string;
  readonly isTombstone: boolean;
}

/** What one fetch gives from an offset on, and where the next one goes on: at the same place at the end of the partition. */
export async function fetchOnce(
  from: Pick<KafkaClient, 'sendToLeader'>,
  topic: string,
  partition: number,
  offset: number,
  maxWaitMs: number,
): Promise<{ records: FetchedRecord[]; nextOffset: number }> {
  const partitions = [{ partition, fetchOffset: offset, partitionMaxBytes: FETCH_BYTES }];
  const response = await from.sendToLeader(
    { topic, partition },
    Fetch,
    { maxWaitMs, minBytes: 1, maxBytes: FETCH_BYTES, topics: [{ topic, partitions }], forgottenTopicsData: [] },
    {
      versionMax: FETCH_VERSION_BY_NAME,
      errorOf: (answer) => answer.errorCode || (answer.responses[0]?.partitions[0]?.errorCode ?? 0),
    },
  );
  const bytes = response.responses[0]?.partitions[0]?.records ?? Buffer.alloc(0);
  const records: FetchedRecord[] = [];
  let nextOffset = offset;
  for (const at of splitBatches(bytes)) {
    // Compaction leaves batches in which no record is left, and some that go on behind their last one.
    nextOffset = batchLastOffset(bytes, at) + 1;
    for (const record of readRecords(bytes.subarray(at))) {
      if (record.offset < offset) continue;
      records.push({
        offset: record.offset,
        key: record.key?.toString(),
        value: record.value?.toString() ?? '',
        isTombstone: record.value === null,
      });
    }
  }
  return { records, nextOffset };
}

/** For so long retention may take records that somebody is about to read. */
const CUT_MS_MAX = 10_000;

/** Reads again where retention has taken the first record between the question where it is and its being read. */
export async function readUncut<T>(read: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + CUT_MS_MAX;
  for (;;) {
    try {
      return await read();
    } catch (error) {
      const isCut = (error as { code?: unknown }).code === 'KAFKA_OFFSET_OUT_OF_RANGE';
      if (!isCut || performance.now() > deadline) throw error;
    }
  }
}

/**
 * Everything in a partition, in order; from its log start offset on, where that is not 0. While somebody writes to it, it is to be told where the
 * partition ends: every answer may have a record more, for ever, where they come faster than answers do.
 */
export async function* fetchAll(
  from: Pick<KafkaClient, 'sendToLeader'>,
  topic: string,
  partition: number,
  startOffset = 0,
  endOffset: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<FetchedRecord> {
  for (let offset = startOffset; offset < endOffset; ) {
    const { records, nextOffset } = await fetchOnce(from, topic, partition, offset, 0);
    yield* records;
    if (nextOffset === offset) return;
    offset = nextOffset;
  }
}
