/**
 * For every API that is served, requests with as many elements as fit in one of its arrays: made from the definitions, so that no
 * array is forgotten and a new API is attacked without a word here.
 */
import { type AnyApi, encodeRequest, Reader, requestDecodedBytesMax } from '@millrace/protocol';
import type { FieldDefinition, MessageDefinition } from '../../../packages/protocol/definitions/dsl.ts';
import * as definitions from '../../../packages/protocol/definitions/index.ts';
import { includes, intersect, isEmpty, parseRange } from '../../codegen/versions.ts';

/** What the names in the elements are: nothing, all the same one that exists, or each another one that does not. */
export const FILLINGS = ['empty', 'known', 'distinct'] as const;
export type Filling = (typeof FILLINGS)[number];

/** How large: the measure's small size, the most elements that are decoded, or about the largest frame. */
export const SIZES = ['1 MiB', 'most taken', '95 MiB'] as const;
export type Size = (typeof SIZES)[number];

export interface OversizedRequest {
  readonly name: string;
  readonly size: Size;
  readonly elements: number;
  /** Made when it is wanted: all at once would be many gigabytes. */
  frame(): Buffer;
}

const MIB = 1024 * 1024;
/** The placeholder that `distinct` replaces, and its length. */
const PLACEHOLDER = 'aaaaaaaa';
/** A topic or group that exists. */
export const KNOWN_NAME = 'innocent';

/** Values of fields whose zero would have the request refused before its array is looked at. */
const values: Readonly<Record<string, unknown>> = {
  acks: -1,
  controllerId: 0,
  count: 1,
  keyType: 0,
  maxBytes: MIB,
  maxNumOffsets: 1,
  numPartitions: 1,
  partitionMaxBytes: 1000,
  protocolType: 'consumer',
  rebalanceTimeoutMs: 10_000,
  replicaId: -1,
  replicationFactor: 1,
  resourceType: 2,
  responsePartitionLimit: 2000,
  retentionTimeMs: -1,
  sessionEpoch: -1,
  sessionTimeoutMs: 10_000,
  timeoutMs: 1000,
};

const zeros: Readonly<Record<string, unknown>> = {
  bool: false,
  string: '',
  uuid: 'AAAAAAAAAAAAAAAAAAAAAA',
  bytes: Buffer.alloc(0),
  records: null,
};

/** All requests of one API's version, for each of its arrays, filled in each way, in each size. */
export function oversizedRequests(api: AnyApi, version: number, sizes: readonly Size[]): OversizedRequest[] {
  const definition = definitions.apis.find(({ key }) => key === api.key)!.request;
  return arraysOf(definition, version).flatMap((path) => {
    const seen = new Set<string>();
    return FILLINGS.flatMap((filling) => {
      const template = templateOf(api, version, definition, path, filling);
      const look = template.element.toString('latin1') + template.head.toString('latin1');
      if (seen.has(look)) return [];
      seen.add(look);
      return sizes.map((size) => oversized(`${api.name} v${version} ${path.join('.')} ${filling}`, size, template));
    });
  });
}

interface Template {
  readonly flexible: boolean;
  /** The frame up to the array's length, its one element, and what follows. */
  readonly head: Buffer;
  readonly element: Buffer;
  readonly tail: Buffer;
  readonly distinct: boolean;
  readonly decodedBytesEach: number;
}

function oversized(name: string, size: Size, template: Template): OversizedRequest {
  const elements = elementsFor(size, template);
  return { name, size, elements, frame: () => frameOf(template, elements) };
}

function elementsFor(size: Size, { element, decodedBytesEach }: Template): number {
  if (size !== 'most taken') return Math.floor(((size === '1 MiB' ? 1 : 95) * MIB) / element.length);
  // The most that fit, with some room for what is around them.
  const fits = (count: number): boolean =>
    count * decodedBytesEach + 4096 <= requestDecodedBytesMax(count * element.length);
  let most = 0;
  for (let step = 2 ** 24; step >= 1; step /= 2) if (fits(most + step)) most += step;
  return most;
}

function frameOf({ flexible, head, element, tail, distinct }: Template, elements: number): Buffer {
  const length = flexible ? uvarint(elements + 1) : int32(elements);
  const at = head.length + length.length;
  const frame = Buffer.alloc(at + elements * element.length + tail.length);
  head.copy(frame);
  length.copy(frame, head.length);
  frame.fill(element, at, at + elements * element.length);
  tail.copy(frame, frame.length - tail.length);
  if (distinct) numberElements(frame, at, element, elements);
  frame.writeInt32BE(frame.length - 4);
  return frame;
}

function numberElements(frame: Buffer, at: number, element: Buffer, elements: number): void {
  const within = element.indexOf(PLACEHOLDER);
  for (let i = 0; i < elements; i += 1) {
    frame.write(i.toString(36).padStart(PLACEHOLDER.length, 'a'), at + i * element.length + within);
  }
}

/** Encodes with one and with two elements: what the second adds is an element. */
function templateOf(
  api: AnyApi,
  version: number,
  definition: MessageDefinition,
  path: readonly string[],
  filling: Filling,
): Template {
  const encode = (count: number): Buffer => {
    const body = bodyOf(definition.fields, definition, version, path, count, filling);
    return Buffer.concat(encodeRequest(api, version, { correlationId: 1, clientId: 'hostile' }, body));
  };
  const [one, two] = [encode(1), encode(2)];
  one.writeInt32BE(0);
  two.writeInt32BE(0);
  let differs = 0;
  while (one[differs] === two[differs]) differs += 1;
  const flexible = version >= api.flexibleSince;
  const elementBytes = two.length - one.length;
  const from = differs + 1;
  const element = Buffer.from(one.subarray(from, from + elementBytes));
  return {
    flexible,
    head: one.subarray(0, flexible ? differs : differs - 3),
    element,
    tail: one.subarray(from + elementBytes),
    distinct: filling === 'distinct' && element.includes(PLACEHOLDER),
    decodedBytesEach: decodedBytes(api, version, two) - decodedBytes(api, version, one),
  };
}

function decodedBytes(api: AnyApi, version: number, frame: Buffer): number {
  const clientIdBytes = 'hostile'.length;
  const bodyOffset = 4 + 2 + 2 + 4 + 2 + clientIdBytes + (version >= api.flexibleSince ? 1 : 0);
  const reader = Reader.ofRequest(frame, bodyOffset);
  api.request.decode(reader, version);
  return reader.decodedBytes;
}

/** A body with one element on the way to the array, `count` in it, and none in others. */
function bodyOf(
  fields: readonly FieldDefinition[],
  message: MessageDefinition,
  version: number,
  path: readonly string[],
  count: number,
  filling: Filling,
): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const field of fields) {
    if (!isIn(field, version) || field.tag !== undefined) continue;
    if (field.type.startsWith('[]')) {
      const isOnPath = path[0] === field.name;
      const length = isOnPath ? (path.length === 1 ? count : 1) : 0;
      const rest = isOnPath ? path.slice(1) : [];
      body[field.name] = Array.from({ length }, () => fieldValue(field, message, version, rest, count, filling));
    } else {
      body[field.name] = fieldValue(field, message, version, [], count, filling);
    }
  }
  return body;
}

function fieldValue(
  field: FieldDefinition,
  message: MessageDefinition,
  version: number,
  path: readonly string[],
  count: number,
  filling: Filling,
): unknown {
  const type = field.type.replace('[]', '');
  const fields = field.fields ?? message.structs.find(({ name }) => name === type)?.fields;
  if (fields !== undefined) return bodyOf(fields, message, version, path, count, filling);
  if (values[field.name] !== undefined) return values[field.name];
  if (type === 'string') return { empty: '', known: KNOWN_NAME, distinct: PLACEHOLDER }[filling];
  return zeros[type] ?? 0;
}

/** The paths to all arrays that a version has. */
function arraysOf(message: MessageDefinition, version: number): string[][] {
  const within = (fields: readonly FieldDefinition[]): string[][] =>
    fields.flatMap((field) => {
      if (!field.type.startsWith('[]') || !isIn(field, version) || field.tag !== undefined) return [];
      const type = field.type.replace('[]', '');
      const inner = field.fields ?? message.structs.find(({ name }) => name === type)?.fields ?? [];
      return [[field.name], ...within(inner).map((path) => [field.name, ...path])];
    });
  return within(message.fields);
}

function isIn(field: FieldDefinition, version: number): boolean {
  const range = intersect(parseRange(field.versions), { min: version, max: version });
  return !isEmpty(range) && includes(range, version);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function uvarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}
