/** Records sent again, to their own topic or another: as the bytes they were, but for what somebody has made another. */
import type { HeaderEdit, MessageEdits } from '../api/contract.ts';
import type { Cluster } from '../clusters/cluster.ts';
import { refusal } from '../errors.ts';
import { readRecord } from './read.ts';

/** A record, and where it goes. */
export interface Copy {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly to: string;
  readonly edits?: MessageEdits | undefined;
}

/** Where a record has been kept. */
export interface Kept {
  readonly partition: number;
  readonly offset: number;
}

/** Whether nothing of the record itself is to be another: which partition it goes to is not in it. */
export function keepsRecord({ partition: _, ...ofRecord }: MessageEdits = {}): boolean {
  return Object.values(ofRecord).every((edit) => edit === undefined);
}

/** Sends a record again. */
export async function copyRecord(cluster: Cluster, { to, edits = {}, ...place }: Copy): Promise<Kept> {
  const { rawKey, rawValue, headers } = await readRecord(cluster, place, { isWhole: true });
  const { partition, offset } = await cluster.producer.send({
    topic: to,
    key: edits.key === undefined ? rawKey : await bytesBy(cluster, edits.keySchema, edits.key),
    value: edits.value === undefined ? rawValue : await bytesBy(cluster, edits.valueSchema, edits.value),
    headers: edits.headers === undefined ? headers : edits.headers.flatMap((each) => headersOf(each, headers)),
    partition: edits.partition,
  });
  return { partition, offset };
}

type Headers = readonly { readonly key: string; readonly value: Buffer | string | null }[];

function headersOf(edit: HeaderEdit, own: Headers): Headers {
  if ('keptFrom' in edit) {
    const { keptFrom, without } = edit;
    return own.slice(keptFrom).filter(({ key }) => without === undefined || !key.startsWith(without));
  }
  if (!('kept' in edit)) return [{ key: edit.name, value: edit.value }];
  const header = own[edit.kept];
  if (header === undefined) throw refusal('CONSOLE_BAD_REQUEST', 'noHeader', { n: edit.kept, all: own.length });
  return [{ key: edit.name ?? header.key, value: header.value }];
}

/**
 * Text as it is, or by a schema that it fits.
 * @throws ConsoleError `CONSOLE_SCHEMA_MISFIT`
 */
export async function bytesBy(
  cluster: Cluster,
  schema: number | undefined,
  text: string | null,
): Promise<Buffer | string | null> {
  if (schema === undefined || text === null) return text;
  if (cluster.schemas === undefined) throw refusal('CONSOLE_BAD_REQUEST', 'noRegistry', { schema });
  return cluster.schemas.encode(schema, text);
}
