import type {
  Message,
  MessageMark,
  ReadEnd,
  ReadPlan,
  ReadProgress,
  TailGap,
  UnreadPartition,
} from '../api/contract.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { refusal } from '../errors.ts';
import { openFilter, type RecordFilter } from '../filter.ts';
import type { Portion, Records } from './looked-through.ts';
import { Marks, outcomesOf, type RecordPlace, TailMarks } from './outcomes.ts';
import {
  cursorOf,
  endsAtCursor,
  type Range,
  type Readable,
  readRanges,
  startsAt,
  type WholeOption,
  wholeRanges,
} from './ranges.ts';
import { type ShowOptions, showing, showRecords } from './shown.ts';
import { TailPlaces, tailBeginning } from './tail-places.ts';
import { type TailBatch, tailsOf } from './tails.ts';
import type { ReadTurns } from './turns.ts';

/** Messages of a page where nobody says otherwise, and at most. */
const PAGE_DEFAULT = 50;
export const PAGE_MAX = 500;
/** Records of a partition that a search from the newest on looks at before it looks further back. */
const WINDOW_RECORDS = 10_000;
/** The bytes of one record, for somebody who waits for nothing else. */
const READ_ONE_MS_MAX = 10_000;
/** How often a live tail looks whether what it shows is decided. */
const OPEN_AGAIN_MS = 1000;

/** What a read tells while it goes on. */
export interface ReadListener {
  messages?(messages: readonly Message[]): void | Promise<void>;
  progress?(progress: ReadProgress): void;
  /** What became of the transactions of messages that were told before. */
  marks?(marks: readonly MessageMark[]): void | Promise<void>;
  /** So many more of a live tail are longer than its search looks. */
  inPart?(records: number): void | Promise<void>;
  /** What a live tail does not hear of for now. */
  unread?(unread: readonly UnreadPartition[]): void | Promise<void>;
  /** What a live tail that was cut off does not tell of the time since. */
  gap?(gap: TailGap): void | Promise<void>;
  /** Up to where a live tail has told everything: it can be begun with that. */
  place?(place: string): void | Promise<void>;
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
  /** How long a page is waited for without coming on; 15 seconds by default. */
  readonly patienceMs?: number | undefined;
}

/** Reads one page: what comes first from where the plan begins. Nothing is kept but the page. */
export async function readMessages(request: ReadRequest, listener: ReadListener): Promise<ReadEnd> {
  using _ = await request.turns.reads.take(request.who);
  const filter = await openFilter(request.plan, request);
  try {
    const { plan } = request;
    const whole = await wholeRanges(request, plan);
    const isBackwards = plan.from === 'newest';
    const readable = isBackwards ? endsAtCursor(whole, plan) : await startsAt(request, plan, whole);
    const read = new PageRead(request, filter, listener, readable);
    // Whoever waits for the first records sees for how many, and can end it.
    read.tellProgress();
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

/** A record that is wanted, and which it is of those that were looked at with it. */
interface Match {
  readonly record: Records[number];
  readonly index: number;
}

/** What is found in a portion. */
interface Matches {
  readonly portion: Portion;
  readonly matched: readonly Match[];
  /** Which of those that were looked at are longer than the search looks. */
  readonly inPart: readonly number[];
}

/** The reading of one page. */
class PageRead {
  readonly #request: ReadRequest;
  readonly #filter: RecordFilter | undefined;
  readonly #listener: ReadListener;
  readonly #ranges: readonly Range[];
  /** What could not be asked, and what stopped to answer. */
  readonly #unread: UnreadPartition[];
  readonly #limit: number;
  readonly #total: number;
  readonly #showing: ShowOptions;
  readonly #marks: Marks;
  #scanned = 0;
  #inPart = 0;
  #found = 0;

  constructor(
    request: ReadRequest,
    filter: RecordFilter | undefined,
    listener: ReadListener,
    { ranges, unread }: Readable,
  ) {
    this.#request = request;
    this.#filter = filter;
    this.#listener = listener;
    this.#ranges = ranges;
    this.#unread = [...unread];
    this.#showing = showing(request.cluster, request.topic);
    this.#marks = new Marks(outcomes(request), (marks) => listener.marks?.(marks));
    this.#limit = Math.min(request.plan.limit ?? PAGE_DEFAULT, PAGE_MAX);
    this.#total = ranges.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0);
  }

  /** From the first offset on: as it comes, the partitions side by side. */
  async forwards(): Promise<ReadEnd> {
    const next = new Map(this.#ranges.map(({ partition, from }) => [partition, from]));
    const stuck = new Set<number>();
    for await (const { portion, matched, inPart } of this.#matches(this.#ranges, stuck)) {
      const wanted = matched.slice(0, this.#limit - this.#found);
      this.#found += wanted.length;
      const last = this.#found === this.#limit ? wanted.at(-1) : undefined;
      // What lies behind the last of a page comes with the next.
      this.#scanned += last === undefined ? portion.count : last.index + 1;
      this.#inPart += last === undefined ? inPart.length : inPart.filter((index) => index <= last.index).length;
      next.set(portion.partition, last === undefined ? portion.next : last.record.offset + 1);
      await this.#tell(
        await showRecords(
          wanted.map(({ record }) => record),
          this.#showing,
        ),
      );
      if (last !== undefined) return this.#end(cursorOf(next));
    }
    for (const { partition, to } of this.#ranges) if (!stuck.has(partition)) next.set(partition, to);
    return this.#end(this.#unread.length === 0 ? null : cursorOf(next));
  }

  /** From the end on towards the beginning, window by window, the newest first within each. */
  async backwards(): Promise<ReadEnd> {
    const ends = new Map(this.#ranges.map(({ partition, to }) => [partition, to]));
    const stuck = new Set<number>();
    const each = this.#filter === undefined ? this.#limit : WINDOW_RECORDS;
    while (!this.#request.signal.aborted) {
      const window = this.#ranges.flatMap(({ partition, from }) => {
        const to = ends.get(partition) ?? from;
        return to <= from || stuck.has(partition) ? [] : [{ partition, from: Math.max(from, to - each), to }];
      });
      if (window.length === 0) return this.#end(this.#unread.length === 0 ? null : cursorOf(ends));
      const { newest, left } = await this.#newestOf(window, stuck);
      const shown = newest.slice(0, this.#limit - this.#found);
      this.#found += shown.length;
      await this.#tell(shown);
      const isCut = newest.length > shown.length;
      for (const { partition, from } of window) {
        // Its newest have not come: nothing older of it is shown before them.
        if (stuck.has(partition)) continue;
        // What of a partition was found and has not been shown comes with the next page.
        const lowest = shown.filter((message) => message.partition === partition).at(-1)?.offset;
        const hasMore = left.has(partition) || newest.slice(shown.length).some((each) => each.partition === partition);
        ends.set(partition, hasMore ? (lowest ?? ends.get(partition) ?? from) : from);
      }
      if (isCut || this.#found === this.#limit) {
        const isOver = this.#ranges.every(({ partition, from }) => (ends.get(partition) ?? from) <= from);
        return this.#end(isOver && this.#unread.length === 0 ? null : cursorOf(ends));
      }
    }
    return this.#end(cursorOf(ends));
  }

  /** The newest matches of a window, and one more than are needed, so that it shows whether there are more. */
  async #newestOf(
    window: readonly Range[],
    stuck: Set<number>,
  ): Promise<{ newest: Message[]; left: ReadonlySet<number> }> {
    let kept: Message[] = [];
    /** Partitions of which older matches were let go again. */
    const left = new Set<number>();
    const keep = this.#limit + 1;
    for await (const { portion, matched, inPart } of this.#matches(window, stuck)) {
      this.#scanned += portion.count;
      this.#inPart += inPart.length;
      // They are in the order of their offsets: of more than that the last are the newest.
      const wanted = matched.map(({ record }) => record);
      if (wanted.length > keep) left.add(portion.partition);
      kept.push(...(await showRecords(wanted.slice(-keep), this.#showing)));
      if (kept.length > keep * 4) {
        const sorted = newestFirst(kept);
        kept = sorted.slice(0, keep * 2);
        for (const { partition } of sorted.slice(keep * 2)) left.add(partition);
      }
      await this.#tell([]);
    }
    return { newest: newestFirst(kept.filter(({ partition }) => !stuck.has(partition))), left };
  }

  /** What is found in the ranges; partitions that stop to answer are noted. */
  async *#matches(ranges: readonly Range[], stuck: Set<number>): AsyncGenerator<Matches> {
    const note = (partitions: readonly number[]): void => {
      for (const partition of partitions) {
        stuck.add(partition);
        this.#unread.push({ partition, why: 'noAnswer' });
      }
    };
    const filter = this.#filter;
    for await (const portion of readRanges({ ...this.#request, places: filter?.places }, ranges, note)) {
      const { records, indexes } = portion;
      const isMatch = filter === undefined || records.length === 0 ? undefined : await filter.match(records);
      const all = records.map((record, at): Match => ({ record, index: indexes[at] ?? at }));
      const inPart = all.filter(({ record }) => filter?.isInPart(record) === true).map(({ index }) => index);
      yield { portion, inPart, matched: isMatch === undefined ? all : all.filter((_, at) => isMatch[at]) };
    }
  }

  async #tell(messages: readonly Message[]): Promise<void> {
    if (messages.length > 0) await this.#listener.messages?.(messages);
    if (this.#listener.marks !== undefined) this.#marks.add(messages);
    this.tellProgress();
  }

  tellProgress(): void {
    this.#listener.progress?.({ scanned: this.#scanned, total: this.#total, inPart: this.#inPart });
  }

  /** What was told has been looked at. */
  settled(): Promise<void> {
    return this.#marks.settled();
  }

  #end(cursor: string | null): ReadEnd {
    const { scanned, total, inPart } = { scanned: this.#scanned, total: this.#total, inPart: this.#inPart };
    return { cursor, scanned, total, inPart, unread: this.#unread };
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

/**
 * Tells every record that comes from now on, until nobody listens any more.
 * @param from the place up to which it was told before it was cut off: it goes on there
 */
export async function tailMessages(
  request: ReadRequest,
  listener: Required<Pick<ReadListener, 'messages' | 'marks' | 'unread'>> &
    Pick<ReadListener, 'gap' | 'place' | 'inPart'>,
  from?: string,
): Promise<void> {
  const { cluster, topic, signal } = request;
  using _ = await request.turns.reads.take(request.who);
  const filter = await openFilter(request.plan, request);
  const marks = new TailMarks(outcomes(request), listener.marks, OPEN_AGAIN_MS);
  try {
    const whole = await wholeRanges(request, request.plan);
    const { starts, gap } = tailBeginning(topic, whole, from);
    const places = new TailPlaces(starts);
    // Whoever has been cut off and comes again is told anew.
    const told = Promise.all([listener.unread(whole.unread), gap && listener.gap?.(gap)]);
    await listener.place?.(String(places));
    const take = async (batch: TailBatch): Promise<void> => {
      await told;
      const matched = await filter?.match(batch.records);
      const wanted = batch.records.filter((_, index) => matched?.[index]);
      const inPart = batch.records.filter((record) => filter?.isInPart(record) === true).length;
      if (inPart > 0) await listener.inPart?.(inPart);
      for (const some of await (matched === undefined ? batch.shown() : batch.shownOf(wanted))) {
        await listener.messages(some);
      }
      marks.add(batch.transactional(matched));
      places.cameTo(batch.partition, batch.nextOffset);
      await listener.place?.(String(places));
    };
    await tailsOf(cluster).follow(topic, starts, { signal, take, isBehind: from !== undefined });
  } finally {
    marks.close();
    await filter?.close();
  }
}

/**
 * One record with its bytes.
 * @throws ConsoleError `CONSOLE_NOT_FOUND` where that offset holds none, `CONSOLE_NOT_READ` where nobody can tell
 */
export async function readRecord(
  cluster: Cluster,
  place: { readonly topic: string; readonly partition: number; readonly offset: number },
  { isWhole, patienceMs = READ_ONE_MS_MAX }: WholeOption & Pick<ReadRequest, 'patienceMs'> = {},
): Promise<Records[number]> {
  const { topic, partition, offset } = place;
  const signal = AbortSignal.timeout(READ_ONE_MS_MAX);
  const { ranges, unread } = await wholeRanges({ cluster, topic }, { partition });
  const isThere = ranges.some(({ from, to }) => from <= offset && offset < to);
  let isRead = unread.length === 0;
  const noted = (): void => {
    isRead = false;
  };
  const wanted = isThere ? [{ partition, from: offset, to: offset + 1 }] : [];
  for await (const { records } of readRanges({ cluster, topic, signal, isWhole, patienceMs }, wanted, noted)) {
    const record = records.find((each) => each.offset === offset);
    if (record !== undefined) return record;
  }
  if (!isRead || signal.aborted) throw refusal('CONSOLE_NOT_READ', 'notRead', { topic, partition, offset });
  throw refusal('CONSOLE_NOT_FOUND', 'noRecord', { topic, partition, offset });
}
