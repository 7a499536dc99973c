/** All that a search finds, as a file: written as it is read, so that nothing piles up here however much it is. */
import { nextTurn } from '@millrace/ports';
import type { ExportBound, Message, ReadProgress, UnreadPartition } from '../api/contract.ts';
import { EXPORT_BYTES_MAX, EXPORT_RECORDS_MAX } from '../api/export-bounds.ts';
import { type FileFormat, headOf, lineOf } from '../api/message-file.ts';
import { openFilter } from '../filter.ts';
import type { Records } from './looked-through.ts';
import { outcomesOf } from './outcomes.ts';
import { readRanges, startsAt, wholeRanges } from './ranges.ts';
import type { ReadRequest } from './read.ts';
import { showing, showRecords } from './shown.ts';

/** Records that are made text of at once, by what they hold: what they are shown as is no more than a few times as much. */
const SHOWN_BYTES_MAX = 256 * 1024;

/** How far a file is. */
interface ExportCount extends ReadProgress {
  /** Messages that it holds. */
  readonly found: number;
  readonly bytes: number;
}

/** What is written, and to where. */
interface ExportOptions {
  readonly format: FileFormat;
  /** Resolves when there is room for more. */
  write(text: string): Promise<void>;
  progress(count: ExportCount): void;
  /** `EXPORT_BYTES_MAX` by default. */
  readonly bytesMax?: number | undefined;
}

/** How a file ended. */
interface ExportEnd {
  /** The bound at which it was cut; null where it holds all that there was. */
  readonly bound: ExportBound | null;
  readonly unread: readonly UnreadPartition[];
}

/**
 * Writes the messages of a plan from where it begins to the end, each partition in the order of its offsets. A plan from the newest on
 * begins at the beginning, for a file has no page.
 */
export async function exportMessages(request: ReadRequest, options: ExportOptions): Promise<ExportEnd> {
  using _ = await request.turns.reads.take(request.who);
  const filter = await openFilter(request.plan, request);
  try {
    const { plan } = request;
    const { ranges, unread } = await startsAt(request, plan, await wholeRanges(request, plan));
    const total = ranges.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0);
    const silent: UnreadPartition[] = [...unread];
    const stuck = (partitions: readonly number[]): void => {
      silent.push(...partitions.map((partition) => ({ partition, why: 'noAnswer' as const })));
    };
    const file = new MessageFile(request, options, total);
    await file.begin();
    for await (const { records, count } of readRanges({ ...request, places: filter?.places }, ranges, stuck)) {
      const matched = records.length === 0 ? undefined : await filter?.match(records);
      for (const some of portionsOf(matched === undefined ? records : records.filter((_, at) => matched[at]))) {
        await file.add(some);
        if (file.bound !== null) return { bound: file.bound, unread: silent };
      }
      file.passed(count, records.filter((record) => filter?.isInPart(record) === true).length);
    }
    return { bound: null, unread: silent };
  } finally {
    await filter?.close();
  }
}

/** The file as far as it is written. */
class MessageFile {
  readonly #request: ReadRequest;
  readonly #options: ExportOptions;
  readonly #total: number;
  readonly #recordsMax: number;
  readonly #bytesMax: number;
  #scanned = 0;
  #inPart = 0;
  #found = 0;
  #bytes = 0;
  bound: ExportBound | null = null;

  constructor(request: ReadRequest, options: ExportOptions, total: number) {
    this.#request = request;
    this.#options = options;
    this.#total = total;
    this.#recordsMax = Math.min(request.plan.limit ?? EXPORT_RECORDS_MAX, EXPORT_RECORDS_MAX);
    this.#bytesMax = options.bytesMax ?? EXPORT_BYTES_MAX;
  }

  async begin(): Promise<void> {
    this.#tell();
    await this.#write(headOf(this.#options.format, true));
  }

  /** Adds those for which there is room; `bound` tells of which there was none. */
  async add(records: Records): Promise<void> {
    const lines: string[] = [];
    let bytes = 0;
    for (const message of await this.#shown(records)) {
      const line = lineOf(message, this.#options.format, true);
      const lineBytes = Buffer.byteLength(line);
      if (this.#found === this.#recordsMax) this.bound = 'records';
      else if (this.#bytes + bytes + lineBytes > this.#bytesMax) this.bound = 'bytes';
      if (this.bound !== null) break;
      lines.push(line);
      bytes += lineBytes;
      this.#found += 1;
    }
    await this.#write(lines.join(''));
    this.#tell();
    // What was read ahead is there at once, and so may be the room for what is written: others have their turn all the same.
    await nextTurn();
  }

  /** So many have been looked at, and so many of them in part. */
  passed(records: number, inPart: number): void {
    this.#scanned += records;
    this.#inPart += inPart;
    this.#tell();
  }

  #tell(): void {
    const { scanned, inPart } = { scanned: this.#scanned, inPart: this.#inPart };
    this.#options.progress({ scanned, inPart, total: this.#total, found: this.#found, bytes: this.#bytes });
  }

  async #shown(records: Records): Promise<readonly Message[]> {
    const { cluster, topic, signal } = this.#request;
    const messages = await showRecords(records, { isDetail: true, ...showing(cluster, topic) });
    const sent = records.filter(({ isTransactional }) => isTransactional);
    if (sent.length === 0) return messages;
    const marks = await outcomesOf(cluster, topic, sent, signal);
    const outcomes = new Map(marks.map((mark) => [`${mark.partition}-${mark.offset}`, mark]));
    return messages.map((each) => ({ ...each, ...outcomes.get(`${each.partition}-${each.offset}`) }));
  }

  async #write(text: string): Promise<void> {
    if (text === '') return;
    this.#bytes += Buffer.byteLength(text);
    await this.#options.write(text);
  }
}

/** Records in parts of about one size, each of one at least. */
function* portionsOf(records: Records): Generator<Records> {
  let portion: Records[number][] = [];
  let bytes = 0;
  for (const record of records) {
    portion.push(record);
    bytes += (record.rawKey?.length ?? 0) + (record.rawValue?.length ?? 0);
    for (const { value } of record.headers) bytes += value?.length ?? 0;
    if (bytes < SHOWN_BYTES_MAX) continue;
    yield portion;
    portion = [];
    bytes = 0;
  }
  if (portion.length > 0) yield portion;
}
