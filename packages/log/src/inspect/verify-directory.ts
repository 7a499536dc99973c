import type { Disk } from '@millrace/ports';
import { checkpointKey, readOffsetCheckpoint } from '../checkpoint-file.ts';
import { isWrongKind, LogError, MalformedFileError, messageOf, systemCodeOf } from '../errors.ts';
import {
  CLEAN_SHUTDOWN_MARKER,
  LOCK_FILE,
  LOG_SUFFIX,
  offsetFileName,
  offsetOfFileName,
  PARTITION_METADATA,
  parsePartitionFolderName,
  RECOVERY_POINT_CHECKPOINT,
} from '../file-names.ts';
import { lockFolder } from '../log-directory.ts';
import { holdsPartition } from '../partition-folders.ts';
import { logFileKind, readLogFile } from './file-entries.ts';
import { type SegmentProblem, verifySegment } from './verify-segment.ts';

/** Something that is not as it should be, and where. */
export interface LogProblem extends SegmentProblem {
  /** Undefined for the files of the log directory itself. */
  readonly topic: string | undefined;
  readonly partition: number | undefined;
}

/** How far a verification has come. */
export interface VerifyProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly topic: string;
  readonly partition: number;
}

/** How {@link verifyLogDirectory} works. */
export interface VerifyOptions {
  /** Whether records are decompressed and decoded, too. Default false: their CRC tells of damage. */
  readonly deep?: boolean;
  /** Told of each problem as it is found. */
  readonly onProblem?: (problem: LogProblem) => void;
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Asked between segments; true ends it. */
  readonly isStopped?: () => boolean;
}

/** What was found in a log directory. */
export interface VerifyResult {
  readonly partitions: number;
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly sizeBytes: number;
  /** Problems that were found, torn ends aside. */
  readonly damages: number;
  /** Last segments whose end a crash has torn; the next start cuts it off. */
  readonly tornEnds: number;
}

interface FoundPartition {
  readonly topic: string;
  readonly partition: number;
  readonly folder: string;
  readonly names: readonly string[];
  /** Base offsets of the segments, ascending. */
  readonly segments: readonly number[];
  readonly sizeBytes: number;
}

/**
 * Reads all of a stopped broker's log directory, or of one partition's folder, and holds it against itself: CRCs, offsets in
 * order, indexes that lead where they say, small files that can be read. Changes nothing.
 *
 * @throws FolderLockedError while a broker uses the directory; the disk's error when it cannot be read, or a LogError that names it where
 * the disk's own does not say what could not be read
 */
export async function verifyLogDirectory(
  disk: Disk,
  folder: string,
  options: VerifyOptions = {},
): Promise<VerifyResult> {
  const path = folder.length > 1 && folder.endsWith('/') ? folder.slice(0, -1) : folder;
  try {
    const release = await lockIfThere(disk, path);
    try {
      return await new DirectoryVerification(disk, path, options).run();
    } finally {
      await release();
    }
  } catch (error) {
    const isNameless = systemCodeOf(error) !== undefined && (error as NodeJS.ErrnoException).path === undefined;
    if (!isNameless) throw error;
    const why = `Reading ${path} failed: ${messageOf(error)}. Check the disk`;
    throw new LogError('LOG_DISK_FAILED', why, { cause: error });
  }
}

/** Where no broker ever was there is no lock to take, and where nothing can be written no broker is: backups are mounted so. */
async function lockIfThere(disk: Disk, folder: string): Promise<() => Promise<void>> {
  if ((await disk.stat(`${folder}/${LOCK_FILE}`)) === undefined) return async () => {};
  try {
    const lock = await lockFolder(disk, folder);
    return () => lock.release();
  } catch (error) {
    if (systemCodeOf(error) !== 'EROFS') throw error;
    return async () => {};
  }
}

class DirectoryVerification {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #options: VerifyOptions;
  readonly #result = { partitions: 0, segments: 0, batches: 0, records: 0, sizeBytes: 0, damages: 0, tornEnds: 0 };
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(disk: Disk, folder: string, options: VerifyOptions) {
    this.#disk = disk;
    this.#folder = folder;
    this.#options = options;
  }

  async run(): Promise<VerifyResult> {
    const known = await this.#known();
    const partitions = await this.#findPartitions(known);
    this.#bytesTotal = partitions.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const partition of partitions) {
      if (this.#options.isStopped?.() === true) return this.#result;
      await this.#verifyPartition(partition, known.get(checkpointKey(partition.topic, partition.partition)) ?? 0);
    }
    await this.#lookForMissing(partitions, known);
    return this.#result;
  }

  async #findPartitions(known: ReadonlyMap<string, number>): Promise<FoundPartition[]> {
    const names = await this.#disk.list(this.#folder);
    const own = parsePartitionFolderName(this.#folder.slice(this.#folder.lastIndexOf('/') + 1));
    if (own !== undefined && names.some((name) => offsetOfFileName(name, LOG_SUFFIX) !== undefined)) {
      return [await this.#lookAt(own.topic, own.partition, this.#folder)];
    }
    const partitions: FoundPartition[] = [];
    for (const name of names) {
      const found = parsePartitionFolderName(name);
      if (found === undefined) await this.#readSmallFile(undefined, this.#folder, name);
      else
        await this.#orReport(undefined, name, async () => {
          const folder = `${this.#folder}/${name}`;
          const isKnown = known.has(checkpointKey(found.topic, found.partition));
          if (!isKnown && !(await holdsPartition(this.#disk, folder))) return;
          partitions.push(await this.#lookAt(found.topic, found.partition, folder));
        });
    }
    return partitions;
  }

  /** What the broker knew of, whatever is left of it; nothing where that cannot be read, which is told as damage. */
  async #known(): Promise<ReadonlyMap<string, number>> {
    try {
      return await readOffsetCheckpoint(this.#disk, `${this.#folder}/${RECOVERY_POINT_CHECKPOINT}`);
    } catch {
      return new Map();
    }
  }

  async #lookAt(topic: string, partition: number, folder: string): Promise<FoundPartition> {
    const names = await this.#disk.list(folder);
    const segments = names
      .map((name) => offsetOfFileName(name, LOG_SUFFIX))
      .filter((offset) => offset !== undefined)
      .sort((a, b) => a - b);
    let sizeBytes = 0;
    for (const baseOffset of segments) {
      sizeBytes += (await this.#disk.stat(`${folder}/${offsetFileName(baseOffset, LOG_SUFFIX)}`))?.sizeBytes ?? 0;
    }
    return { topic, partition, folder, names, segments, sizeBytes };
  }

  /** After a stop in order the broker knew just what was there; after another one, a topic may have been deleted since it wrote that down. */
  async #lookForMissing(partitions: readonly FoundPartition[], known: ReadonlyMap<string, number>): Promise<void> {
    if ((await this.#disk.stat(`${this.#folder}/${CLEAN_SHUTDOWN_MARKER}`)) === undefined) return;
    const found = new Set(partitions.map(({ topic, partition }) => checkpointKey(topic, partition)));
    for (const [key, recoveryPoint] of known) {
      if (found.has(key) || recoveryPoint === 0) continue;
      const problem = `the broker had ${key.replace(' ', '-')} here, synced up to offset ${recoveryPoint}, and there is no such folder`;
      this.#report(undefined, { file: RECOVERY_POINT_CHECKPOINT, position: undefined, problem, isTornEnd: false });
    }
  }

  async #verifyPartition(found: FoundPartition, recoveryPoint: number): Promise<void> {
    const { topic, partition, folder, segments } = found;
    this.#result.partitions += 1;
    for (const name of found.names) await this.#readSmallFile(found, folder, name);
    let startOffset = 0;
    for (const baseOffset of segments) {
      if (this.#options.isStopped?.() === true) return;
      const summary = await verifySegment(this.#disk, folder, baseOffset, {
        startOffset,
        isLast: baseOffset === segments.at(-1),
        deep: this.#options.deep === true,
        problem: (problem) => this.#report(found, problem),
        progress: (sizeBytes) => {
          this.#bytesDone += sizeBytes;
          const progress = { bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal };
          this.#options.onProgress?.({ ...progress, topic, partition });
        },
      });
      this.#result.segments += 1;
      this.#result.batches += summary.batches;
      this.#result.records += summary.records;
      this.#result.sizeBytes += summary.sizeBytes;
      startOffset = summary.endOffset;
    }
    if (startOffset >= recoveryPoint) return;
    const problem = `the log ends at offset ${startOffset}, and the broker had synced it up to ${recoveryPoint}`;
    this.#report(found, { file: RECOVERY_POINT_CHECKPOINT, position: undefined, problem, isTornEnd: false });
  }

  /** Snapshots, checkpoints and the like; segments and their indexes are looked at together. */
  async #readSmallFile(found: FoundPartition | undefined, folder: string, name: string): Promise<void> {
    const kind = logFileKind(name)?.kind;
    const isSmall = kind === 'producerSnapshot' || kind === 'leaderEpochs' || kind === 'offsetCheckpoint';
    if (!isSmall && name !== PARTITION_METADATA) return;
    await this.#orReport(found, name, () => readLogFile(this.#disk, `${folder}/${name}`, () => true));
  }

  /** What is wrong with what is there is told; what the disk refuses ends it all. */
  async #orReport(found: FoundPartition | undefined, name: string, read: () => Promise<unknown>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof MalformedFileError || isWrongKind(error))) throw error;
      this.#report(found, { file: name, position: undefined, problem: messageOf(error), isTornEnd: false });
    }
  }

  #report(found: FoundPartition | undefined, problem: SegmentProblem): void {
    if (problem.isTornEnd) this.#result.tornEnds += 1;
    else this.#result.damages += 1;
    this.#options.onProblem?.({ topic: found?.topic, partition: found?.partition, ...problem });
  }
}
