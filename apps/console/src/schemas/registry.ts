/** Schemas of a registry (Confluent's, Apicurio's, Karapace: one wire format), kept by their ids: a schema of an id never changes. */
import { ConsoleError, refusal } from '../errors.ts';
import { type JsonSchema, JsonSchemaValidator, type Verdict } from './json-schema.ts';
import type { PayloadDecoder, ReferencedSchema } from './payload.ts';

/** Where a registry is, and who asks. */
export interface SchemaRegistryConnection {
  /** `http://host:8081`, or with a name and a password before the host. */
  readonly url: string;
}

/** How bytes were written. */
export type SchemaKind = 'avro' | 'protobuf' | 'json-schema';

/** Bytes as JSON, by the schema that they name. */
export interface Decoded {
  readonly kind: SchemaKind;
  readonly id: number;
  readonly json: string;
}

/** Bytes that name a schema, and why they cannot be shown by it. */
export interface Undecoded {
  readonly id: number;
  readonly problem: string;
  /** The registry has no schema of that id: the bytes may only look as if they named one. */
  readonly isAbsent?: boolean | undefined;
  /** The schema is of JSON and this is none: it may be text all the same. */
  readonly text?: Buffer | undefined;
}

const MAGIC = 0;
/** The zero and the id. */
export const SCHEMA_HEADER_BYTES = 5;
/** Beyond it a number is none of a schema. */
export const SCHEMA_ID_MAX = 10_000_000;
/** Schemas that are kept; the one that was asked for the longest ago goes first. */
const SCHEMAS_MAX = 1000;
/** References of references and so on, of one schema. */
const REFERENCES_MAX = 100;
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const ASK_MS_MAX = 3000;
/** Questions to a registry at once: of bytes that only look as if they named a schema each may name another one. */
export const LOOKUPS_MAX = 8;
/** Questions that wait for their turn: as many schemas as several who look can name. */
const WAITING_MAX = 4 * SCHEMAS_MAX;
/** A registry that failed is asked again after so long. */
const ASK_AGAIN_MS = 5000;

/** What values are held to, or why they cannot be. */
type Held = { readonly to: JsonSchema } | { readonly unknown: string };
type Schema =
  | { readonly kind: SchemaKind; readonly decode: PayloadDecoder; readonly held?: Held }
  | { readonly problem: string; readonly isAbsent?: boolean };

/** The newest schema of a subject. */
export interface SubjectSchema {
  readonly subject: string;
  readonly id: number;
  readonly version: number;
  readonly type: string;
}

interface Entry {
  readonly loading: Promise<void>;
  schema?: Schema;
  failedMs?: number;
}

/** The id that bytes name by the registries' wire format: a zero, the id in four bytes, the payload. */
export function schemaIdOf(bytes: Buffer | null): number | undefined {
  if (bytes === null || bytes.length <= SCHEMA_HEADER_BYTES || bytes[0] !== MAGIC) return undefined;
  const id = bytes.readUInt32BE(1);
  return id === 0 || id > SCHEMA_ID_MAX ? undefined : id;
}

/** A registry of schemas. What was prepared is decoded at once, without waiting. */
export class SchemaRegistry {
  readonly #base: string;
  readonly #authorization: string | undefined;
  readonly #entries = new Map<number, Entry>();
  readonly #validator = new JsonSchemaValidator();
  readonly #lookups = new Lookups();
  /** It has not answered: until then nobody else waits for it. */
  #silentToMs = 0;

  /** @throws ConsoleError `CONSOLE_BAD_REQUEST` for a URL that is none */
  constructor({ url }: SchemaRegistryConnection) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new ConsoleError('CONSOLE_BAD_REQUEST', 'A schema registry has an address such as http://localhost:8081');
    }
    const { username, password, origin, pathname } = new URL(url);
    this.#base = `${origin}${pathname.replace(/\/+$/, '')}`;
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.#authorization = username === '' ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  }

  /** Loads the schemas that records name. Never fails: what could not be had is told where it is shown. */
  async prepare(parts: Iterable<Buffer | null>): Promise<void> {
    const ids = new Set<number>();
    for (const bytes of parts) {
      const id = schemaIdOf(bytes);
      if (id !== undefined) ids.add(id);
    }
    await Promise.all([...ids].slice(0, SCHEMAS_MAX).map((id) => this.#entry(id).loading));
  }

  /** Bytes by their schema; undefined where they name none, or none that was prepared. */
  decode(bytes: Buffer): Decoded | Undecoded | undefined {
    const id = schemaIdOf(bytes);
    const schema = id === undefined ? undefined : this.#entries.get(id)?.schema;
    if (id === undefined || schema === undefined) return undefined;
    if ('problem' in schema) return { id, ...schema };
    try {
      return { id, kind: schema.kind, json: schema.decode(bytes.subarray(SCHEMA_HEADER_BYTES)) };
    } catch (error) {
      const text = schema.kind === 'json-schema' ? bytes.subarray(SCHEMA_HEADER_BYTES) : undefined;
      return { id, problem: `it does not fit schema ${id}: ${messageOf(error)}`, text };
    }
  }

  /**
   * Holds what was prepared to the JSON Schemas that it names. What fits, and what has none, is not in the answer.
   * @param parts decoded is what of them is no longer than `decode` takes
   */
  async judge(parts: Iterable<Buffer | null>): Promise<ReadonlyMap<Buffer, Verdict>> {
    const verdicts = new Map<Buffer, Verdict>();
    const lots = new Map<JsonSchema, { bytes: Buffer; json: string }[]>();
    for (const bytes of parts) {
      const id = schemaIdOf(bytes);
      const schema = id === undefined ? undefined : this.#entries.get(id)?.schema;
      if (bytes === null || schema === undefined || !('held' in schema) || schema.held === undefined) continue;
      const decoded = this.decode(bytes);
      if (decoded === undefined || !('json' in decoded)) continue;
      if ('unknown' in schema.held) verdicts.set(bytes, schema.held);
      else lots.set(schema.held.to, [...(lots.get(schema.held.to) ?? []), { bytes, json: decoded.json }]);
    }
    for (const [schema, lot] of lots) {
      const found = await this.#validator.validate(
        schema,
        lot.map(({ json }) => json),
      );
      for (const [at, verdict] of found.entries()) {
        if ('unknown' in verdict || verdict.faults.length > 0) verdicts.set(lot[at]!.bytes, verdict);
      }
    }
    return verdicts;
  }

  /**
   * JSON as its bytes by a schema, when it fits.
   * @throws ConsoleError `CONSOLE_SCHEMA_MISFIT` where it does not, or nobody can tell
   */
  async encode(id: number, json: string): Promise<Buffer> {
    const header = Buffer.alloc(SCHEMA_HEADER_BYTES);
    header.writeUInt32BE(id, 1);
    const bytes = Buffer.concat([header, Buffer.from(json)]);
    await this.prepare([bytes]);
    const schema = this.#entries.get(id)?.schema;
    if (schema !== undefined && 'kind' in schema && schema.kind !== 'json-schema') {
      throw misfit(id, [`it is of ${schema.kind}, and only JSON is written here`]);
    }
    const decoded = this.decode(bytes);
    if (decoded === undefined || 'problem' in decoded) {
      throw misfit(id, [decoded?.problem ?? 'there is no such schema']);
    }
    const verdict = (await this.judge([bytes])).get(bytes);
    if (verdict !== undefined) throw misfit(id, 'unknown' in verdict ? [verdict.unknown] : verdict.faults);
    return bytes;
  }

  /** The newest schema of a subject; undefined where the registry has none, or does not answer. */
  async latest(subject: string): Promise<SubjectSchema | undefined> {
    try {
      const answer = await this.#ask(`/subjects/${encodeURIComponent(subject)}/versions/latest`);
      const { id, version } = (answer ?? {}) as Record<string, unknown>;
      const { type } = schemaOf(answer);
      return { subject, id: Number(id), version: Number(version), type };
    } catch {
      return undefined;
    }
  }

  /** Ends what it works with. */
  async close(): Promise<void> {
    await this.#validator.close();
  }

  #entry(id: number): Entry {
    const before = this.#entries.get(id);
    this.#entries.delete(id);
    const isStale = before?.failedMs !== undefined && performance.now() - before.failedMs > ASK_AGAIN_MS;
    const entry = before === undefined || isStale ? this.#load(id) : before;
    this.#entries.set(id, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > SCHEMAS_MAX && oldest !== undefined) this.#entries.delete(oldest);
    return entry;
  }

  #load(id: number): Entry {
    const loading = this.#schema(id).then(
      (schema) => {
        entry.schema = schema;
      },
      (error: unknown) => {
        const problem = `schema ${id} cannot be had: ${messageOf(error)}`;
        entry.schema = error instanceof NoSuchSchema ? { problem, isAbsent: true } : { problem };
        entry.failedMs = performance.now();
      },
    );
    const entry: Entry = { loading };
    return entry;
  }

  async #schema(id: number): Promise<Schema> {
    const found = schemaOf(
      await this.#ask(`/schemas/ids/${id}`).catch((error: unknown) => {
        throw error instanceof Refused && error.status === 404 ? new NoSuchSchema(error.message) : error;
      }),
    );
    if (found.type === 'JSON') return { kind: 'json-schema', decode: jsonText, held: await this.#held(id, found) };
    const references: ReferencedSchema[] = [];
    await this.#references(found.references, references, new Set());
    // Each reader is a library of some megabytes, loaded with the first schema of its kind.
    if (found.type === 'AVRO') {
      const { avroDecoder } = await import('./avro.ts');
      return { kind: 'avro', decode: avroDecoder(found.schema, references) };
    }
    if (found.type === 'PROTOBUF') {
      const { protobufDecoder } = await import('./protobuf.ts');
      return { kind: 'protobuf', decode: protobufDecoder(found.schema, references) };
    }
    return { problem: `schema ${id} is of the type ${found.type}, which the console does not know` };
  }

  /** Values are shown whatever becomes of what their schema stands on. */
  async #held(id: number, { schema, references: wanted }: ReturnType<typeof schemaOf>): Promise<Held> {
    const references: ReferencedSchema[] = [];
    try {
      await this.#references(wanted, references, new Set());
    } catch (error) {
      return { unknown: `what it refers to cannot be had: ${messageOf(error)}` };
    }
    return { to: { id, schema, references } };
  }

  /** What a schema stands on, the deepest first, each once. */
  async #references(wanted: readonly Reference[], into: ReferencedSchema[], seen: Set<string>): Promise<void> {
    for (const { name, subject, version } of wanted) {
      const place = `/subjects/${encodeURIComponent(subject)}/versions/${version}`;
      if (seen.has(place)) continue;
      seen.add(place);
      if (seen.size > REFERENCES_MAX) throw new Error(`it refers to more than ${REFERENCES_MAX} others`);
      const found = schemaOf(await this.#ask(place));
      await this.#references(found.references, into, seen);
      into.push({ name, schema: found.schema });
    }
  }

  async #ask(path: string): Promise<unknown> {
    using _ = await this.#lookups.take();
    if (performance.now() < this.#silentToMs) throw new Error(SILENT);
    const accept = 'application/vnd.schemaregistry.v1+json, application/json';
    const response = await fetch(this.#base + path, {
      headers: { accept, ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }) },
      redirect: 'error',
      signal: AbortSignal.timeout(ASK_MS_MAX),
    }).catch((cause: unknown) => {
      this.#silentToMs = performance.now() + ASK_AGAIN_MS;
      throw new Error(SILENT, { cause });
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Refused(response.status);
    }
    return JSON.parse(await boundedText(response));
  }
}

const SILENT = 'the registry does not answer';

/** The registry has answered, and with no schema. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`the registry answers ${status}`);
    this.status = status;
  }
}

/** The registry has none of that id. */
class NoSuchSchema extends Error {}

/** Has so many go on at once; the others wait, each in its turn. */
class Lookups {
  #free = LOOKUPS_MAX;
  readonly #waiting: (() => void)[] = [];

  async take(): Promise<Disposable> {
    if (this.#free > 0) this.#free -= 1;
    else {
      if (this.#waiting.length >= WAITING_MAX) {
        throw new Error('too many schemas are asked for: look again in a moment');
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return { [Symbol.dispose]: () => this.#giveBack() };
  }

  #giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

async function boundedText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  // What answers is given in bytes.
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the registry answers with more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

interface Reference {
  readonly name: string;
  readonly subject: string;
  readonly version: number;
}

/** An answer of the registry as far as it is one. */
function schemaOf(answer: unknown): { type: string; schema: string; references: Reference[] } {
  const { schema, schemaType, references } = (answer ?? {}) as Record<string, unknown>;
  if (typeof schema !== 'string') throw new Error('the registry answers without a schema');
  const list: unknown[] = Array.isArray(references) ? references : [];
  return {
    schema,
    // Registries leave Avro unsaid.
    type: typeof schemaType === 'string' ? schemaType : 'AVRO',
    references: list.map((each) => {
      const { name, subject, version } = (each ?? {}) as Record<string, unknown>;
      return { name: String(name), subject: String(subject), version: Number(version) };
    }),
  };
}

function misfit(id: number, why: readonly string[]): ConsoleError {
  return refusal('CONSOLE_SCHEMA_MISFIT', 'schemaMisfit', { id, why: why.join('; ') });
}

function jsonText(payload: Buffer): string {
  const text = payload.toString('utf8');
  JSON.parse(text);
  return text;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 300);
}
