import { Consumer, type ConsumerBatch } from '@millrace/consumer';
import type { Message, MessageMark, ReadPlan, ReadProgress } from '../api/contract.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { offsetsOf, placeName } from '../clusters/topic-look.ts';
import { refusal } from '../errors.ts';
import { openFilter, type RecordFilter } from '../filter.ts';
import { messagePackAsJson } from './msgpack.ts';
import { Marks, outcomesOf, type RecordPlace, TailMarks } from './outcomes.ts';
import { type RecordToShow, type ShowOptions, showRecords } from './shown.ts';
import type { ReadTurns } from './turns.ts';

/** Messages of a page where nobody says otherwise, and at most. */
const PAGE_DEFAULT = 50;
export const PAGE_MAX = 500;
/** What is fetched ahead of a reader: it bounds the memory that somebody who looks takes. */
const PREFETCH_BYTES_MAX = 8 * 1024 * 1024;
/** Records of a partition that a search from the newest on looks at before it looks further back. */
const WINDOW_RECORDS = 10_000;
/** Offsets that hold no record (of transactions, or compacted) give nothing to read: after so long without one the rest is such. */
const SILENCE_MS_MAX = 1500;
const READ_ONE_MS_MAX = 10_000;
/** Messages that a live tail tells at once: of a burst in one piece the text alone would be megabytes. */
const TOLD_AT_ONCE = 100;
/** How often a live tail looks whether what it shows is decided. */
const OPEN_AGAIN_MS = 1000;

/** Part of a partition: from the first offset to the one before the last. */
interface Range {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** What a read tells while it goes on. */
export interface ReadListener {
  messages?(messages: readonly Message[]): void | Promise<void>;
  progress?(progress: ReadProgress): void;
  /** What became of the transactions of messages that were told before. */
  marks?(marks: readonly MessageMark[]): void | Promise<void>;
}

/** How a read ended. */
export interface ReadEnd {
  readonly cursor: string | null;
  readonly scanned: number;
  readonly total: number;
}

/** Which topic of which cluster is read, and how. */
export interface ReadRequest {
  readonly cluster: Cluster;
  readonly topic: string;
  readonly plan: ReadPlan;
  readonly signal: AbortSignal;
  /** Who reads, and what everybody who reads takes turns at. */
  readonly who: string;
  readonly turns: ReadTurns;
}

/** Reads one page: what comes first from where the plan begins. Nothing is kept but the page. */
export async function readMessages(request: ReadRequest, listener: ReadListener): Promise<ReadEnd> {
  using _ = await request.turns.reads.take(request.who);
  const filter = await openFilter(request.plan, request);
  try {
    const whole = await wholeRanges(request);
    const isBackwards = request.plan.from === 'newest';
    const ranges = isBackwards ? endsAtCursor(whole, request.plan) : await startsAt(request, whole);
    const read = new PageRead(request, filter, listener, ranges);
    const end = await (isBackwards ? read.backwards() : read.forwards());
    await read.settled();
    return end;
  } finally {
    await filter?.close();
  }
}

function outcomes({ cluster, topic, signal }: ReadRequest) {
  return (places: readonly RecordPlace[]): Promise<MessageMark[]> => outcomesOf(cluster, topic, places, signal);
}

async function wholeRanges({ cluster, topic, plan }: ReadRequest): Promise<Range[]> {
  const [described] = await cluster.admin.describeTopics([topic]);
  const wanted = (described?.partitions ?? []).filter(
    ({ partition, leaderId }) => leaderId >= 0 && (plan.partition === undefined || plan.partition === partition),
  );
  const all = described?.partitions ?? [];
  if (plan.partition !== undefined && !all.some(({ partition }) => partition === plan.partition)) {
    const { partition } = plan;
    throw refusal('CONSOLE_NOT_FOUND', 'noPartition', { topic, partition, last: all.length - 1 });
  }
  const places = wanted.map(({ partition }) => ({ topic, partition }));
  const offsets = await offsetsOf(cluster.admin, places);
  return places.flatMap((place) => {
    const found = offsets.get(placeName(place));
    return found === undefined ? [] : [{ partition: place.partition, from: found.start, to: found.end }];
  });
}

/** The cursor names the next offset of each partition, forwards or backwards. */
function cursorOf(next: ReadonlyMap<number, number>): string {
  return [...next].map(([partition, offset]) => `${partition}-${offset}`).join('.');
}

function readCursor(cursor: string): ReadonlyMap<number, number> {
  const entries = cursor.split('.').map((each) => each.split('-').map(Number) as [number, number]);
  if (entries.some(([partition, offset]) => !Number.isSafeInteger(partition) || !Number.isSafeInteger(offset))) {
    throw refusal('CONSOLE_BAD_REQUEST', 'badCursor');
  }
  return new Map(entries);
}

function endsAtCursor(whole: readonly Range[], { cursor }: ReadPlan): Range[] {
  if (cursor === undefined) return [...whole];
  const ends = readCursor(cursor);
  return whole.map((range) => ({ ...range, to: Math.min(range.to, ends.get(range.partition) ?? range.to) }));
}

async function startsAt({ cluster, topic, plan }: ReadRequest, whole: readonly Range[]): Promise<Range[]> {
  const { cursor, from, at = 0 } = plan;
  const starts = new Map<number, number>(cursor === undefined ? [] : readCursor(cursor));
  if (cursor === undefined && from === 'offset') for (const { partition } of whole) starts.set(partition, at);
  if (cursor === undefined && from === 'time' && whole.length > 0) {
    const found = await cluster.admin.listOffsets(whole.map(({ partition }) => ({ topic, partition, at })));
    for (const { partition, offset } of found) starts.set(partition, offset < 0 ? Number.MAX_SAFE_INTEGER : offset);
  }
  return whole.map((range) => ({
    ...range,
    from: Math.min(range.to, Math.max(range.from, starts.get(range.partition) ?? range.from)),
  }));
}

/** The reading of one page. */
class PageRead {
  readonly #request: ReadRequest;
  readonly #filter: RecordFilter | undefined;
  readonly #listener: ReadListener;
  readonly #ranges: readonly Range[];
  readonly #limit: number;
  readonly #total: number;
  readonly #showing: ShowOptions;
  readonly #marks: Marks;
  #scanned = 0;
  #found = 0;

  constructor(
    request: ReadRequest,
    filter: RecordFilter | undefined,
    listener: ReadListener,
    ranges: readonly Range[],
  ) {
    this.#request = request;
    this.#filter = filter;
    this.#listener = listener;
    this.#ranges = ranges;
    this.#showing = showing(request.cluster, request.topic);
    this.#marks = new Marks(outcomes(request), (marks) => listener.marks?.(marks));
    this.#limit = Math.min(request.plan.limit ?? PAGE_DEFAULT, PAGE_MAX);
    this.#total = ranges.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0);
  }

  /** From the first offset on: as it comes, the partitions side by side. */
  async forwards(): Promise<ReadEnd> {
    const next = new Map(this.#ranges.map(({ partition, from }) => [partition, from]));
    for await (const { records, matched } of this.#matches(this.#ranges)) {
      const wanted: Records[number][] = [];
      for (const [index, record] of records.entries()) {
        if (this.#found === this.#limit) break;
        next.set(record.partition, record.offset + 1);
        this.#scanned += 1;
        if (matched[index] !== true) continue;
        this.#found += 1;
        wanted.push(record);
      }
      await this.#tell(await showRecords(wanted, this.#showing));
      if (this.#found === this.#limit) return this.#end(cursorOf(next));
    }
    return this.#end(null);
  }

  /** From the end on towards the beginning, window by window, the newest first within each. */
  async backwards(): Promise<ReadEnd> {
    const ends = new Map(this.#ranges.map(({ partition, to }) => [partition, to]));
    const each = this.#filter === undefined ? this.#limit : WINDOW_RECORDS;
    while (!this.#request.signal.aborted) {
      const window = this.#ranges.flatMap(({ partition, from }) => {
        const to = ends.get(partition) ?? from;
        return to <= from ? [] : [{ partition, from: Math.max(from, to - each), to }];
      });
      if (window.length === 0) return this.#end(null);
      const { newest, left } = await this.#newestOf(window);
      const shown = newest.slice(0, this.#limit - this.#found);
      this.#found += shown.length;
      await this.#tell(shown);
      const isCut = newest.length > shown.length;
      for (const { partition, from } of window) {
        // What of a partition was found and has not been shown comes with the next page.
        const lowest = shown.filter((message) => message.partition === partition).at(-1)?.offset;
        const hasMore = left.has(partition) || newest.slice(shown.length).some((each) => each.partition === partition);
        ends.set(partition, hasMore ? (lowest ?? ends.get(partition) ?? from) : from);
      }
      if (isCut || this.#found === this.#limit) {
        const isOver = this.#ranges.every(({ partition, from }) => (ends.get(partition) ?? from) <= from);
        return this.#end(isOver ? null : cursorOf(ends));
      }
    }
    return this.#end(cursorOf(ends));
  }

  /** The newest matches of a window, and one more than are needed, so that it shows whether there are more. */
  async #newestOf(window: readonly Range[]): Promise<{ newest: Message[]; left: ReadonlySet<number> }> {
    let kept: Message[] = [];
    /** Partitions of which older matches were let go again. */
    const left = new Set<number>();
    const keep = this.#limit + 1;
    for await (const { records, matched } of this.#matches(window)) {
      this.#scanned += records.length;
      // They are in the order of their offsets: of more than that the last are the newest.
      const wanted = records.filter((_, index) => matched[index]);
      for (const { partition } of wanted.slice(0, -keep)) left.add(partition);
      kept.push(...(await showRecords(wanted.slice(-keep), this.#showing)));
      if (kept.length > keep * 4) {
        const sorted = newestFirst(kept);
        kept = sorted.slice(0, keep * 2);
        for (const { partition } of sorted.slice(keep * 2)) left.add(partition);
      }
      await this.#tell([]);
    }
    return { newest: newestFirst(kept), left };
  }

  async *#matches(ranges: readonly Range[]): AsyncGenerator<{ records: Records; matched: readonly boolean[] }> {
    for await (const records of readRanges(this.#request, ranges)) {
      const matched = this.#filter === undefined ? records.map(() => true) : await this.#filter.match(records);
      yield { records, matched };
    }
  }

  async #tell(messages: readonly Message[]): Promise<void> {
    if (messages.length > 0) await this.#listener.messages?.(messages);
    if (this.#listener.marks !== undefined) this.#marks.add(messages);
    this.#listener.progress?.({ scanned: this.#scanned, total: this.#total });
  }

  /** What was told has been looked at. */
  settled(): Promise<void> {
    return this.#marks.settled();
  }

  #end(cursor: string | null): ReadEnd {
    return { cursor, scanned: this.#scanned, total: this.#total };
  }
}

/** The newest first, each partition in the order of its offsets, whatever its timestamps say: a page ends at an offset. */
function newestFirst(messages: readonly Message[]): Message[] {
  const lists = [...Map.groupBy(messages, ({ partition }) => partition).values()];
  for (const list of lists) list.sort((a, b) => a.offset - b.offset);
  const sorted: Message[] = [];
  while (sorted.length < messages.length) {
    let newest: Message[] = [];
    for (const list of lists) if ((list.at(-1)?.timestamp ?? -2) > (newest.at(-1)?.timestamp ?? -2)) newest = list;
    // There are as many left as are missing, so one list has a last.
    sorted.push(newest.pop() as Message);
  }
  return sorted;
}

type Records = readonly RecordToShow[];

/** The records of some ranges, batch by batch, and then no more. */
async function* readRanges(
  { cluster, topic, signal, isWhole = false }: Pick<ReadRequest, 'cluster' | 'topic' | 'signal'> & WholeOption,
  ranges: readonly Range[],
): AsyncGenerator<Records> {
  const ends = new Map(ranges.filter(({ from, to }) => from < to).map(({ partition, to }) => [partition, to]));
  if (ends.size === 0) return;
  await using consumer = openConsumer(cluster);
  consumer.assign(
    ranges
      .filter(({ partition }) => ends.has(partition))
      .map(({ partition, from }) => ({ topic, partition, offset: from })),
  );
  const batches = consumer.batches()[Symbol.asyncIterator]();
  let waiting: Promise<IteratorResult<ConsumerBatch>> | undefined;
  while (ends.size > 0 && !signal.aborted) {
    waiting ??= batches.next();
    const next = await orSilence(waiting, signal);
    if (next === undefined) return;
    waiting = undefined;
    if (next.done === true) return;
    const { partition, records, nextOffset } = next.value;
    const end = ends.get(partition);
    if (end === undefined) continue;
    const wanted = records.filter(({ offset }) => offset < end);
    await cluster.schemas?.prepare(partsOf(wanted));
    yield isWhole ? wanted : masked(cluster, topic, wanted);
    if (nextOffset >= end) {
      ends.delete(partition);
      consumer.pause([{ topic, partition }]);
    }
  }
}

/** Whether records come with all that is in them, hidden or not: for sending them on, never for showing them. */
interface WholeOption {
  readonly isWhole?: boolean | undefined;
}

/** The records without what nobody is to see: before a filter or a page has looked at them. */
function masked(cluster: Cluster, topic: string, records: Records): Records {
  const mask = cluster.maskOf(topic);
  if (mask === undefined) return records;
  const decode = (bytes: Buffer): string | undefined => {
    const decoded = cluster.schemas?.decode(bytes);
    return decoded !== undefined && 'json' in decoded ? decoded.json : messagePackAsJson(bytes);
  };
  return records.map((record) => mask.apply(record, decode));
}

/** How records of a topic are shown. */
export function showing(cluster: Cluster, topic: string): ShowOptions {
  return { schemas: cluster.schemas, isMasked: cluster.maskOf(topic) !== undefined };
}

/** What of records may name a schema. */
function* partsOf(records: Records): Generator<Buffer | null> {
  for (const { rawKey, rawValue, headers } of records) {
    yield rawKey;
    yield rawValue;
    for (const { value } of headers) yield value;
  }
}

/** What comes, or undefined when nothing comes for a while or nobody waits any more. */
async function orSilence<T>(coming: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const silence = new Promise<undefined>((resolve) => {
    stop = () => resolve(undefined);
    timer = setTimeout(stop, SILENCE_MS_MAX);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([coming, silence]);
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) signal.removeEventListener('abort', stop);
    // Closing the consumer ends what is still waited for; nobody asks for it then.
    coming.catch(() => undefined);
  }
}

function openConsumer(cluster: Cluster): Consumer {
  return new Consumer({
    ...cluster.connection,
    autoOffsetReset: 'earliest',
    prefetchBytesMax: PREFETCH_BYTES_MAX,
    allowAutoTopicCreation: false,
    closeTimeoutMs: 2000,
  });
}

/** Tells every record that comes from now on, until nobody listens any more. */
export async function tailMessages(
  request: ReadRequest,
  listener: Required<Pick<ReadListener, 'messages' | 'marks'>>,
): Promise<void> {
  const { cluster, topic, signal } = request;
  using _ = await request.turns.reads.take(request.who);
  const filter = await openFilter(request.plan, request);
  const marks = new TailMarks(outcomes(request), listener.marks, OPEN_AGAIN_MS);
  try {
    const whole = await wholeRanges(request);
    if (whole.length === 0) return;
    await using consumer = openConsumer(cluster);
    consumer.assign(whole.map(({ partition, to }) => ({ topic, partition, offset: to })));
    const stop = (): void => void consumer.close();
    signal.addEventListener('abort', stop);
    for await (const batch of consumer.batches()) {
      await cluster.schemas?.prepare(partsOf(batch.records));
      const records = masked(cluster, topic, batch.records);
      const matched = await filter?.match(records);
      const wanted = matched === undefined ? records : records.filter((_, index) => matched[index]);
      for (let at = 0; at < wanted.length; at += TOLD_AT_ONCE) {
        const some = wanted.slice(at, at + TOLD_AT_ONCE);
        await listener.messages(await showRecords(some, showing(cluster, topic)));
      }
      // The outcome of others is not asked for: that reads their batches once more.
      marks.add(batch.records.filter(({ isTransactional }, index) => isTransactional && matched?.[index] !== false));
      if (signal.aborted) break;
    }
    signal.removeEventListener('abort', stop);
  } finally {
    marks.close();
    await filter?.close();
  }
}

/** One record with its bytes; undefined where that offset holds none. */
export async function readRecord(
  cluster: Cluster,
  place: { readonly topic: string; readonly partition: number; readonly offset: number },
  { isWhole }: WholeOption = {},
): Promise<Records[number]> {
  const { topic, partition, offset } = place;
  const signal = AbortSignal.timeout(READ_ONE_MS_MAX);
  const request = { cluster, topic, signal, isWhole };
  const within = (await offsetsOf(cluster.admin, [{ topic, partition }])).get(placeName(place));
  const isThere = within !== undefined && within.start <= offset && offset < within.end;
  const ranges = isThere ? [{ partition, from: offset, to: offset + 1 }] : [];
  for await (const records of readRanges(request, ranges)) {
    const record = records.find((each) => each.offset === offset);
    if (record !== undefined) return record;
  }
  throw refusal('CONSOLE_NOT_FOUND', 'noRecord', { topic, partition, offset });
}
