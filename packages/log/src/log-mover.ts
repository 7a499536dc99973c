import type { Clock, Disk } from '@millrace/ports';
import { checkpointKey } from './checkpoint-file.ts';
import { MOVE_COMPLETE } from './file-names.ts';
import type { LogCore } from './log-core.ts';
import type { LogDirectory } from './log-directory.ts';
import type { PartitionLog } from './partition-log.ts';
import { followFolder, Relocation, RelocationStopped, useCopy } from './relocation.ts';
import { Throttle } from './throttle.ts';

/** A log on its way into another log directory. */
export interface LogMove {
  readonly topic: string;
  readonly partition: number;
  /** The log directory that it goes to. */
  readonly logDir: string;
  /** Bytes of batches that are there. */
  readonly sizeBytes: number;
  /** Everything below is there. */
  readonly endOffset: number;
}

/** What is told of a log on its way into another log directory. */
export interface LogMoveNews {
  readonly topic: string;
  readonly partition: number;
  /** The log directory that it comes from. */
  readonly from: string;
  /** The log directory that it goes to. */
  readonly to: string;
  /** `resumed`: part of the copy was there from before; `stopped`: called back, or left for the next start; `failed`: the log stays where it was. */
  readonly event: 'begun' | 'resumed' | 'done' | 'stopped' | 'failed';
  /** Bytes of batches that are there. */
  readonly copiedBytes: number;
  /** Of `failed`. */
  readonly error?: unknown;
}

/** What the mover needs of the manager. */
export interface LogMoverHost {
  directoryOf(log: PartitionLog): LogDirectory | undefined;
  /** The folder of a copy that is being made, a new name each time. */
  copyFolder(directory: LogDirectory, log: PartitionLog): string;
  /** The folder of a partition in a log directory. */
  folderIn(directory: LogDirectory, log: PartitionLog): string;
  /** Takes a folder out of use, durably. */
  giveUp(directory: LogDirectory, log: PartitionLog, folder: string): Promise<void>;
  /** The log is in another directory now. */
  moved(log: PartitionLog, from: LogDirectory, to: LogDirectory): void;
  backgroundError(what: string, error: unknown): void;
  news(news: LogMoveNews): void;
}

interface Move {
  readonly log: PartitionLog;
  readonly core: LogCore;
  readonly to: LogDirectory;
  /** A copy that was left off. */
  readonly found: string | undefined;
  relocation: Relocation | undefined;
  isCancelled: boolean;
  /** Resolves when it has ended, one way or another. */
  readonly ended: Promise<void>;
}

/**
 * Moves logs from one log directory to another while they are used (AlterReplicaLogDirs, KIP-113), one after the other. At any moment a
 * crash leaves one whole log:
 *
 * 1. The copy grows in a folder that ends in `-future`. As long as the log has its folder, that counts.
 * 2. With all in it, in the log's own line, the copy gets a mark, and the other directory's checkpoints say where the log stands.
 * 3. The log uses the copy; its old folder is renamed to end in `-delete`. A marked copy of a log that has no folder is the log.
 * 4. The copy gets the folder's name, and loses the mark.
 */
export class LogMover {
  readonly #disk: Disk;
  readonly #host: LogMoverHost;
  readonly #throttle: Throttle;
  readonly #moves = new Map<PartitionLog, Move>();
  /** Logs whose last move has failed. */
  readonly #failed = new Set<PartitionLog>();
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** @param bytesPerSecond asked again and again; `Infinity` for no bound */
  constructor(disk: Disk, clock: Clock, bytesPerSecond: () => number, host: LogMoverHost) {
    this.#disk = disk;
    this.#host = host;
    this.#throttle = new Throttle(clock, bytesPerSecond);
  }

  /** Where a log is on its way to. */
  destinationOf(log: PartitionLog): LogDirectory | undefined {
    return this.#moves.get(log)?.to;
  }

  /** What is on its way, or waits for its turn. */
  get moves(): LogMove[] {
    return Array.from(this.#moves.values(), ({ log, to, relocation }) => ({
      topic: log.topic,
      partition: log.partition,
      logDir: to.folder,
      sizeBytes: relocation?.copiedBytes ?? 0,
      endOffset: relocation?.endOffset ?? log.logStartOffset,
    }));
  }

  /** How many logs could not be moved, and are where they were. */
  get failedCount(): number {
    for (const log of this.#failed) if (log.state === 'closed') this.#failed.delete(log);
    return this.#failed.size;
  }

  /** Has a log moved; nothing is waited for. `found` is the folder of a copy that was left off. */
  start(log: PartitionLog, core: LogCore, to: LogDirectory, found?: string): void {
    let move: Move;
    const ended = this.#running.then(() => this.#move(move));
    move = { log, core, to, found, relocation: undefined, isCancelled: false, ended };
    this.#moves.set(log, move);
    this.#failed.delete(log);
    core.isMoving = true;
    core.moves += 1;
    this.#running = ended;
  }

  /** Leaves a move off; what was copied goes. Resolves when nothing more of it happens; it may have been done before. */
  async cancel(log: PartitionLog): Promise<void> {
    const move = this.#moves.get(log);
    if (move === undefined) return;
    move.isCancelled = true;
    await move.ended;
  }

  /** Leaves all moves off, for the next start to take up again. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#throttle.stop();
    await this.#running;
  }

  async #move(move: Move): Promise<void> {
    const { log, core } = move;
    try {
      await this.#copy(move, this.#host.directoryOf(log));
    } catch (cause) {
      // Nobody waits for this, and the moves that wait for it go on.
      this.#failed.add(log);
      this.#host.backgroundError(`Moving ${core.folder}`, cause);
    } finally {
      core.isMoving = false;
      this.#moves.delete(log);
    }
  }

  async #copy(move: Move, from: LogDirectory | undefined): Promise<void> {
    if (from === undefined) return;
    const { log, core, to } = move;
    const isStopped = (): boolean => this.#isStopped || move.isCancelled || !to.isOnline;
    const relocation = new Relocation(core, {
      folder: move.found ?? this.#host.copyFolder(to, log),
      spend: (sizeBytes) => this.#throttle.spend(sizeBytes, isStopped),
      isStopped,
      onBegun: (foundBytes) => tell(foundBytes > 0 ? 'resumed' : 'begun'),
    });
    const tell = (event: LogMoveNews['event'], error?: unknown): void => {
      const { topic, partition } = log;
      const { copiedBytes } = relocation;
      this.#host.news({ topic, partition, from: from.folder, to: to.folder, event, copiedBytes, error });
    };
    move.relocation = relocation;
    try {
      await relocation.run(() => this.#finish(move, from, relocation.folder));
      tell('done');
    } catch (error) {
      if (error instanceof RelocationStopped) {
        tell('stopped');
      } else {
        this.#failed.add(log);
        tell('failed', error);
      }
      await this.#leftOff(move, relocation.folder);
    }
  }

  async #leftOff({ log, to }: Move, folder: string): Promise<void> {
    // The next start takes it up again, which it knows by the folder.
    if (this.#isStopped || !to.isOnline || log.state === 'failed') return;
    await this.#disk.removeFolder(folder).catch((cause: unknown) => {
      this.#host.backgroundError(`Removing ${folder}`, cause);
    });
  }

  /** Runs in the log's own line. */
  async #finish({ log, core, to }: Move, from: LogDirectory, copy: string): Promise<void> {
    const key = checkpointKey(log.topic, log.partition);
    const old = core.folder;
    to.expect(key, log);
    await to.checkpointAll();
    await this.#disk.replaceFile(`${copy}/${MOVE_COMPLETE}`, new Uint8Array());
    await this.#disk.syncFolder(to.folder);
    // What cannot be done from here on is for the next start to put right.
    try {
      useCopy(core, copy);
      await this.#host.giveUp(from, log, old);
      const folder = this.#host.folderIn(to, log);
      await followFolder(core, folder, () => this.#disk.rename(copy, folder));
      await this.#disk.syncFolder(to.folder);
      await this.#disk.remove(`${folder}/${MOVE_COMPLETE}`);
    } catch (error) {
      log.fail(error);
      throw error;
    }
    this.#host.moved(log, from, to);
    to.keepCheckpoints(key, undefined);
  }
}
