import { ErrorCode } from '@millrace/protocol';
import {
  batchBaseOffset,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchProducerId,
  batchSizeBytes,
  readRecords,
  splitBatches,
} from '@millrace/records';
import type { ClientTools, SimulatedClient } from '../clients/client.ts';
import { type FetchedPartition, type FetchPlan, fetchFrom } from '../clients/fetching.ts';
import { EARLIEST, listOffsets } from '../clients/offsets.ts';
import { NoAnswer } from '../clients/requester.ts';
import { Router } from '../clients/router.ts';
import type { PartitionRef } from '../clients/topics.ts';
import { decodeRecords } from '../clients/values.ts';
import type { SeenRecord } from '../history.ts';
import type { TransactionLedger } from './transaction-ledger.ts';

const FETCH: FetchPlan = {
  version: 12,
  maxWaitMs: 20,
  minBytes: 1,
  maxBytes: 50_000_000,
  partitionMaxBytes: 4000,
  timeoutMs: 500,
  readCommitted: true,
};

const PAUSE_MS_MAX = 60;
const LIST_VERSION = 7;

/** Where a partition begins; undefined where its leader does not say. @throws NoAnswer */
export async function startOf(router: Router, partition: PartitionRef, timeoutMs: number): Promise<number | undefined> {
  return (await listOffsets(router, LIST_VERSION, [partition], EARLIEST, timeoutMs)).get(partition);
}

/** What of an answer is committed, and where to go on. */
export interface CommittedRecords {
  readonly records: readonly SeenRecord[];
  readonly next: number;
}

/** Leaves out what was aborted, by the list that comes with an answer, as Kafka's consumer does. */
export function committedOf({ records: bytes, abortedTransactions, position }: FetchedPartition): CommittedRecords {
  const records: SeenRecord[] = [];
  let next = position.offset;
  if (bytes === null) return { records, next };
  const waiting = abortedTransactions.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const aborted = new Set<number>();
  for (const at of splitBatches(bytes)) {
    const batch = bytes.subarray(at, at + batchSizeBytes(bytes, at));
    if (batchBaseOffset(batch, 0) < position.offset && batchLastOffset(batch, 0) < position.offset) continue;
    while (waiting[0] !== undefined && waiting[0].firstOffset <= batchLastOffset(batch, 0)) {
      aborted.add(waiting.shift()!.producerId);
    }
    next = batchLastOffset(batch, 0) + 1;
    const producerId = batchProducerId(batch, 0);
    if (batchIsControl(batch, 0)) {
      // An end of a transaction, whichever: what the producer writes behind it is of another.
      for (const { key } of readRecords(batch)) if (key?.readInt16BE(2) === 0) aborted.delete(producerId);
    } else if (!batchIsTransactional(batch, 0) || !aborted.has(producerId)) {
      for (const record of decodeRecords(batch, position.offset).records) records.push(record);
    }
  }
  return { records, next };
}

/** Reads what is committed, from the beginning to the end, for as long as the world goes on. */
export class CommittedReader implements SimulatedClient {
  readonly name: string;
  readonly #partitions: readonly PartitionRef[];
  readonly #tools: ClientTools;
  readonly #ledger: TransactionLedger;
  readonly #router: Router;
  readonly #offsets = new Map<PartitionRef, number>();
  readonly #plan: FetchPlan;
  /** Where partitions were found to begin that records are gone from. */
  readonly #starts = new Map<PartitionRef, number>();
  #isStopped = false;

  /** @param rackId where it is, to read from a follower there */
  constructor(
    name: string,
    partitions: readonly PartitionRef[],
    ledger: TransactionLedger,
    tools: ClientTools,
    rackId?: string,
  ) {
    this.name = name;
    this.#plan = rackId === undefined ? FETCH : { ...FETCH, rackId };
    this.#partitions = partitions;
    this.#ledger = ledger;
    this.#tools = tools;
    this.#router = new Router(name, tools);
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    while (!this.#isStopped) {
      await clock.sleep(dice.time(0, PAUSE_MS_MAX));
      const partition = dice.pick(this.#partitions);
      const fetched = await this.#fetch(partition);
      if (fetched === undefined) continue;
      const { records, next } = committedOf(fetched);
      if (fetched.isFollowers && records.length > 0) this.#tools.history.followerReads += 1;
      this.#offsets.set(partition, next);
      this.#ledger.saw(partition.name, records);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Reads a partition once, up to where it is stable. Says why not, when that cannot be done. */
  async readToEnd(partition: PartitionRef): Promise<string | undefined> {
    const records: SeenRecord[] = [];
    for (;;) {
      const fetched = await this.#fetch(partition);
      if (fetched === undefined) return `what is committed in ${partition.name} cannot be read`;
      const committed = committedOf(fetched);
      this.#offsets.set(partition, committed.next);
      for (const record of committed.records) records.push(record);
      if (committed.next > fetched.position.offset) continue;
      const lag = fetched.highWatermark - fetched.lastStableOffset;
      this.#ledger.final.set(partition.name, { records, lag, logStart: this.#starts.get(partition) ?? 0 });
      return undefined;
    }
  }

  async #fetch(partition: PartitionRef): Promise<FetchedPartition | undefined> {
    const position = { partition, offset: this.#offsets.get(partition) ?? 0 };
    try {
      const [fetched] = await fetchFrom(this.#router, [position], this.#plan);
      if (fetched?.errorCode !== ErrorCode.OFFSET_OUT_OF_RANGE) {
        return fetched?.errorCode === ErrorCode.NONE ? fetched : undefined;
      }
      const start = await startOf(this.#router, partition, FETCH.timeoutMs);
      if (start === undefined || start <= position.offset) return undefined;
      // What lay before that is deleted.
      this.#starts.set(partition, start);
      this.#offsets.set(partition, start);
      return await this.#fetch(partition);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#router.forget();
      return undefined;
    }
  }
}
