import { dirname } from 'node:path/posix';
import type { Disk } from '@millrace/ports';
import {
  checkpointKey,
  encodeOffsetCheckpoint,
  type OffsetCheckpoint,
  readIfThere,
  readOffsetCheckpoint,
} from './checkpoint-file.ts';
import { FolderLockedError, LogError, messageOf, systemCodeOf } from './errors.ts';
import {
  CLEAN_SHUTDOWN_MARKER,
  CLEANER_OFFSET_CHECKPOINT,
  DELETED_FOLDER_SUFFIX,
  HIGH_WATERMARK_CHECKPOINT,
  LOCK_FILE,
  LOG_START_OFFSET_CHECKPOINT,
  META_PROPERTIES,
  MOVE_COMPLETE,
  parseFutureFolderName,
  parsePartitionFolderName,
  RECOVERY_POINT_CHECKPOINT,
} from './file-names.ts';
import { holdsPartition } from './partition-folders.ts';
import type { PartitionLog } from './partition-log.ts';
import {
  checkMetaProperties,
  decodeCleanShutdownMarker,
  encodeCleanShutdownMarker,
  encodeMetaProperties,
  type FolderOwner,
} from './properties-files.ts';

/** A partition's folder that was found. */
export interface FoundPartition {
  readonly topic: string;
  readonly partition: number;
  readonly folder: string;
}

/** What a log directory's checkpoint files say. */
interface CheckpointedOffsets {
  readonly recoveryPoints: OffsetCheckpoint;
  readonly highWatermarks: OffsetCheckpoint;
  readonly logStartOffsets: OffsetCheckpoint;
  /** Up to where logs are compacted. */
  readonly cleanedOffsets: OffsetCheckpoint;
}

/** A copy of a log that was to move here. */
export interface FoundCopy extends FoundPartition {
  /** Whether all of the log is in it. */
  readonly isComplete: boolean;
}

/** What a log directory held when it was opened. */
export interface DirectoryContent extends CheckpointedOffsets {
  readonly partitions: FoundPartition[];
  /** Folders into which logs were being copied. */
  readonly copies: readonly FoundCopy[];
  /** Folders of deleted partitions that are still there. */
  readonly deletedFolders: readonly string[];
  /** Whether the broker that had the directory last closed it in order. */
  readonly isClean: boolean;
  /** The epoch of that broker; -1 when it is not known. */
  readonly brokerEpoch: number;
}

/** One of `log.dirs`: its lock, its checkpoints, and the logs in it. */
export class LogDirectory {
  readonly folder: string;
  readonly logs = new Set<PartitionLog>();
  /** Logs that are about to be in it. */
  creations = 0;
  /** Partitions that were found in it and not opened, for it went offline before that: they lie here, whoever makes them anew. */
  readonly unreached = new Set<string>();
  /** Why the directory is offline; undefined while it is not. */
  failure: unknown;
  readonly #disk: Disk;
  #lock: { release(): Promise<void> } | undefined;
  /** What the checkpoint files say of partitions that could not be opened: it must be there when they can be. */
  readonly #unopened = new Map<string, Map<string, number>>();
  /** What the checkpoint files hold, so that nothing is written that has not changed. */
  readonly #written = new Map<string, Buffer>();
  /** By checkpoint, the write that is under way or was the last, and the one that waits for it to end. */
  readonly #turns = new Map<string, { last: Promise<void>; next: Promise<void> | undefined }>();

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.folder = folder;
  }

  /** Logs in it, those about to be included. */
  get logCount(): number {
    return this.logs.size + this.creations;
  }

  get isOnline(): boolean {
    return this.failure === undefined;
  }

  /**
   * Takes the directory for this process and reads what it holds. The marker of a clean stop is gone afterwards.
   *
   * @throws FolderLockedError, ForeignFolderError, MalformedFileError, or the disk's error
   */
  async open(owner: FolderOwner): Promise<DirectoryContent> {
    await this.#disk.makeFolder(this.folder);
    this.#lock = await lockFolder(this.#disk, this.folder);
    try {
      await this.#checkOwner(owner);
      return await this.#readContent();
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  /** Writes the recovery points and log start offsets of all logs, as they are when its turn comes. */
  checkpointRecoveryPoints(): Promise<void> {
    return this.#inTurn(RECOVERY_POINT_CHECKPOINT, () => this.#writeRecoveryPoints());
  }

  async #writeRecoveryPoints(): Promise<void> {
    await this.#writeCheckpoint(RECOVERY_POINT_CHECKPOINT, (log) => log.recoveryPoint);
    // As in Kafka, a log that begins with its first segment needs no line.
    await this.#writeCheckpoint(LOG_START_OFFSET_CHECKPOINT, (log) =>
      log.logStartOffset > log.firstSegmentOffset ? log.logStartOffset : undefined,
    );
  }

  /** Writes the high watermarks of all logs. */
  checkpointHighWatermarks(): Promise<void> {
    return this.#inTurn(HIGH_WATERMARK_CHECKPOINT, () =>
      this.#writeCheckpoint(HIGH_WATERMARK_CHECKPOINT, (log) => log.highWatermark),
    );
  }

  /** Writes up to where each log is compacted. */
  checkpointCleaner(): Promise<void> {
    return this.#inTurn(CLEANER_OFFSET_CHECKPOINT, () =>
      this.#writeCheckpoint(CLEANER_OFFSET_CHECKPOINT, (log) => log.cleanedOffset),
    );
  }

  /** Keeps what the checkpoints say of a partition that could not be opened; undefined once its folder is gone. */
  keepCheckpoints(key: string, content: CheckpointedOffsets | undefined): void {
    const checkpoints: [string, OffsetCheckpoint | undefined][] = [
      [RECOVERY_POINT_CHECKPOINT, content?.recoveryPoints],
      [LOG_START_OFFSET_CHECKPOINT, content?.logStartOffsets],
      [HIGH_WATERMARK_CHECKPOINT, content?.highWatermarks],
      [CLEANER_OFFSET_CHECKPOINT, content?.cleanedOffsets],
    ];
    for (const [name, offsets] of checkpoints) {
      const kept = this.#unopened.get(name) ?? new Map<string, number>();
      this.#unopened.set(name, kept);
      const offset = offsets?.get(key);
      if (offset === undefined) kept.delete(key);
      else kept.set(key, offset);
    }
  }

  /** Has the checkpoints tell of a log that is about to be here. */
  expect(key: string, log: PartitionLog): void {
    this.keepCheckpoints(key, {
      recoveryPoints: new Map([[key, log.recoveryPoint]]),
      highWatermarks: new Map([[key, log.highWatermark]]),
      logStartOffsets: new Map([[key, log.logStartOffset]]),
      cleanedOffsets: new Map(log.cleanedOffset === undefined ? [] : [[key, log.cleanedOffset]]),
    });
  }

  /** Writes all checkpoints. */
  async checkpointAll(): Promise<void> {
    await this.checkpointRecoveryPoints();
    await this.checkpointHighWatermarks();
    await this.checkpointCleaner();
  }

  /** Says that the directory was closed in order. Everything else must be written before. */
  async markClean(brokerEpoch: number): Promise<void> {
    await this.#disk.replaceFile(this.#path(CLEAN_SHUTDOWN_MARKER), encodeCleanShutdownMarker(brokerEpoch));
  }

  /** Lets others have the directory. */
  async release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.release();
  }

  /** One write of a checkpoint at a time: two at once would write into one temporary file, and the directory would fail or never open again. */
  #inTurn(name: string, write: () => Promise<void>): Promise<void> {
    const turn = this.#turns.get(name) ?? { last: Promise.resolve(), next: undefined };
    this.#turns.set(name, turn);
    // Whoever comes before the turn has come shares it: after an election, thousands of logs may be cut at once.
    turn.next ??= turn.last.then(() => {
      turn.next = undefined;
      const written = write();
      turn.last = written.catch(() => {});
      return written;
    });
    return turn.next;
  }

  async #checkOwner(owner: FolderOwner): Promise<void> {
    const path = this.#path(META_PROPERTIES);
    const bytes = await readIfThere(this.#disk, path);
    if (bytes !== undefined) {
      checkMetaProperties(bytes, path, this.folder, owner);
      return;
    }
    await this.#disk.replaceFile(path, encodeMetaProperties(owner));
    await this.#syncParents();
  }

  /** The folder, and those above it, may be as new as this first start. */
  async #syncParents(): Promise<void> {
    for (let folder = this.folder; folder !== dirname(folder); ) {
      folder = dirname(folder);
      try {
        await this.#disk.syncFolder(folder);
      } catch (error) {
        // A folder that this user may not read was not made by this user.
        const code = systemCodeOf(error);
        if (code !== 'EACCES' && code !== 'EPERM') throw error;
      }
    }
  }

  async #readContent(): Promise<DirectoryContent> {
    const marker = await readIfThere(this.#disk, this.#path(CLEAN_SHUTDOWN_MARKER));
    if (marker !== undefined) {
      // Gone before anything is written: a crash from here on is an unclean stop.
      await this.#disk.remove(this.#path(CLEAN_SHUTDOWN_MARKER));
      await this.#disk.syncFolder(this.folder);
    }
    const recoveryPoints = await readOffsetCheckpoint(this.#disk, this.#path(RECOVERY_POINT_CHECKPOINT));
    const partitions: FoundPartition[] = [];
    const copies: FoundCopy[] = [];
    const deletedFolders: string[] = [];
    for (const name of await this.#disk.list(this.folder)) {
      const copy = parseFutureFolderName(name);
      const found = parsePartitionFolderName(name);
      if (copy !== undefined) copies.push(await this.#foundCopy({ ...copy, folder: this.#path(name) }));
      else if (found !== undefined) {
        const isKnown = recoveryPoints.has(checkpointKey(found.topic, found.partition));
        if (isKnown || (await this.#mayHoldPartition(name))) partitions.push({ ...found, folder: this.#path(name) });
      } else if (name.endsWith(DELETED_FOLDER_SUFFIX)) deletedFolders.push(this.#path(name));
    }
    return {
      partitions,
      copies,
      deletedFolders,
      recoveryPoints,
      highWatermarks: await readOffsetCheckpoint(this.#disk, this.#path(HIGH_WATERMARK_CHECKPOINT)),
      logStartOffsets: await readOffsetCheckpoint(this.#disk, this.#path(LOG_START_OFFSET_CHECKPOINT)),
      cleanedOffsets: await readOffsetCheckpoint(this.#disk, this.#path(CLEANER_OFFSET_CHECKPOINT)),
      isClean: marker !== undefined,
      brokerEpoch: marker === undefined ? -1 : decodeCleanShutdownMarker(marker),
    };
  }

  /** What cannot be looked into counts as a partition's: the opening of it tells what is wrong. */
  #mayHoldPartition(name: string): Promise<boolean> {
    return holdsPartition(this.#disk, this.#path(name)).catch(() => true);
  }

  async #foundCopy(found: FoundPartition): Promise<FoundCopy> {
    const mark = await this.#disk.stat(`${found.folder}/${MOVE_COMPLETE}`);
    return { ...found, isComplete: mark !== undefined };
  }

  async #writeCheckpoint(name: string, offsetOf: (log: PartitionLog) => number | undefined): Promise<void> {
    const offsets: OffsetCheckpoint = new Map(this.#unopened.get(name));
    for (const log of this.logs) {
      const offset = offsetOf(log);
      if (offset !== undefined) offsets.set(checkpointKey(log.topic, log.partition), offset);
    }
    const bytes = encodeOffsetCheckpoint(offsets);
    if (this.#written.get(name)?.equals(bytes) === true) return;
    await this.#disk.replaceFile(this.#path(name), bytes);
    this.#written.set(name, bytes);
  }

  #path(name: string): string {
    return `${this.folder}/${name}`;
  }
}

/**
 * Takes a log directory for this process.
 *
 * @throws FolderLockedError; a LogError where something else lies in the lock's place; the disk's error
 */
export async function lockFolder(disk: Disk, folder: string): Promise<{ release(): Promise<void> }> {
  try {
    const lock = await disk.lock(`${folder}/${LOCK_FILE}`);
    if (lock !== undefined) return lock;
  } catch (error) {
    if (systemCodeOf(error) !== undefined) throw error;
    throw new LogError('LOG_CHECKPOINT_MALFORMED', messageOf(error), { cause: error });
  }
  throw new FolderLockedError(folder);
}
