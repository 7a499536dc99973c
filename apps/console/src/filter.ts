/** Which records are wanted: by text in this thread, by expressions and scripts in one that can be ended. */
import { Worker } from 'node:worker_threads';
import type { ReadPlan, Shown } from './api/contract.ts';
import type { Said } from './api/refusals.ts';
import { SEARCHED_PART_BYTES_MAX } from './api/search-bounds.ts';
import { type ConsoleError, refusal } from './errors.ts';
import type { PathRecord } from './messages/json-path.ts';
import { messagePackAsJson } from './messages/msgpack.ts';
import { otherForm } from './messages/other-forms.ts';
import { TextPlaces } from './messages/text-places.ts';
import { filterWork, type ReadTurns } from './messages/turns.ts';
import type { SchemaRegistry } from './schemas/registry.ts';

/** What a filter is made of. */
export interface FilterSource {
  readonly kind: 'regex' | 'javascript' | 'jsonpath';
  readonly text: string;
}

/** A record as the thread is given it. */
export interface FilterText extends PathRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  /** For an expression: what else bytes may be taken for, their text or what they are shown as, with the names of headers before them. */
  readonly also?: readonly string[] | undefined;
}

/** Records for the thread, each a `FilterText` as JSON. */
export interface FilterRequest {
  readonly records: readonly string[];
}

/** Which of them match, or what went wrong. */
export type FilterAnswer =
  | { readonly matched: readonly boolean[] }
  | { readonly failed: string; readonly said: Said | undefined };

/** A record as filters see it. */
export interface FilterRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly rawKey: Buffer | null;
  readonly rawValue: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

/** Tells which of some records are wanted. */
export interface RecordFilter {
  /** Where it may match by the bytes alone: no record without such a place does. Undefined where they do not tell. */
  readonly places?: TextPlaces | undefined;
  match(records: readonly FilterRecord[]): Promise<readonly boolean[]>;
  /** Whether it does not look at all of a record: what lies behind its bound it knows nothing of, and what is cut is no JSON. */
  isInPart(record: FilterRecord): boolean;
  close(): Promise<void>;
}

/** How long a filter may take over one batch of records, or to be understood. */
export const FILTER_MS_MAX = 2000;
/** How long the thread may take to be there: on a machine that is busy that is not the filter's fault. */
const START_MS_MAX = 20_000;
const THREAD_HEAP_MB_MAX = 96;

/** For whom a filter works. */
export interface FilterFor {
  readonly who: string;
  readonly turns: Pick<ReadTurns, 'filters'>;
  readonly cluster: { readonly schemas: SchemaRegistry | undefined };
}

/** @throws ConsoleError `CONSOLE_FILTER_FAILED` for one that cannot be meant, `CONSOLE_BUSY` where too many go on */
export async function openFilter(
  { search, searchAs = 'text' }: ReadPlan,
  from: FilterFor,
): Promise<RecordFilter | undefined> {
  const { who, turns, cluster } = from;
  if (search === undefined || search === '') return undefined;
  if (searchAs === 'text') return new TextFilter(search, cluster.schemas);
  const turn = await turns.filters.take(who);
  try {
    return await ThreadFilter.open({ kind: searchAs, text: search }, from, turn);
  } catch (error) {
    turn[Symbol.dispose]();
    throw error;
  }
}

/** Text anywhere in key, value or headers, or in what is shown of them, whatever its case. */
class TextFilter implements RecordFilter {
  readonly #wanted: string;
  readonly #bytes: Buffer;
  /** Without letters that have two cases the bytes can be looked at as they are. */
  readonly #isPlain: boolean;
  readonly #schemas: SchemaRegistry | undefined;
  readonly places: TextPlaces | undefined;

  constructor(wanted: string, schemas: SchemaRegistry | undefined) {
    this.#schemas = schemas;
    this.#wanted = wanted.toLowerCase();
    this.#bytes = Buffer.from(wanted);
    this.#isPlain = wanted.toLowerCase() === wanted.toUpperCase();
    this.places = TextPlaces.of(wanted);
  }

  match(records: readonly FilterRecord[]): Promise<boolean[]> {
    return Promise.resolve(
      records.map(
        ({ rawKey, rawValue, headers }) =>
          this.#has(rawValue) ||
          this.#has(rawKey) ||
          headers.some(({ key, value }) => key.toLowerCase().includes(this.#wanted) || this.#has(value)),
      ),
    );
  }

  isInPart(): boolean {
    return false;
  }

  #has(bytes: Buffer | null): boolean {
    if (bytes === null) return false;
    if (this.#isPlain ? bytes.includes(this.#bytes) : this.#isIn(bytes.toString('utf8'))) return true;
    const other = otherForm(bytes, this.#schemas);
    return other !== undefined && this.#isIn(other.text);
  }

  #isIn(text: string): boolean {
    return text.toLowerCase().includes(this.#wanted);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A filter in a thread, which is ended with all that it does when a batch takes too long. */
class ThreadFilter implements RecordFilter {
  readonly #worker: Worker;
  readonly #schemas: SchemaRegistry | undefined;
  readonly #turn: Disposable;
  readonly #who: string;
  readonly #kind: FilterSource['kind'];
  #waiting: { resolve(matched: readonly boolean[]): void; reject(error: Error): void } | undefined;

  private constructor(
    worker: Worker,
    kind: FilterSource['kind'],
    { who, cluster: { schemas } }: FilterFor,
    turn: Disposable,
  ) {
    this.#worker = worker;
    this.#kind = kind;
    this.#schemas = schemas;
    this.#turn = turn;
    this.#who = who;
    worker.on('message', (message: FilterAnswer) => {
      if ('failed' in message) {
        this.#waiting?.reject(filterFailed(message.said ?? { word: 'filterFailed', values: { why: message.failed } }));
      } else this.#waiting?.resolve(message.matched);
    });
    worker.on('error', (error) =>
      this.#waiting?.reject(filterFailed({ word: 'filterFailed', values: { why: error.message } })),
    );
    worker.on('exit', () => this.#waiting?.reject(filterFailed({ word: 'filterEnded', values: {} })));
  }

  /** The turn ends with the filter. */
  static async open(source: FilterSource, from: FilterFor, turn: Disposable): Promise<ThreadFilter> {
    const file = import.meta.url.endsWith('.ts') ? './filter-worker.ts' : './filter-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: source,
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB_MAX },
    });
    const filter = new ThreadFilter(worker, source.kind, from, turn);
    try {
      await filter.#answered(START_MS_MAX, { word: 'filterLate', values: {} });
      await filter.match([]);
    } catch (error) {
      await filter.close();
      throw error;
    }
    return filter;
  }

  async match(records: readonly FilterRecord[]): Promise<readonly boolean[]> {
    using _ = await filterWork.take(this.#who);
    const isForms = this.#kind === 'regex';
    const request: FilterRequest = { records: records.map((record) => jsonOf(record, this.#schemas, isForms)) };
    this.#worker.postMessage(request);
    return await this.#answered();
  }

  isInPart({ rawKey, rawValue, headers }: FilterRecord): boolean {
    const isCut = (bytes: Buffer | null): boolean => bytes !== null && bytes.length > SEARCHED_PART_BYTES_MAX;
    return isCut(rawKey) || isCut(rawValue) || headers.some(({ value }) => isCut(value));
  }

  async #answered(
    limitMs: number = FILTER_MS_MAX,
    orElse: Said = { word: 'filterSlow', values: { n: FILTER_MS_MAX / 1000 } },
  ): Promise<readonly boolean[]> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<readonly boolean[]>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        timer = setTimeout(() => {
          reject(filterFailed(orElse));
          void this.#worker.terminate();
        }, limitMs);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  async close(): Promise<void> {
    try {
      await this.#worker.terminate();
    } finally {
      this.#turn[Symbol.dispose]();
    }
  }
}

function filterFailed({ word, values }: Said): ConsoleError {
  return refusal('CONSOLE_FILTER_FAILED', word, values);
}

/** What a record's bytes hold by their schema; undefined for others, and for those that are too large to be looked at whole. */
function decodedOf(bytes: Buffer, schemas: SchemaRegistry | undefined): string | undefined {
  if (schemas === undefined || bytes.length > SEARCHED_PART_BYTES_MAX) return undefined;
  const decoded = schemas.decode(bytes);
  return decoded !== undefined && 'json' in decoded ? decoded.json : undefined;
}

/** Bytes as a text, and another one that they may be taken for. */
interface PartText {
  readonly text: string | null;
  readonly also?: string | undefined;
}

/** Shapes that show bytes that have no meaning: a text may be among them all the same. */
const BYTES_SHAPES: ReadonlySet<Shown['shape']> = new Set(['hex', 'schema']);

function partText(bytes: Buffer | null, schemas: SchemaRegistry | undefined): PartText {
  if (bytes === null) return { text: null };
  const some = bytes.subarray(0, SEARCHED_PART_BYTES_MAX);
  const decoded = decodedOf(bytes, schemas) ?? messagePackAsJson(some);
  if (decoded !== undefined) return { text: decoded };
  const text = some.toString('utf8');
  const other = otherForm(bytes, schemas);
  if (other === undefined) return { text };
  return BYTES_SHAPES.has(other.shape) ? { text, also: other.text } : { text: other.text, also: text };
}

function jsonOf(
  { partition, offset, timestamp, rawKey, rawValue, headers }: FilterRecord,
  schemas: SchemaRegistry | undefined,
  isForms: boolean,
): string {
  const also: string[] = [];
  const text = (bytes: Buffer | null, before = ''): string | null => {
    const part = partText(bytes, schemas);
    if (isForms && part.also !== undefined) also.push(before + part.also);
    return part.text;
  };
  const made: FilterText = {
    ...{ partition, offset, timestamp },
    key: text(rawKey),
    value: text(rawValue),
    headers: headers.map(({ key, value }) => [key, text(value, `${key}: `)]),
    also: also.length === 0 ? undefined : also,
  };
  return JSON.stringify(made);
}
