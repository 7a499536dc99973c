import { batchWorkInline } from './batch-work.ts';
import { checkpointKey, readIfThere } from './checkpoint-file.ts';
import { LogCleaner, type LogCleanerStatus } from './compaction/log-cleaner.ts';
import { eachOf } from './concurrency.ts';
import { DiskFailedError, isWrongKind, LogError, systemCodeOf, UnloadableLogError } from './errors.ts';
import {
  canMove,
  DELETED_FOLDER_SUFFIX,
  FUTURE_FOLDER_SUFFIX,
  markedFolderName,
  PARTITION_METADATA,
  partitionFolderName,
  STRAY_FOLDER_SUFFIX,
} from './file-names.ts';
import { FileReaper } from './file-reaper.ts';
import { IndexCache } from './index-cache.ts';
import { INDEX_TAIL_ENTRIES_MAX_DEFAULT } from './index-file.ts';
import type { LiveLogOptions } from './live-log-options.ts';
import { boundsOf, type LogBounds } from './log-bounds.ts';
import type { LogContext } from './log-context.ts';
import { type DirectoryContent, type FoundPartition, LogDirectory } from './log-directory.ts';
import type {
  CreateLogOptions,
  LogDirectoryDescription,
  LogManagerOptions,
  LogManagerUsage,
  MoveRefusal,
} from './log-manager-options.ts';
import { type LogMove, LogMover } from './log-mover.ts';
import { LogSchedule } from './log-schedule.ts';
import { OpenFiles } from './open-files.ts';
import { finishMoves, missingLogs, type OpenedDirectory, partitionsIn } from './opened-directories.ts';
import { PartitionLog } from './partition-log.ts';
import { PreferredDirectories } from './preferred-directories.ts';
import { decodePartitionMetadata, encodePartitionMetadata, writePartitionMetadata } from './properties-files.ts';
import { ReadMemory } from './read-memory.ts';
import { TailCacheBudget } from './tail-cache.ts';

const OPEN_CONCURRENCY_DEFAULT = 16;
const PRODUCER_ID_EXPIRATION_MS_DEFAULT = 86_400_000;

/**
 * All logs of a broker, in one or more log directories (Kafka's `LogManager`): opens them, recovering what an unclean stop
 * left; creates and deletes partitions; keeps the checkpoints; enforces retention; closes in order.
 *
 * A directory whose disk fails goes offline with its partitions; the others go on.
 */
export class LogManager {
  readonly #options: LogManagerOptions;
  readonly #bounds: LogBounds;
  readonly #context: LogContext;
  readonly #directories: LogDirectory[];
  readonly #schedule: LogSchedule;
  readonly #cleaner: LogCleaner;
  readonly #mover: LogMover;
  #moveBytesPerSecondMax: number;
  readonly #preferred = new PreferredDirectories();
  readonly #logs = new Map<string, PartitionLog>();
  /** Creations under way, so that two callers get one log. */
  readonly #creating = new Map<string, Promise<PartitionLog>>();
  /** Deletions under way: a new log of the same name must wait until the old folder is out of its way. */
  readonly #deleting = new Map<string, Promise<void>>();
  readonly #directoryOf = new Map<PartitionLog, LogDirectory>();
  /** Partitions whose folders could not be opened. */
  readonly #unloadable = new Map<
    string,
    FoundPartition & { readonly directory: LogDirectory; readonly error: UnloadableLogError }
  >();
  /** Folders of partitions without a log: half made, or not renamed when they were deleted, for want of room. */
  readonly #leftOver = new Map<string, FoundPartition & { readonly directory: LogDirectory }>();
  #previousBrokerEpoch = -1;

  constructor(options: LogManagerOptions) {
    const { disk, clock, random } = options;
    this.#options = options;
    this.#bounds = boundsOf(options);
    this.#context = {
      disk,
      clock,
      random,
      files: new OpenFiles(disk, this.#bounds.openFilesMax),
      indexCache: new IndexCache(this.#bounds.indexCacheBytesMax),
      readMemory: new ReadMemory(this.#bounds.readMemoryBytesMax),
      indexTailEntriesMax: INDEX_TAIL_ENTRIES_MAX_DEFAULT,
      tailCacheBudget: new TailCacheBudget(this.#bounds.tailCacheBytesMax),
      tailCacheBytesMax: this.#bounds.tailCachePartitionBytesMax,
      reaper: new FileReaper(disk, clock, (path, error) => this.#backgroundError(`Removing ${path}`, error)),
      batchWork: options.batchWork ?? batchWorkInline,
      checksRecords: options.checksRecords ?? false,
      producerIdExpirationMs: options.producerIdExpirationMs ?? PRODUCER_ID_EXPIRATION_MS_DEFAULT,
      producerIdsMax: this.#bounds.producerIdsMax,
    };
    this.#directories = options.logDirs.map((folder) => new LogDirectory(disk, folder));
    this.#schedule = new LogSchedule(clock, options, {
      directories: () => this.#directories.filter((directory) => directory.isOnline),
      directoryFailed: (directory, error) => this.#directoryFailed(directory, error),
      trimMemory: () => this.#context.readMemory.trim(),
      backgroundError: (what, error) => this.#backgroundError(what, error),
    });
    this.#cleaner = this.#newCleaner();
    this.#moveBytesPerSecondMax = options.moveBytesPerSecondMax ?? Number.POSITIVE_INFINITY;
    this.#mover = this.#newMover();
  }

  #newMover(): LogMover {
    const { disk, clock, random } = this.#context;
    return new LogMover(disk, clock, () => Math.max(1, this.#moveBytesPerSecondMax), {
      directoryOf: (log) => this.#directoryOf.get(log),
      copyFolder: (to, { topic, partition }) =>
        `${to.folder}/${markedFolderName(topic, partition, random.bytes(16), FUTURE_FOLDER_SUFFIX)}`,
      folderIn: (to, { topic, partition }) => `${to.folder}/${partitionFolderName(topic, partition)}`,
      giveUp: (directory, { topic, partition }, folder) =>
        this.#renameOutOfUse({ directory, topic, partition, folder }, DELETED_FOLDER_SUFFIX),
      moved: (log, from, to) => {
        from.logs.delete(log);
        to.logs.add(log);
        this.#directoryOf.set(log, to);
      },
      backgroundError: (what, error) => this.#backgroundError(what, error),
      news: (news) => this.#options.onMove?.(news),
    });
  }

  #newCleaner(): LogCleaner {
    return new LogCleaner(this.#context.clock, this.#options, {
      logs: () => this.#logs.values(),
      cleaned: async (log, result) => {
        this.#options.onCleaned?.(log, result);
        const directory = this.#directoryOf.get(log);
        if (directory?.isOnline !== true) return;
        await this.#schedule.checkpointDirectory(directory, (each) => each.checkpointCleaner());
      },
      uncleanable: (log, error) => this.#options.onUncleanable?.(log, error),
      backgroundError: (what, error) => this.#backgroundError(what, error),
    });
  }

  /**
   * Opens the log directories and every partition in them, then begins the background work. A directory that cannot be used
   * is offline from the start, unless it is the last.
   *
   * @throws FolderLockedError, ForeignFolderError, MalformedFileError; DiskFailedError when no directory can be used
   */
  async open(): Promise<void> {
    const opened: OpenedDirectory[] = [];
    try {
      for (const directory of this.#directories) {
        const content = await this.#openDirectory(directory);
        if (content !== undefined) opened.push({ directory, content });
      }
      this.#assertSomeOnline();
      await finishMoves(this.#context.disk, opened, (directory, error) => this.#directoryFailed(directory, error));
      await this.#openPartitions(opened);
      this.#assertSomeOnline();
    } catch (error) {
      await this.#releaseAll();
      throw error;
    }
    await this.#resumeMoves(opened);
    this.#schedule.start();
    this.#cleaner.start();
  }

  /** Copies beside their logs go on. One of which no log is to be seen stays: the log may lie in a directory that is offline. */
  async #resumeMoves(opened: readonly OpenedDirectory[]): Promise<void> {
    for (const { directory, content } of opened) {
      for (const { topic, partition, folder } of content.copies) {
        const log = this.get(topic, partition);
        if (log === undefined) continue;
        const isWanted = this.#directoryOf.get(log) !== directory && this.#mover.destinationOf(log) === undefined;
        const failed = (error: unknown): void => this.#backgroundError(`Removing ${folder}`, error);
        if (isWanted) log.moveBy((core) => this.#mover.start(log, core, directory, folder));
        else await this.#context.disk.removeFolder(folder).catch(failed);
      }
    }
  }

  /**
   * Has a partition's log moved to another log directory while it is used; where there is no log yet, it is made there. The directory it is
   * in already leaves a move off that is under way. Resolves when it has begun, or with the reason why it is refused.
   */
  async move(topic: string, partition: number, logDir: string): Promise<MoveRefusal | undefined> {
    if (!canMove(topic, partition)) return 'name-too-long';
    const to = this.#directories.find(({ folder }) => folder === logDir);
    if (to === undefined) return 'no-such-directory';
    const log = this.get(topic, partition);
    if (!to.isOnline || log?.state === 'failed') return 'offline';
    if (log === undefined) {
      this.#preferred.prefer(checkpointKey(topic, partition), to);
    } else if (this.#mover.destinationOf(log) !== to) {
      await this.#mover.cancel(log);
      if (this.get(topic, partition) === log && this.#directoryOf.get(log) !== to) {
        log.moveBy((core) => this.#mover.start(log, core, to));
      }
    }
    return undefined;
  }

  /** Takes over settings that may change while the logs are open; what is not given stays. */
  reconfigure(changed: LiveLogOptions): void {
    if (changed.producerIdExpirationMs !== undefined) {
      this.#context.producerIdExpirationMs = changed.producerIdExpirationMs;
    }
    this.#moveBytesPerSecondMax = changed.moveBytesPerSecondMax ?? this.#moveBytesPerSecondMax;
    this.#cleaner.reconfigure(changed);
  }

  /** The epoch with which this broker stopped in order the last time; -1 when it did not. */
  get previousBrokerEpoch(): number {
    return this.#previousBrokerEpoch;
  }

  /** All logs, those that are offline included. */
  get logs(): Iterable<PartitionLog> {
    return this.#logs.values();
  }

  get logCount(): number {
    return this.#logs.size;
  }

  /** What is in use of the bounds. */
  get usage(): LogManagerUsage {
    let producerIds = 0;
    let producerIdsLargest = 0;
    for (const { producerCount } of this.#logs.values()) {
      producerIds += producerCount;
      producerIdsLargest = Math.max(producerIdsLargest, producerCount);
    }
    return {
      producerIds,
      producerIdsLargest,
      bounds: this.#bounds,
      openFiles: this.#context.files.openCount,
      indexCacheBytes: this.#context.indexCache.usedBytes,
      readMemoryBytes: this.#context.readMemory.usedBytes,
      tailCacheBytes: this.#context.tailCacheBudget.usedBytes,
      filesAwaitingRemoval: this.#context.reaper.pendingCount,
    };
  }

  /** The log of a partition; undefined when there is none here. */
  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(checkpointKey(topic, partition));
  }

  /**
   * The log of a partition; a new one, in the directory with the fewest partitions, when there is none.
   *
   * @throws DiskFailedError when it cannot be created, or may lie in a directory that is offline; UnloadableLogError when there is one
   * that could not be opened at the start
   */
  getOrCreate(topic: string, partition: number, options: CreateLogOptions = {}): Promise<PartitionLog> {
    const key = checkpointKey(topic, partition);
    const existing = this.#logs.get(key);
    if (existing !== undefined && !this.#deleting.has(key)) return Promise.resolve(existing);
    const unloadable = this.#unloadable.get(key);
    if (unloadable !== undefined && !this.#deleting.has(key)) return Promise.reject(unloadable.error);
    let creating = this.#creating.get(key);
    if (creating === undefined) {
      creating = this.#create(topic, partition, options).finally(() => this.#creating.delete(key));
      this.#creating.set(key, creating);
    }
    return creating;
  }

  /** Deletes a partition's log: its folder is renamed at once and removed after `file.delete.delay.ms`. */
  delete(topic: string, partition: number): Promise<void> {
    return this.#takeOut(topic, partition, DELETED_FOLDER_SUFFIX);
  }

  /**
   * Takes a partition's log out of use, and keeps its folder under a name that ends in `-stray`: for one whose topic seems to be
   * another, which a damaged file may say as well.
   */
  setAside(topic: string, partition: number): Promise<void> {
    return this.#takeOut(topic, partition, STRAY_FOLDER_SUFFIX);
  }

  #takeOut(topic: string, partition: number, suffix: string): Promise<void> {
    const key = checkpointKey(topic, partition);
    const underWay = [this.#deleting.get(key), this.#creating.get(key)];
    const deleting = this.#takeOutBehind(underWay, key, suffix).finally(() => {
      if (this.#deleting.get(key) === deleting) this.#deleting.delete(key);
    });
    this.#deleting.set(key, deleting);
    return deleting;
  }

  async #takeOutBehind(
    underWay: readonly (Promise<unknown> | undefined)[],
    key: string,
    suffix: string,
  ): Promise<void> {
    await Promise.allSettled(underWay);
    const log = this.#logs.get(key);
    if (log !== undefined) await this.#mover.cancel(log);
    const directory = log === undefined ? undefined : this.#directoryOf.get(log);
    if (log === undefined || directory === undefined) return this.#takeOutUnopened(key, suffix);
    if (!directory.isOnline) throw new DiskFailedError(`Deleting ${log.folder}`, directory.failure);
    this.#logs.delete(key);
    this.#directoryOf.delete(log);
    directory.logs.delete(log);
    await log.abandon();
    const { topic, partition, folder } = log;
    this.#leftOver.set(key, { topic, partition, folder, directory });
    await this.#clearLeftOver(key, suffix);
  }

  async #takeOutUnopened(key: string, suffix: string): Promise<void> {
    await this.#clearLeftOver(key, suffix);
    const unloadable = this.#unloadable.get(key);
    if (unloadable === undefined) return this.#assertNotOffline(`Deleting ${key}`);
    await this.#renameOutOfUse(unloadable, suffix);
    this.#unloadable.delete(key);
    unloadable.directory.keepCheckpoints(key, undefined);
  }

  /** What lies in a directory that is offline cannot be seen; of what is new, only what was seen there before counts. */
  #assertNotOffline(attempt: string, newKey?: string): void {
    const mayLieIn = ({ unreached }: LogDirectory): boolean => newKey === undefined || unreached.has(newKey);
    const offline = this.#directories.find((directory) => !directory.isOnline && mayLieIn(directory));
    if (offline === undefined) return;
    throw new DiskFailedError(`${attempt}, which may lie in ${offline.folder}`, offline.failure);
  }

  /** Nothing of a folder that a partition left, or that was half made for it, may pass for its log later. */
  async #clearLeftOver(key: string, suffix: string): Promise<void> {
    const leftOver = this.#leftOver.get(key);
    if (leftOver === undefined) return;
    await this.#renameOutOfUse(leftOver, suffix);
    this.#leftOver.delete(key);
  }

  async #renameOutOfUse(
    { directory, topic, partition, folder }: FoundPartition & { readonly directory: LogDirectory },
    suffix: string,
  ): Promise<void> {
    const attempt = `Renaming ${folder}`;
    if (!directory.isOnline) throw new DiskFailedError(attempt, directory.failure);
    await this.#onDisk(directory, attempt, async () => {
      const { disk, reaper } = this.#context;
      const renamed = `${directory.folder}/${markedFolderName(topic, partition, this.#context.random.bytes(16), suffix)}`;
      try {
        await disk.rename(folder, renamed);
        const { fileDeleteDelayMs } = this.#options.configOf(topic);
        if (suffix !== STRAY_FOLDER_SUFFIX) reaper.removeLater(renamed, fileDeleteDelayMs, true);
      } catch (error) {
        // It was renamed already, and what has failed was to make that last; or it could not even be made.
        if (systemCodeOf(error) !== 'ENOENT') throw error;
      }
      await disk.syncFolder(directory.folder);
    });
  }

  /** The log directories and what is in them. */
  describe(): LogDirectoryDescription[] {
    return this.#directories.map(({ folder, failure, logs }) => ({ folder, failure, logs: [...logs] }));
  }

  /** Logs on their way into another log directory, or waiting for their turn. */
  get moves(): readonly LogMove[] {
    return this.#mover.moves;
  }

  /** How many logs could not be moved into another log directory when that was tried last. */
  get failedMoves(): number {
    return this.#mover.failedCount;
  }

  /** Size and free room of the volume that a log directory lies on, in bytes; undefined where the disk does not tell. */
  volumeOf(folder: string): Promise<{ totalBytes: number; usableBytes: number } | undefined> {
    return this.#context.disk.volume(folder);
  }

  /** Enforces the retention of all logs now. */
  enforceRetention(): Promise<void> {
    return this.#schedule.enforceRetention();
  }

  /** What compaction is doing and has done. */
  get cleaner(): LogCleanerStatus {
    return this.#cleaner.status;
  }

  /** Compacts now all logs that are dirty enough. Gives how many times a log was gone over. */
  compact(): Promise<number> {
    return this.#cleaner.cleanAll();
  }

  /** Writes all checkpoints now. */
  checkpoint(): Promise<void> {
    return this.#schedule.checkpoint();
  }

  /**
   * Finishes what is queued, makes everything durable, and says so in each directory that is as it should be: the next
   * start needs no recovery.
   * @param brokerEpoch goes into the marker
   * @throws DiskFailedError when one could not be; the others are closed, and everything is let go of
   */
  async close(brokerEpoch = -1): Promise<void> {
    await this.#mover.stop();
    await this.#cleaner.stop();
    await this.#schedule.stop();
    this.#context.reaper.close();
    const failures: (DiskFailedError | undefined)[] = [];
    for (const directory of this.#directories) {
      if (directory.isOnline) failures.push(await this.#closeDirectory(directory, brokerEpoch));
    }
    await this.#releaseAll();
    for (const failure of failures) if (failure !== undefined) throw failure;
  }

  async #closeDirectory(directory: LogDirectory, brokerEpoch: number): Promise<DiskFailedError | undefined> {
    try {
      await eachOf(directory.logs, this.#concurrency, (log) => log.close());
      await directory.checkpointRecoveryPoints();
      await directory.checkpointHighWatermarks();
      // What could not be opened may need a recovery yet.
      const isWhole = [...this.#unloadable.values()].every((unloadable) => unloadable.directory !== directory);
      if (directory.isOnline && isWhole) await directory.markClean(brokerEpoch);
      return undefined;
    } catch (error) {
      this.#backgroundError(`Closing ${directory.folder} in order; the next start will recover it`, error);
      return new DiskFailedError(`Closing ${directory.folder} in order`, error);
    }
  }

  async #releaseAll(): Promise<void> {
    for (const directory of this.#directories) {
      for (const log of directory.logs) await log.abandon();
      await directory.release();
    }
  }

  get #concurrency(): number {
    return this.#options.openConcurrency ?? OPEN_CONCURRENCY_DEFAULT;
  }

  #assertSomeOnline(): void {
    if (this.#directories.some((directory) => directory.isOnline)) return;
    const [first] = this.#directories;
    throw new DiskFailedError(`Opening the log directory ${first?.folder ?? '(none configured)'}`, first?.failure);
  }

  async #openDirectory(directory: LogDirectory): Promise<DirectoryContent | undefined> {
    try {
      const content = await directory.open(this.#options);
      this.#previousBrokerEpoch = Math.max(this.#previousBrokerEpoch, content.brokerEpoch);
      for (const folder of content.deletedFolders) this.#context.reaper.removeLater(folder, 0, true);
      return content;
    } catch (error) {
      // What a person has to put right is told at once; a disk that does not work costs its own partitions only.
      if (error instanceof LogError) throw error;
      this.#directoryFailed(directory, error);
      return undefined;
    }
  }

  async #openPartitions(opened: readonly OpenedDirectory[]): Promise<void> {
    const all = partitionsIn(opened);
    for (const missing of missingLogs(opened)) this.#options.onMissing?.(missing);
    let partitionsOpened = 0;
    await eachOf(all, this.#concurrency, async ({ directory, content, found, duplicate }) => {
      const key = checkpointKey(found.topic, found.partition);
      if (!directory.isOnline) return void directory.unreached.add(key);
      if (duplicate !== undefined) return this.#couldNotOpen(directory, content, found, duplicate);
      try {
        const log = await this.#openPartition(directory, content, found);
        partitionsOpened += 1;
        this.#options.onProgress?.({ partitionsOpened, partitionsTotal: all.length, log });
      } catch (error) {
        // What the disk refuses is the directory's; what is wrong with what it gives is the partition's alone.
        const isOfPartition = systemCodeOf(error) === undefined || isWrongKind(error);
        if (isOfPartition) return this.#couldNotOpen(directory, content, found, error);
        directory.unreached.add(key);
        this.#directoryFailed(directory, error);
      }
    });
  }

  #couldNotOpen(directory: LogDirectory, content: DirectoryContent, found: FoundPartition, cause: unknown): void {
    const error = new UnloadableLogError(found.folder, cause);
    const key = checkpointKey(found.topic, found.partition);
    this.#unloadable.set(key, { ...found, directory, error });
    directory.keepCheckpoints(key, content);
    this.#options.onUnloadable?.(found.topic, found.partition, error);
  }

  async #openPartition(
    directory: LogDirectory,
    content: DirectoryContent,
    { topic, partition, folder }: FoundPartition,
  ): Promise<PartitionLog> {
    const key = checkpointKey(topic, partition);
    const metadata = await readIfThere(this.#context.disk, `${folder}/${PARTITION_METADATA}`);
    const log = await PartitionLog.open(this.#context, {
      topic,
      partition,
      folder,
      config: this.#options.configOf(topic),
      topicId: metadata === undefined ? undefined : decodePartitionMetadata(metadata),
      recoveryPoint: content.recoveryPoints.get(key),
      highWatermark: content.highWatermarks.get(key),
      logStartOffset: content.logStartOffsets.get(key),
      cleanedOffset: content.cleanedOffsets.get(key),
      isClean: content.isClean,
      onCut: (recovery) => this.#options.onCut?.(topic, partition, recovery),
    });
    this.#adopt(directory, log);
    return log;
  }

  /** Writes the `partition.metadata` of a log that nothing uses yet anew, where it says its topic's id wrong or not at all. */
  async correctTopicId(log: PartitionLog, topicId: string): Promise<void> {
    const directory = this.#directoryOf.get(log);
    if (directory === undefined) return;
    await this.#onDisk(directory, `Writing the topic's id of ${log.folder}`, () =>
      this.#context.disk.replaceFile(`${log.folder}/${PARTITION_METADATA}`, encodePartitionMetadata(topicId)),
    );
    log.topicId = topicId;
  }

  async #create(topic: string, partition: number, options: CreateLogOptions): Promise<PartitionLog> {
    const key = checkpointKey(topic, partition);
    await this.#deleting.get(key)?.catch(() => {});
    const name = partitionFolderName(topic, partition);
    this.#assertNotOffline(`Opening ${name}`, options.isNew === true ? key : undefined);
    await this.#clearLeftOver(key, DELETED_FOLDER_SUFFIX);
    this.#assertSomeOnline();
    const directory = this.#directoryFor(key);
    const folder = `${directory.folder}/${name}`;
    directory.creations += 1;
    this.#leftOver.set(key, { topic, partition, folder, directory });
    return this.#onDisk(directory, `Creating ${folder}`, async () => {
      await this.#context.disk.makeFolder(folder);
      if (options.topicId !== undefined) await writePartitionMetadata(this.#context.disk, folder, options.topicId);
      const log = await PartitionLog.open(this.#context, {
        topic,
        partition,
        folder,
        config: this.#options.configOf(topic),
        topicId: options.topicId,
        recoveryPoint: undefined,
        highWatermark: undefined,
        logStartOffset: undefined,
        isClean: false,
      });
      this.#adopt(directory, log);
      return log;
    }).finally(() => {
      directory.creations -= 1;
    });
  }

  /** The one that was wished for, else the one with the fewest logs. */
  #directoryFor(key: string): LogDirectory {
    const preferred = this.#preferred.take(key);
    if (preferred !== undefined) return preferred;
    return this.#directories
      .filter((candidate) => candidate.isOnline)
      .reduce((best, candidate) => (candidate.logCount < best.logCount ? candidate : best));
  }

  #adopt(directory: LogDirectory, log: PartitionLog): void {
    this.#leftOver.delete(checkpointKey(log.topic, log.partition));
    this.#logs.set(checkpointKey(log.topic, log.partition), log);
    this.#directoryOf.set(log, directory);
    directory.logs.add(log);
    // Where it is by then: it may have been moved.
    const directoryNow = (): LogDirectory => this.#directoryOf.get(log) ?? directory;
    log.onFailed((error) => this.#directoryFailed(directoryNow(), error));
    log.onCheckpointLowered(() => directoryNow().checkpointRecoveryPoints());
    log.onDamaged((error) => this.#options.onDamaged?.(log, error));
  }

  async #onDisk<T>(directory: LogDirectory, attempt: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof LogError) throw error;
      throw new DiskFailedError(`${attempt} in ${directory.folder}`, error);
    }
  }

  #directoryFailed(directory: LogDirectory, error: unknown): void {
    if (!directory.isOnline) return;
    directory.failure = error;
    const logs = [...directory.logs];
    for (const log of logs) log.fail(error);
    this.#options.onDirectoryFailed?.(directory.folder, error, logs);
  }

  #backgroundError(what: string, error: unknown): void {
    this.#options.onBackgroundError?.(what, error);
  }
}
