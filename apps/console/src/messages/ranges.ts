/** Which offsets of which partitions a read goes through, and the way through them: to their end, or to where no more can be had. */
import { Consumer, type ScannedBatch } from '@millrace/consumer';
import type { ReadPlan, UnreadPartition } from '../api/contract.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { foundOffsets, offsetsOf, placeName } from '../clusters/topic-look.ts';
import { refusal } from '../errors.ts';
import { schemaIdOf } from '../schemas/registry.ts';
import { holdsNothingFrom } from './batch-look.ts';
import { LookedThrough, type Portion, type Records } from './looked-through.ts';
import { messagePackAsJson } from './msgpack.ts';
import type { TextPlaces } from './text-places.ts';

/** What is fetched ahead of a reader: it bounds the memory that somebody who looks takes. */
const PREFETCH_BYTES_MAX = 8 * 1024 * 1024;
/** How often a read that waits looks whether its consumer has passed over offsets that hold no record. */
const LOOK_MS = 100;
/** After so long without a record the leaders are asked whether there is any: compaction leaves ends that hold nothing. */
const SILENCE_MS_MAX = 1500;
/** So long a read waits without coming on: more than the election of a leader takes. Then it says what it could not read. */
export const PATIENCE_MS = 15_000;
/** Partitions that are asked at once whether they hold anything: each answer is a batch. */
const ASKED_AT_ONCE = 8;

/** Part of a partition: from the first offset to the one before the last. */
export interface Range {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** What of a topic can be read, and what cannot. */
export interface Readable {
  readonly ranges: readonly Range[];
  readonly unread: readonly UnreadPartition[];
}

/** Which topic of which cluster is read. */
export interface TopicPlace {
  readonly cluster: Cluster;
  readonly topic: string;
}

/**
 * The partitions that are asked for, from the first offset to the end.
 * @throws ConsoleError `CONSOLE_NOT_FOUND` for a partition that the topic does not have
 */
export async function wholeRanges(
  { cluster, topic }: TopicPlace,
  { partition: only }: Pick<ReadPlan, 'partition'>,
): Promise<Readable> {
  const [described] = await cluster.admin.describeTopics([topic]);
  const all = described?.partitions ?? [];
  const wanted = all.filter(({ partition }) => only === undefined || only === partition);
  if (only !== undefined && wanted.length === 0) {
    throw refusal('CONSOLE_NOT_FOUND', 'noPartition', { topic, partition: only, last: all.length - 1 });
  }
  const led = wanted.filter(({ leaderId }) => leaderId >= 0);
  const offsets = await offsetsOf(
    cluster.admin,
    led.map(({ partition }) => ({ topic, partition })),
  );
  const ranges: Range[] = [];
  const unread: UnreadPartition[] = [];
  for (const { partition, leaderId } of wanted) {
    const found = offsets.get(placeName({ topic, partition }));
    if (found === undefined) unread.push({ partition, why: leaderId < 0 ? 'noLeader' : 'noAnswer' });
    else ranges.push({ partition, from: found.start, to: found.end });
  }
  return { ranges, unread };
}

/** The cursor names the next offset of each partition, forwards or backwards; null where there is none to go on with. */
export function cursorOf(next: ReadonlyMap<number, number>): string | null {
  return next.size === 0 ? null : [...next].map(([partition, offset]) => `${partition}-${offset}`).join('.');
}

export function readCursor(cursor: string): ReadonlyMap<number, number> {
  const entries = cursor.split('.').map((each) => each.split('-').map(Number) as [number, number]);
  if (entries.some(([partition, offset]) => !Number.isSafeInteger(partition) || !Number.isSafeInteger(offset))) {
    throw refusal('CONSOLE_BAD_REQUEST', 'badCursor');
  }
  return new Map(entries);
}

/** Backwards: each ends where the page before this one ended. */
export function endsAtCursor({ ranges, unread }: Readable, { cursor }: ReadPlan): Readable {
  if (cursor === undefined) return { ranges, unread };
  const ends = readCursor(cursor);
  return {
    unread,
    ranges: ranges.map((range) => ({ ...range, to: Math.min(range.to, ends.get(range.partition) ?? range.to) })),
  };
}

/** Forwards: each begins where the page before this one ended; one that could not be read then, where the plan says. */
export async function startsAt({ cluster, topic }: TopicPlace, plan: ReadPlan, whole: Readable): Promise<Readable> {
  const { cursor, from, at = 0 } = plan;
  const starts = new Map<number, number>(cursor === undefined ? [] : readCursor(cursor));
  const others = whole.ranges.filter(({ partition }) => !starts.has(partition));
  const unread = [...whole.unread];
  if (from === 'offset') for (const { partition } of others) starts.set(partition, at);
  if (from === 'time' && others.length > 0) {
    const places = others.map(({ partition }) => ({ topic, partition }));
    const found = await foundOffsets(cluster.admin, places, at);
    for (const { partition, offset } of found) starts.set(partition, offset < 0 ? Number.MAX_SAFE_INTEGER : offset);
    for (const { partition } of others) if (!starts.has(partition)) unread.push({ partition, why: 'noAnswer' });
  }
  const isUnread = new Set(unread.map(({ partition }) => partition));
  const ranges = whole.ranges.filter(({ partition }) => !isUnread.has(partition));
  return {
    unread,
    ranges: ranges.map((range) => ({
      ...range,
      from: Math.min(range.to, Math.max(range.from, starts.get(range.partition) ?? range.from)),
    })),
  };
}

/** Whether records come with all that is in them, hidden or not: for sending them on, never for showing them. */
export interface WholeOption {
  readonly isWhole?: boolean | undefined;
}

/** How some ranges are gone through. */
export interface RangesRequest extends TopicPlace, WholeOption {
  readonly signal: AbortSignal;
  /** How long is waited without coming on; `PATIENCE_MS` by default. */
  readonly patienceMs?: number | undefined;
  /** What tells by their bytes of most records that nobody wants them. */
  readonly places?: TextPlaces | undefined;
}

/**
 * The records of some ranges, batch by batch, and then no more. It ends when all have come to their end, when nobody waits any more, or
 * when nothing has come for too long: then `stuck` is told the partitions that have not come to their end.
 */
export async function* readRanges(
  request: RangesRequest,
  ranges: readonly Range[],
  stuck: (partitions: readonly number[]) => void,
): AsyncGenerator<Portion> {
  const { cluster, topic, signal, isWhole = false, patienceMs = PATIENCE_MS } = request;
  const some = ranges.filter(({ from, to }) => from < to);
  if (some.length === 0) return;
  await using consumer = openConsumer(cluster, 'earliest');
  consumer.assign(some.map(({ partition, from }) => ({ topic, partition, offset: from })));
  const way = new WayThrough(request, consumer, some);
  const looked = new LookedThrough(way.ends, placesFor(request));
  const batches = consumer.scan((record, place) => looked.isWanted(record, place));
  let waiting: Promise<IteratorResult<ScannedBatch>> | undefined;
  while (!way.isOver && !signal.aborted) {
    waiting ??= batches.next();
    const next = await orPause(waiting, signal);
    if (next === undefined) {
      await way.lookAround();
      if (way.silentMs < patienceMs) continue;
    }
    if (next === undefined || next.done === true) {
      if (!way.isOver && !signal.aborted) stuck(way.left);
      return;
    }
    waiting = undefined;
    const { partition, records, nextOffset } = next.value;
    await cluster.schemas?.prepare(partsOf(records));
    const portion = looked.portion(partition, isWhole ? records : masked(cluster, topic, records));
    if (portion.count > 0) yield portion;
    way.cameTo(partition, nextOffset);
  }
}

/** Where a schema says what bytes hold, or some of it is hidden, they do not tell what is looked at. */
function placesFor({ cluster, topic, places }: RangesRequest): TextPlaces | undefined {
  return cluster.schemas === undefined && cluster.maskOf(topic) === undefined ? places : undefined;
}

/** How far a consumer has come on its way through some ranges. */
class WayThrough {
  readonly #request: RangesRequest;
  readonly #consumer: Consumer;
  readonly #ends: Map<number, number>;
  #cameOnMs = performance.now();
  #askedMs = this.#cameOnMs;
  /** Where the partitions stood that are not through when they were last looked at. */
  #stood = '';

  constructor(request: RangesRequest, consumer: Consumer, ranges: readonly Range[]) {
    this.#request = request;
    this.#consumer = consumer;
    this.#ends = new Map(ranges.map(({ partition, to }) => [partition, to]));
  }

  get isOver(): boolean {
    return this.#ends.size === 0;
  }

  get left(): number[] {
    return [...this.#ends.keys()];
  }

  /** For how long nothing has come. */
  get silentMs(): number {
    return performance.now() - this.#cameOnMs;
  }

  /** Where the partitions end that are not through. */
  get ends(): ReadonlyMap<number, number> {
    return this.#ends;
  }

  cameTo(partition: number, nextOffset: number): void {
    // However long the reader took over what came: only now it waits for more.
    this.#cameOn();
    if (nextOffset >= (this.#ends.get(partition) ?? 0)) this.#through(partition);
  }

  /** Nothing comes: the consumer may have passed over the last offsets, which hold no record that anybody sees, or there may be nothing to come. */
  async lookAround(): Promise<void> {
    const positions = new Map(this.left.map((partition) => [partition, this.#positionOf(partition)]));
    for (const [partition, end] of this.#ends) if ((positions.get(partition) ?? -1) >= end) this.#through(partition);
    const stand = [...positions].join();
    if (stand !== this.#stood) this.#cameOn();
    this.#stood = stand;
    if (performance.now() - this.#askedMs >= SILENCE_MS_MAX) await this.#askWhatIsLeft();
  }

  /** A leader that has nothing to give from where its partition stands to the end says so; one that is silent is waited for. */
  async #askWhatIsLeft(): Promise<void> {
    const { cluster, topic, signal, patienceMs = PATIENCE_MS } = this.#request;
    const waiting = [...this.#ends];
    const ask = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (signal.aborted || this.silentMs >= patienceMs) return;
        const [partition, end] = next;
        const offset = this.#positionOf(partition);
        if (offset === undefined) continue;
        if (await holdsNothingFrom(cluster, { topic, partition, offset }, end)) this.#through(partition);
      }
    };
    await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
    this.#askedMs = performance.now();
  }

  #positionOf(partition: number): number | undefined {
    return this.#consumer.position({ topic: this.#request.topic, partition });
  }

  #cameOn(): void {
    this.#cameOnMs = performance.now();
    this.#askedMs = this.#cameOnMs;
  }

  #through(partition: number): void {
    this.#ends.delete(partition);
    this.#consumer.pause([{ topic: this.#request.topic, partition }]);
  }
}

/** The records without what nobody is to see: before a filter or a page has looked at them. */
export function masked(cluster: Cluster, topic: string, records: Records): Records {
  const mask = cluster.maskOf(topic);
  if (mask === undefined) return records;
  const decode = (bytes: Buffer): string | null | undefined => {
    const decoded = cluster.schemas?.decode(bytes);
    if (decoded !== undefined && 'json' in decoded) return decoded.json;
    // A schema that cannot be had, for now or by now, would say what is in them.
    const namesSchema = cluster.schemas !== undefined && schemaIdOf(bytes) !== undefined;
    return namesSchema && decoded?.isAbsent !== true ? null : messagePackAsJson(bytes);
  };
  return records.map((record) => mask.apply(record, decode));
}

/** What of records may name a schema. */
export function* partsOf(records: Records): Generator<Buffer | null> {
  for (const { rawKey, rawValue, headers } of records) {
    yield rawKey;
    yield rawValue;
    for (const { value } of headers) yield value;
  }
}

/** What comes, or undefined when nothing comes for a moment or nobody waits any more. */
async function orPause<T>(coming: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const pause = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    timer = setTimeout(stop, LOOK_MS);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([coming, pause]);
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) signal.removeEventListener('abort', stop);
    // Closing the consumer ends what is still waited for; nobody asks for it then.
    coming.catch(() => undefined);
  }
}

/** Reads for somebody who looks; from an offset that is gone it goes on as is said. */
export function openConsumer(cluster: Cluster, autoOffsetReset: 'earliest' | 'latest'): Consumer {
  return new Consumer({
    ...cluster.connection,
    autoOffsetReset,
    prefetchBytesMax: PREFETCH_BYTES_MAX,
    allowAutoTopicCreation: false,
    closeTimeoutMs: 2000,
  });
}
