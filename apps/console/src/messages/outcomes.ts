/** What became of the transactions of several records: of a page of a list, which is told what it shows before this is known. */
import { KafkaError } from '@millrace/client';
import {
  BATCH_MAGIC,
  batchBaseOffset,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchMagic,
  batchProducerId,
  batchSizeBytes,
  ControlRecordType,
  RecordsError,
  readEndTxnMarker,
  splitBatches,
} from '@millrace/records';
import type { MessageMark, TransactionOutcome } from '../api/contract.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { type Fetched, fetchAt, isEmpty } from './batch-look.ts';

/** What one look fetches at most: the first batch comes whole, however large it is. */
const LOOK_BYTES_MAX = 256 * 1024;
/** Partitions that are looked at side by side: it bounds what of them is in memory. */
const PARTITIONS_AT_ONCE = 4;
/** Records of a live tail that are looked at again until their transaction is decided; the newest are. */
export const OPEN_MAX = 500;

/** Where a record lies. */
export interface RecordPlace {
  readonly partition: number;
  readonly offset: number;
}

/** The outcomes of those records that were sent in a transaction; what a cluster or an older format does not tell is missing. */
export async function outcomesOf(
  cluster: Cluster,
  topic: string,
  places: readonly RecordPlace[],
  signal: AbortSignal,
): Promise<MessageMark[]> {
  const offsets = Map.groupBy(places, ({ partition }) => partition);
  const waiting = [...offsets].map(([partition, some]) => ({
    partition,
    offsets: some.map(({ offset }) => offset).sort((a, b) => a - b),
  }));
  const marks: MessageMark[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined && !signal.aborted; next = waiting.pop()) {
      const look = new PartitionLook(cluster, topic, next.partition, next.offsets);
      marks.push(...(await look.take(signal)));
    }
  };
  await Promise.all(Array.from({ length: PARTITIONS_AT_ONCE }, work));
  return marks;
}

/** Looks at some records of one partition, in the order of their offsets: several at once where they lie together. */
class PartitionLook {
  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #partition: number;
  readonly #offsets: readonly number[];
  readonly #marks: MessageMark[] = [];
  #at = 0;

  constructor(cluster: Cluster, topic: string, partition: number, offsets: readonly number[]) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.#partition = partition;
    this.#offsets = offsets;
  }

  async take(signal: AbortSignal): Promise<readonly MessageMark[]> {
    let what: 'decided' | 'everything' = 'decided';
    try {
      while (this.#at < this.#offsets.length && !signal.aborted) {
        const offset = this.#offsets[this.#at]!;
        const place = { topic: this.#topic, partition: this.#partition, offset };
        const fetched: Fetched | undefined = await fetchAt(this.#cluster, place, what, LOOK_BYTES_MAX);
        if (isEmpty(fetched)) {
          // Behind the last offset that is decided there is only what is open, and behind the end nothing.
          if (what === 'everything') break;
          what = 'everything';
          continue;
        }
        this.#read(fetched, what === 'everything');
        // A record that has gone meanwhile is passed over: the batches that came are those behind it.
        if (this.#offsets[this.#at] === offset) this.#at += 1;
      }
    } catch (error) {
      // A partition whose leader does not answer, or a damaged batch: whoever reads its records is told of it.
      if (!(error instanceof KafkaError) && !(error instanceof RecordsError)) throw error;
    }
    return this.#marks;
  }

  /**
   * The batches of an answer. Each transaction that it names was aborted: it holds what its producer has sent from its first offset to
   * the marker that ends it.
   */
  #read(fetched: Fetched | undefined, isOpen: boolean): void {
    const bytes = fetched?.records ?? Buffer.alloc(0);
    const coming = [...(fetched?.abortedTransactions ?? [])].sort((a, b) => a.firstOffset - b.firstOffset);
    const aborted = new Set<number>();
    for (const at of splitBatches(bytes)) {
      if (batchMagic(bytes, at) !== BATCH_MAGIC) {
        // What has no transactions yet: of several messages in one the offset is that of the last.
        this.#mark(batchBaseOffset(bytes, at), undefined);
        continue;
      }
      const [first, last, producer] = [
        batchBaseOffset(bytes, at),
        batchLastOffset(bytes, at),
        batchProducerId(bytes, at),
      ];
      while (coming[0] !== undefined && coming[0].firstOffset <= last) aborted.add(coming.shift()!.producerId);
      this.#skipTo(first);
      if (batchIsControl(bytes, at)) {
        const marker = readEndTxnMarker(bytes.subarray(at, at + batchSizeBytes(bytes, at)));
        if (marker?.type === ControlRecordType.ABORT) aborted.delete(producer);
        this.#mark(last, undefined);
      } else if (batchIsTransactional(bytes, at)) {
        this.#mark(last, isOpen ? 'open' : aborted.has(producer) ? 'aborted' : 'committed');
      } else {
        this.#mark(last, undefined);
      }
    }
  }

  /** Offsets before the batch hold nothing any more. */
  #skipTo(first: number): void {
    while (this.#at < this.#offsets.length && this.#offsets[this.#at]! < first) this.#at += 1;
  }

  /** All that were asked for up to the last offset of the batch lie in it. */
  #mark(last: number, transaction: TransactionOutcome | undefined): void {
    for (; this.#at < this.#offsets.length && this.#offsets[this.#at]! <= last; this.#at += 1) {
      if (transaction === undefined) continue;
      this.#marks.push({ partition: this.#partition, offset: this.#offsets[this.#at]!, transaction });
    }
  }
}

/** Finds out the outcomes of what a read has shown, while the read goes on. */
export class Marks {
  readonly #look: (places: readonly RecordPlace[]) => Promise<readonly MessageMark[]>;
  readonly #tell: (marks: readonly MessageMark[]) => void | Promise<void>;
  #waiting: RecordPlace[] = [];
  #looking: Promise<void> | undefined;

  constructor(
    look: (places: readonly RecordPlace[]) => Promise<readonly MessageMark[]>,
    tell: (marks: readonly MessageMark[]) => void | Promise<void>,
  ) {
    this.#look = look;
    this.#tell = tell;
  }

  /** Looks at these as soon as those before them have been looked at. */
  add(places: readonly RecordPlace[]): void {
    this.#waiting.push(...places.map(({ partition, offset }) => ({ partition, offset })));
    if (this.#waiting.length > 0) this.#looking ??= this.#lookAtAll();
  }

  /** All that was added has been told. */
  async settled(): Promise<void> {
    await this.#looking;
  }

  async #lookAtAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const places = this.#waiting;
        this.#waiting = [];
        const marks = await this.#look(places);
        if (marks.length > 0) await this.#tell(marks);
      }
    } catch {
      // Whoever reads is told of a cluster that does not answer by the read itself.
      this.#waiting = [];
    } finally {
      this.#looking = undefined;
    }
  }
}

/** The marks of a live tail: what is open is looked at again, until it is decided or too many newer ones are open. */
export class TailMarks {
  readonly #marks: Marks;
  readonly #open = new Map<string, RecordPlace>();
  readonly #timer: NodeJS.Timeout;

  constructor(
    look: (places: readonly RecordPlace[]) => Promise<readonly MessageMark[]>,
    tell: (marks: readonly MessageMark[]) => void | Promise<void>,
    againMs: number,
  ) {
    this.#marks = new Marks(look, (marks) => {
      this.#keepOpen(marks);
      return tell(marks);
    });
    this.#timer = setInterval(() => this.#marks.add([...this.#open.values()]), againMs);
  }

  add(places: readonly RecordPlace[]): void {
    // Of a burst the oldest leave the page before anybody could have looked at them.
    this.#marks.add(places.slice(-OPEN_MAX));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #keepOpen(marks: readonly MessageMark[]): void {
    for (const { partition, offset, transaction } of marks) {
      const name = `${partition}-${offset}`;
      this.#open.delete(name);
      if (transaction === 'open') this.#open.set(name, { partition, offset });
    }
    for (const name of this.#open.keys()) {
      if (this.#open.size <= OPEN_MAX) break;
      this.#open.delete(name);
    }
  }
}
