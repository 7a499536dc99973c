import type { Message, Shown, ShownHeader } from '../api/contract.ts';
import { EXPORT_PART_BYTES_MAX } from '../api/export-bounds.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { Verdict } from '../schemas/json-schema.ts';
import { SCHEMA_HEADER_BYTES, type SchemaRegistry, schemaIdOf, type Undecoded } from '../schemas/registry.ts';
import { messagePackAsJson } from './msgpack.ts';
import { numberOf, textOf } from './plain.ts';

/** What a list shows of a key or value; the message alone shows more. */
export const LIST_BYTES_MAX = 4096;
/** What the page of one message shows, and a file of many: beyond it the bytes can be fetched. */
export const DETAIL_BYTES_MAX = EXPORT_PART_BYTES_MAX;
/** Headers that a list takes along; the message alone has more. */
const LIST_HEADERS_MAX = 20;
const DETAIL_HEADERS_MAX = 1000;
const HEX_BYTES_MAX = 4096;
/** Beyond it nobody parses to find out whether it is JSON: the first character decides. */
const JSON_LOOK_BYTES_MAX = 256 * 1024;

/** Beyond it nobody decodes by a schema: it would hold up everybody else. */
const DECODE_BYTES_MAX = 1024 * 1024;

/** A record as far as it is shown. */
export interface RecordToShow {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly rawKey: Buffer | null;
  readonly rawValue: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
  readonly isTransactional?: boolean | undefined;
}

/** How a record is shown. */
export interface ShowOptions {
  /** By itself, and not in a list. */
  readonly isDetail?: boolean | undefined;
  /** The schemas that records name, prepared before. */
  readonly schemas?: SchemaRegistry | undefined;
  /** Something of it may be hidden. */
  readonly isMasked?: boolean | undefined;
  /** What does not fit its schema. */
  readonly verdicts?: ReadonlyMap<Buffer, Verdict> | undefined;
}

/** How records of a topic are shown. */
export function showing(cluster: Cluster, topic: string): ShowOptions {
  return { schemas: cluster.schemas, isMasked: cluster.maskOf(topic) !== undefined };
}

/** Records for the page, held to the schemas that they name. */
export async function showRecords(records: readonly RecordToShow[], options: ShowOptions): Promise<Message[]> {
  const { schemas } = options;
  if (schemas === undefined) return records.map((record) => showRecord(record, options));
  // Each part is asked for once: what is asked for again is another view of the same bytes, and no key of a map.
  const held = records.map(({ partition, offset, timestamp, rawKey, rawValue, headers }) => ({
    ...{ partition, offset, timestamp, rawKey, rawValue, headers },
  }));
  const parts = held.flatMap(({ rawKey, rawValue, headers }) => [
    rawKey,
    rawValue,
    ...headers.map(({ value }) => value),
  ]);
  const verdicts = await schemas.judge(parts.filter((part) => part === null || part.length <= DECODE_BYTES_MAX));
  return held.map((record) => showRecord(record, { ...options, verdicts }));
}

/** A record for the page, with long parts cut. */
export function showRecord(
  record: RecordToShow,
  { isDetail = false, schemas, isMasked = false, verdicts }: ShowOptions = {},
): Message {
  const bytesMax = isDetail ? DETAIL_BYTES_MAX : LIST_BYTES_MAX;
  const headersMax = isDetail ? DETAIL_HEADERS_MAX : LIST_HEADERS_MAX;
  const { headers } = record;
  return {
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: showBytes(record.rawKey, bytesMax, schemas, verdicts),
    value: showBytes(record.rawValue, bytesMax, schemas, verdicts),
    headers: headers.slice(0, headersMax).map(
      ({ key, value }): ShownHeader => ({
        name: key,
        value: showBytes(value, LIST_BYTES_MAX, schemas, verdicts),
      }),
    ),
    headerCount: headers.length,
    isMasked,
  };
}

/** Bytes in the form that suits them, found by looking. */
export function showBytes(
  bytes: Buffer | null,
  bytesMax: number,
  schemas?: SchemaRegistry,
  verdicts?: ReadonlyMap<Buffer, Verdict>,
): Shown {
  if (bytes === null) return { shape: 'null', text: '', bytes: 0, isCut: false };
  if (bytes.length === 0) return { shape: 'empty', text: '', bytes: 0, isCut: false };
  const isCut = bytes.length > bytesMax;
  const text = textOf(bytes, bytesMax);
  if (text !== undefined) {
    return { shape: isJson(bytes, text, isCut) ? 'json' : 'text', text, bytes: bytes.length, isCut };
  }
  const decoded = bytes.length <= DECODE_BYTES_MAX ? schemas?.decode(bytes) : undefined;
  if (decoded !== undefined && 'json' in decoded) {
    const shown = decoded.json.slice(0, bytesMax);
    const isCutShort = shown.length < decoded.json.length;
    return {
      ...{ shape: decoded.kind, text: shown, bytes: bytes.length, isCut: isCutShort, schema: decoded.id },
      ...judged(decoded.id, verdicts?.get(bytes)),
    };
  }
  const noJson = decoded?.text === undefined ? undefined : textOf(decoded.text, bytesMax);
  if (decoded?.text !== undefined && noJson !== undefined) {
    const note = `schema ${decoded.id}`;
    const shown = { shape: 'json-schema', text: noJson, bytes: bytes.length, schema: decoded.id, note } as const;
    return { ...shown, isCut: decoded.text.length > bytesMax, faults: [decoded.problem] };
  }
  const packed = bytes.length <= JSON_LOOK_BYTES_MAX ? messagePackAsJson(bytes) : undefined;
  if (packed !== undefined) {
    const shown = packed.slice(0, bytesMax);
    return { shape: 'msgpack', text: shown, bytes: bytes.length, isCut: shown.length < packed.length };
  }
  return showOpaque(bytes, schemas, decoded);
}

/** Bytes that hold nothing that could be read: a number, or what they are. Only a registry has some of them name a schema. */
function showOpaque(bytes: Buffer, schemas: SchemaRegistry | undefined, decoded: Undecoded | undefined): Shown {
  const number = numberOf(bytes);
  if (number !== undefined) {
    // Every time in milliseconds begins as what names a schema does: where there is none of that id there is nothing to be said of it.
    const told = decoded === undefined || decoded.isAbsent === true ? {} : { note: decoded.problem };
    return { shape: 'number', text: number, bytes: bytes.length, isCut: false, ...told };
  }
  const isCut = bytes.length > HEX_BYTES_MAX;
  const id = schemas === undefined ? undefined : schemaIdOf(bytes);
  const hex = bytes.subarray(id === undefined ? 0 : SCHEMA_HEADER_BYTES, HEX_BYTES_MAX).toString('hex');
  if (id === undefined) return { shape: 'hex', text: hex, bytes: bytes.length, isCut };
  return { shape: 'schema', text: `schema ${id}: ${hex}`, bytes: bytes.length, isCut, note: decoded?.problem };
}

/** What is said of the schema: a value that nobody can hold to it is no value that fits. */
function judged(id: number, verdict: Verdict | undefined): Pick<Shown, 'note' | 'faults'> {
  if (verdict === undefined) return { note: `schema ${id}` };
  if ('unknown' in verdict) return { note: `schema ${id}, to which it cannot be held: ${verdict.unknown}` };
  return { note: `schema ${id}`, faults: verdict.faults };
}

function isJson(bytes: Buffer, text: string, isCut: boolean): boolean {
  const first = text.trimStart()[0];
  if (first !== '{' && first !== '[') return false;
  if (bytes.length > JSON_LOOK_BYTES_MAX) return true;
  try {
    JSON.parse(isCut ? bytes.toString('utf8') : text);
    return true;
  } catch {
    return false;
  }
}
