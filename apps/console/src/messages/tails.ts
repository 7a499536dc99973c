/** Live tails: all who follow the same partitions have one reader, which makes of a record what is shown of it once. */
import type { TopicPartition } from '@millrace/client';
import type { Consumer, ConsumerBatch } from '@millrace/consumer';
import type { Message } from '../api/contract.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { Records } from './looked-through.ts';
import type { RecordPlace } from './outcomes.ts';
import { masked, openConsumer, partsOf } from './ranges.ts';
import { showing, showRecords } from './shown.ts';

/** Messages that a live tail tells at once: of a burst in one piece the text alone would be megabytes. */
const TOLD_AT_ONCE = 100;
/** So long the others wait for a follower who is slow to take what is there; then he has a reader of his own. */
const SLOW_MS_MAX = 500;

/** Where a partition is followed from; one without an offset from where it ends when it can be asked. */
export interface TailStart extends TopicPartition {
  readonly offset?: number | undefined;
}

/** Records that came at once, for all who follow. */
export class TailBatch {
  /** Without what nobody is to see. */
  readonly records: Records;
  readonly partition: number;
  readonly nextOffset: number;
  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #isTransactional: readonly boolean[];
  #shown: Promise<readonly (readonly Message[])[]> | undefined;

  constructor(cluster: Cluster, topic: string, { records, partition, nextOffset }: ConsumerBatch) {
    this.partition = partition;
    this.nextOffset = nextOffset;
    this.#cluster = cluster;
    this.#topic = topic;
    this.#isTransactional = records.map((record) => record.isTransactional);
    this.records = masked(cluster, topic, records);
  }

  /** All of them as they are shown, a few at a time; the same lists for everybody. */
  shown(): Promise<readonly (readonly Message[])[]> {
    this.#shown ??= this.shownOf(this.records);
    return this.#shown;
  }

  /** Some of them as they are shown. */
  async shownOf(records: Records): Promise<readonly (readonly Message[])[]> {
    const lists: Message[][] = [];
    for (let at = 0; at < records.length; at += TOLD_AT_ONCE) {
      lists.push(await showRecords(records.slice(at, at + TOLD_AT_ONCE), showing(this.#cluster, this.#topic)));
    }
    return lists;
  }

  /** Those of a transaction, of what was wanted: the outcome of others is not asked for, which reads their batches once more. */
  transactional(matched: readonly boolean[] | undefined): RecordPlace[] {
    return this.records.filter((_, index) => this.#isTransactional[index] && matched?.[index] !== false);
  }
}

/** Takes what comes; resolves when it can take more. */
type Take = (batch: TailBatch) => Promise<void>;

interface Follower {
  readonly signal: AbortSignal;
  readonly take: Take;
  /** He has left, or what he follows has failed. */
  end(error?: unknown): void;
}

const tails = new WeakMap<Cluster, Tails>();

/** The live tails of a cluster. */
export function tailsOf(cluster: Cluster): Tails {
  let its = tails.get(cluster);
  if (its === undefined) {
    its = new Tails(cluster);
    tails.set(cluster, its);
  }
  return its;
}

/** The live tails of one cluster. */
class Tails {
  readonly #cluster: Cluster;
  readonly #tails = new Map<string, Tail>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** How many readers several may share. */
  get size(): number {
    return this.#tails.size;
  }

  /**
   * Has `take` given all that comes from now on; resolves when the signal fires. Who goes on where he was before has a reader of his own:
   * the others' is past that.
   * @throws what reading the topic throws, and what `take` rejects with
   */
  async follow(
    topic: string,
    starts: readonly TailStart[],
    { signal, take, isBehind = false }: { signal: AbortSignal; take: Take; isBehind?: boolean },
  ): Promise<void> {
    if (signal.aborted) return;
    const tail = isBehind ? new Tail(this.#cluster, topic, starts, () => undefined) : this.#sharedTail(topic, starts);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const follower: Follower = {
      ...{ signal, take },
      end: (error) => (error === undefined ? resolve() : reject(error)),
    };
    const leave = (): void => follower.end();
    signal.addEventListener('abort', leave);
    tail.add(follower);
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #sharedTail(topic: string, starts: readonly TailStart[]): Tail {
    // Who asks when the topic has more partitions follows those too.
    const key = JSON.stringify([topic, starts.map(({ partition }) => partition).toSorted((a, b) => a - b)]);
    let tail = this.#tails.get(key);
    if (tail === undefined) {
      const opened = new Tail(this.#cluster, topic, starts, () => {
        if (this.#tails.get(key) === opened) this.#tails.delete(key);
      });
      tail = opened;
      this.#tails.set(key, tail);
    }
    return tail;
  }
}

/** One reader and those who follow it. */
class Tail {
  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #consumer: Consumer;
  /** Where each partition goes on, by its number. */
  readonly #next: Map<number, number | undefined>;
  readonly #followers = new Set<Follower>();
  readonly #closed: () => void;

  constructor(cluster: Cluster, topic: string, starts: readonly TailStart[], closed: () => void) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.#closed = closed;
    this.#next = new Map(starts.map(({ partition, offset }) => [partition, offset]));
    this.#consumer = openConsumer(cluster, 'latest');
    this.#consumer.assign(starts);
    void this.#run();
  }

  add(follower: Follower): void {
    this.#followers.add(follower);
    const leave = (): void => this.#remove(follower);
    if (follower.signal.aborted) leave();
    else follower.signal.addEventListener('abort', leave, { once: true });
  }

  #remove(follower: Follower): void {
    this.#followers.delete(follower);
    if (this.#followers.size > 0) return;
    this.#closed();
    void this.#consumer.close();
  }

  async #run(): Promise<void> {
    let failure: unknown;
    try {
      for await (const batch of this.#consumer.batches()) {
        await this.#cluster.schemas?.prepare(partsOf(batch.records));
        this.#next.set(batch.partition, batch.nextOffset);
        await this.#give(new TailBatch(this.#cluster, this.#topic, batch));
      }
    } catch (error) {
      failure = error;
    }
    this.#closed();
    for (const follower of this.#followers) follower.end(failure);
    this.#followers.clear();
    await this.#consumer.close();
  }

  /** Gives to all; who is slow to take it has nobody wait for him but himself. */
  async #give(batch: TailBatch): Promise<void> {
    const taking = new Map<Follower, Promise<void>>();
    for (const follower of this.#followers) {
      const taken = follower.take(batch).catch((error: unknown) => {
        follower.end(error);
        this.#remove(follower);
      });
      taking.set(
        follower,
        taken.then(() => void taking.delete(follower)),
      );
    }
    const all = Promise.all(taking.values());
    while (taking.size > 0) {
      await within(all, SLOW_MS_MAX);
      // Where nobody else waits he is waited for.
      if (taking.size === 0 || taking.size === this.#followers.size) continue;
      for (const [follower, taken] of taking) this.#letGo(follower, taken);
      return;
    }
  }

  /** From behind what he is taking he has a reader of his own, so that he misses nothing. */
  #letGo(follower: Follower, taken: Promise<void>): void {
    this.#followers.delete(follower);
    const starts = [...this.#next].map(([partition, offset]) => ({ topic: this.#topic, partition, offset }));
    void taken.then(() => {
      if (follower.signal.aborted) return;
      new Tail(this.#cluster, this.#topic, starts, () => undefined).add(follower);
    });
  }
}

/** Until it is done, or so long. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const pause = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, pause]);
  clearTimeout(timer);
}
