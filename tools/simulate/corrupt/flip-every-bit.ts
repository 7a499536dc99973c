import { MemoryDisk, seededRandom } from '@millrace/ports';
import { readBack, type Verdict } from './read-back.ts';
import { FOLDER, type SmallLog, type Stop, writeSmallLog } from './small-log.ts';

/** What became of the bits flipped in files of one kind. */
export interface KindFigures {
  /** Changes tried: flipped bits and, where a file may be short, cuts. */
  changes: number;
  /** Somebody was told: a start that was refused, a log that was cut with a report, a read that was answered with an error. */
  found: number;
  /** Everything was as it should be. */
  harmless: number;
  /** Nobody was told that a number is another, in a file of Kafka's that has nothing to tell it by. */
  untold: number;
}

/** What became of all of them. */
export interface CorruptionFigures {
  readonly kinds: Map<string, KindFigures>;
  /** Wrong data, or data missing, and nobody was told. */
  readonly silent: string[];
}

export interface CorruptionOptions {
  /** Of how many changes one is made; 1: every one. */
  readonly everyNth: number;
  readonly seed: number;
  readonly onChange?: (done: number, total: number) => void;
}

/**
 * Kafka's checkpoints are lines of text without a checksum: where a digit becomes another digit, no reader of the format can
 * tell. The same holds for numbers of a transaction index. Everything else has a checksum, or is held against what has one.
 */
const UNPROTECTED = /(-checkpoint|\.txnindex)$/;
/** Files that a crash or a person may have left short. A log that is short by whole batches is another matter. */
const CUT = /(index|\.snapshot|-checkpoint|\.metadata|\.properties|_cleanshutdown)$/;

interface Change {
  readonly path: string;
  readonly what: string;
  apply(disk: MemoryDisk): Promise<void>;
}

/** Flips the bits of a small log's files one after the other, opens the log each time, and asks all that can be asked of it. */
export async function flipEveryBit({ everyNth, seed, onChange }: CorruptionOptions): Promise<CorruptionFigures> {
  const figures: CorruptionFigures = { kinds: new Map(), silent: [] };
  const random = seededRandom(seed);
  const logs = await Promise.all(
    (['clean', 'unclean'] as const).map(async (stop) => ({ stop, log: await writeSmallLog(stop) })),
  );
  const work = logs.flatMap(({ stop, log }) => changesOf(log.disk).map((change) => ({ stop, log, change })));
  for (let index = random.nextInt(everyNth); index < work.length; index += everyNth) {
    const { stop, log, change } = work[index]!;
    count(figures, change, stop, await judge(log, change));
    onChange?.(index + 1, work.length);
  }
  return figures;
}

function changesOf(disk: MemoryDisk): Change[] {
  return disk
    .filesBelow(FOLDER)
    .flatMap(({ path, sizeBytes }) => [
      ...Array.from({ length: sizeBytes * 8 }, (_, bit) => flip(path, bit)),
      ...Array.from({ length: CUT.test(path) ? sizeBytes : 0 }, (_, size) => cut(path, size)),
    ]);
}

function flip(path: string, bit: number): Change {
  const what = `bit ${bit & 7} of byte ${bit >>> 3} of ${path} flipped`;
  return { path, what, apply: async (disk) => disk.flipBit(path, bit >>> 3, bit & 7) };
}

function cut(path: string, sizeBytes: number): Change {
  const apply = (disk: MemoryDisk): Promise<void> => disk.replaceFile(path, disk.peek(path).subarray(0, sizeBytes));
  return { path, what: `${path} cut to ${sizeBytes} bytes`, apply };
}

async function judge(log: SmallLog, change: Change): Promise<Verdict> {
  const damaged = await copyOf(log.disk);
  await change.apply(damaged);
  return readBack(damaged, log);
}

function count({ kinds, silent }: CorruptionFigures, { path, what }: Change, stop: Stop, verdict: Verdict): void {
  const kind = /[^./\d][^./]*$/.exec(path)?.[0] ?? path;
  const figures = kinds.get(kind) ?? { changes: 0, found: 0, harmless: 0, untold: 0 };
  kinds.set(kind, figures);
  figures.changes += 1;
  if (verdict === 'found') figures.found += 1;
  else if (verdict === 'harmless') figures.harmless += 1;
  else if (UNPROTECTED.test(path)) figures.untold += 1;
  else silent.push(`${what} after a ${stop} stop: ${verdict}`);
}

async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const copy = new MemoryDisk();
  await copy.makeFolder(FOLDER);
  for (const { path } of disk.filesBelow(FOLDER)) {
    await copy.makeFolder(path.slice(0, path.lastIndexOf('/')));
    const file = await copy.open(path, { create: true });
    await file.write(0, [disk.peek(path)], { sync: true });
    await file.close();
  }
  return copy;
}
