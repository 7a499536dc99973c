import type { Disk } from '@millrace/ports';
import { isWrongKind, MalformedFileError, messageOf, systemCodeOf } from './errors.ts';

/** The version of every checkpoint file: the first line. */
const VERSION = '0';
const QUOTED_CHARS_MAX = 20;

/** Offsets of partitions, by {@link checkpointKey}. */
export type OffsetCheckpoint = Map<string, number>;

/** A start of an epoch in `leader-epoch-checkpoint`. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

/** The key of a partition in a checkpoint: as it stands in the file. */
export function checkpointKey(topic: string, partition: number): string {
  return `${topic} ${partition}`;
}

/** `0`, the count, then a line per partition: topic, partition, offset (Kafka's `OffsetCheckpointFile`). */
export function encodeOffsetCheckpoint(offsets: ReadonlyMap<string, number>): Buffer {
  const lines = [VERSION, String(offsets.size)];
  for (const [key, offset] of offsets) lines.push(`${key} ${offset}`);
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** @throws MalformedFileError */
export function decodeOffsetCheckpoint(bytes: Buffer, path: string): OffsetCheckpoint {
  const offsets: OffsetCheckpoint = new Map();
  for (const line of entryLines(bytes, path)) {
    const fields = line.split(' ');
    const offset = integerOf(fields[2], path);
    if (fields.length !== 3) throw new MalformedFileError(path, `"${line}" is no topic, partition and offset`);
    offsets.set(checkpointKey(fields[0]!, integerOf(fields[1], path)), offset);
  }
  return offsets;
}

/** `0`, the count, then a line per epoch: epoch, start offset (Kafka's `LeaderEpochCheckpointFile`). */
export function encodeEpochCheckpoint(epochs: readonly EpochStart[]): Buffer {
  const lines = [VERSION, String(epochs.length), ...epochs.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`)];
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** @throws MalformedFileError */
export function decodeEpochCheckpoint(bytes: Buffer, path: string): EpochStart[] {
  return entryLines(bytes, path).map((line) => {
    const fields = line.split(' ');
    if (fields.length !== 2) throw new MalformedFileError(path, `"${line}" is no epoch and start offset`);
    return { epoch: integerOf(fields[0], path), startOffset: integerOf(fields[1], path) };
  });
}

/** The offsets of a checkpoint file; none when the file is not there. */
export async function readOffsetCheckpoint(disk: Disk, path: string): Promise<OffsetCheckpoint> {
  const bytes = await readIfThere(disk, path);
  return bytes === undefined ? new Map() : decodeOffsetCheckpoint(bytes, path);
}

/** The content of a small file, or undefined when it is not there. */
export async function readIfThere(disk: Disk, path: string): Promise<Buffer | undefined> {
  try {
    return await disk.readFile(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw isWrongKind(error) ? new MalformedFileError(path, messageOf(error)) : error;
  }
}

function entryLines(bytes: Buffer, path: string): string[] {
  // Kafka makes the file when it opens the folder, and fills it at its first checkpoint.
  if (bytes.length === 0) return [];
  const lines = bytes.toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  const [version, count, ...entries] = lines;
  if (version !== VERSION) throw new MalformedFileError(path, `version ${quoted(version)} is not known`);
  if (integerOf(count, path) !== entries.length) {
    throw new MalformedFileError(path, `it announces ${count} entries and has ${entries.length}`);
  }
  return entries;
}

/** What a damaged file holds may be long, and is not for a terminal to act on. */
function quoted(text = ''): string {
  return JSON.stringify(text.length > QUOTED_CHARS_MAX ? `${text.slice(0, QUOTED_CHARS_MAX)}...` : text);
}

function integerOf(text: string | undefined, path: string): number {
  const value = Number(text);
  if (text === undefined || text === '' || !Number.isSafeInteger(value)) {
    throw new MalformedFileError(path, `${quoted(text)} is no number`);
  }
  return value;
}
