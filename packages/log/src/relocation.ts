import { basename } from 'node:path/posix';
import {
  LEADER_EPOCH_CHECKPOINT,
  LOG_SUFFIX,
  offsetFileName,
  PARTITION_METADATA,
  PRODUCER_SNAPSHOT_SUFFIX,
} from './file-names.ts';
import type { LogCore } from './log-core.ts';
import type { PooledFile } from './open-files.ts';
import type { Segment } from './segment.ts';

/** Read and written at a time. */
const CHUNK_BYTES = 1024 * 1024;
/** What may be left for the end, when appends wait. */
const REST_BYTES_MAX = 1024 * 1024;
/** After so many rounds the rest is copied at the end, whatever it is: producers may be as fast as the copying. */
const ROUNDS_MAX = 20;

/** The copying is over before its end: the log is closed, has failed, or is wanted elsewhere. */
export class RelocationStopped extends Error {}

/** The log was cut: what was copied may not be in it any more. */
class LogWasCut extends Error {}

export interface RelocationOptions {
  /** Where the copy is made. What is there of an earlier copy is kept as far as it is the same. */
  readonly folder: string;
  /** Awaited after bytes were copied, or compared with what was there, while the log is used. */
  readonly spend: (sizeBytes: number) => Promise<void>;
  readonly isStopped: () => boolean;
  /** Told when what was there before has been looked at. */
  readonly onBegun: (foundBytes: number) => void;
}

/**
 * A copy of a log in another folder, made while records come and go, that becomes the log in the end (Kafka's future replicas, KIP-113).
 *
 * Kafka's copy is a follower of the log. This one is of files, byte for byte, so that nothing needs to be read and checked twice.
 */
export class Relocation {
  readonly folder: string;
  readonly #core: LogCore;
  readonly #options: RelocationOptions;
  /** Bytes of each segment's batches that are in the copy. */
  readonly #copied = new Map<Segment, number>();
  /** Segments whose indexes are there too. */
  readonly #whole = new Set<Segment>();
  #truncations: number;

  constructor(core: LogCore, options: RelocationOptions) {
    this.#core = core;
    this.#options = options;
    this.folder = options.folder;
    this.#truncations = core.truncations;
  }

  /** Bytes of batches that are in the copy. */
  get copiedBytes(): number {
    return [...this.#copied.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Everything below is in the copy. */
  get endOffset(): number {
    for (const segment of this.#core.segments.all) {
      if ((this.#copied.get(segment) ?? 0) < segment.sizeBytes) return segment.baseOffset;
    }
    return this.#core.nextOffset;
  }

  /**
   * Copies until little is left, then the rest in the log's own line, while nothing is written, and there runs `finish`.
   *
   * @throws RelocationStopped; whatever the disk or `finish` throws
   */
  async run(finish: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await this.#begin();
        this.#options.onBegun(this.copiedBytes);
        await this.#copyMost();
        return await this.#core.writer.task(async () => {
          await this.#copyRest();
          await finish();
        });
      } catch (error) {
        if (!(error instanceof LogWasCut)) throw error;
      }
    }
  }

  async #begin(): Promise<void> {
    const { disk } = this.#core.context;
    // A cut from before is no reason to begin once more.
    this.#truncations = this.#core.truncations;
    this.#mayGoOn();
    this.#copied.clear();
    this.#whole.clear();
    await disk.makeFolder(this.folder);
    const segments = new Map(
      this.#core.segments.all.map((segment) => [offsetFileName(segment.baseOffset, LOG_SUFFIX), segment]),
    );
    for (const name of await disk.list(this.folder)) {
      const segment = segments.get(name);
      if (segment === undefined || !(await this.#adopt(segment, name))) await disk.remove(`${this.folder}/${name}`);
    }
  }

  /**
   * Keeps of an earlier copy of a segment's batches what is the same. A copy that was left off may end in anything, the log may have been
   * cut or compacted since; so nothing is taken on trust. Tells whether anything of it is kept.
   */
  async #adopt(segment: Segment, name: string): Promise<boolean> {
    const copy = await this.#core.context.disk.open(`${this.folder}/${name}`);
    try {
      const sizeBytes = await copy.size();
      let same = 0;
      while (same < Math.min(sizeBytes, segment.writtenBytes)) {
        this.#mayGoOn();
        const bytes = await segment.read(same, Math.min(CHUNK_BYTES, sizeBytes - same));
        if (!bytes.equals(await copy.read(same, bytes.length))) break;
        same += bytes.length;
        this.#copied.set(segment, same);
        await this.#options.spend(bytes.length);
      }
      this.#mayGoOn();
      await copy.truncate(same);
      await copy.sync();
      return same > 0;
    } catch (error) {
      this.#mayGoOn();
      if (this.#core.segments.has(segment)) throw error;
      this.#copied.delete(segment);
      return false;
    } finally {
      await copy.close();
    }
  }

  async #copyMost(): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      for (const segment of [...this.#core.segments.all]) await this.#copyUsed(segment);
      if (this.#bytesLeft() <= REST_BYTES_MAX) return;
    }
  }

  /** While it is used: the segment may go meanwhile, and then its copy is not needed. */
  async #copyUsed(segment: Segment): Promise<void> {
    try {
      await this.#copyBatches(segment, this.#options.spend);
      const next = this.#core.segments.after(segment);
      // Behind the recovery point its indexes may not be written yet.
      if (next === undefined || this.#core.recoveryPoint < next.baseOffset) return;
      await this.#copyIndexes(segment);
    } catch (error) {
      this.#mayGoOn();
      if (this.#core.segments.has(segment)) throw error;
    }
  }

  /** Runs in the writer's turn: every segment's files are as its fields say, and stay so. */
  async #copyRest(): Promise<void> {
    this.#mayGoOn();
    const core = this.#core;
    const { disk } = core.context;
    for (const segment of core.segments.all) {
      if (!(await this.#hasFile(segment.log))) continue;
      await segment.flushIndexes({ sync: false });
      await this.#copyBatches(segment);
      await this.#copyIndexes(segment);
    }
    await this.#removeStrangers();
    for (const name of await disk.list(core.folder)) {
      const isOfTheLog = name === LEADER_EPOCH_CHECKPOINT || name === PARTITION_METADATA;
      if (isOfTheLog || name.endsWith(PRODUCER_SNAPSHOT_SUFFIX)) {
        await this.#write(name, await disk.readFile(`${core.folder}/${name}`));
      }
    }
    await disk.syncFolder(this.folder);
    this.#mayGoOn();
  }

  async #copyBatches(segment: Segment, spend?: (sizeBytes: number) => Promise<void>): Promise<void> {
    let position = this.#copied.get(segment);
    if (position === segment.writtenBytes) return;
    position ??= 0;
    const path = `${this.folder}/${offsetFileName(segment.baseOffset, LOG_SUFFIX)}`;
    const target = await this.#core.context.disk.open(path, { create: true });
    try {
      while (position < segment.writtenBytes) {
        this.#mayGoOn();
        const bytes = await segment.read(position, CHUNK_BYTES);
        this.#mayGoOn();
        await target.write(position, [bytes], { sync: false });
        position += bytes.length;
        await spend?.(bytes.length);
        // How far it is can be asked for at any time; only who comes to the end relies on it, which is synced.
        this.#copied.set(segment, position);
      }
      await target.sync();
    } finally {
      await target.close();
    }
  }

  async #copyIndexes(segment: Segment): Promise<void> {
    if (this.#whole.has(segment)) return;
    const [, ...indexes] = segment.allFiles;
    for (const file of indexes) {
      if (!(await this.#hasFile(file))) continue;
      await this.#write(basename(file.path), await file.use(async (open) => open.read(0, await open.size())));
    }
    if (segment !== this.#core.segments.active) this.#whole.add(segment);
  }

  async #write(name: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#core.context.disk.open(`${this.folder}/${name}`, { create: true });
    try {
      // It may have been longer when it was copied before.
      await file.truncate(bytes.length);
      await file.write(0, [bytes], { sync: true });
    } finally {
      await file.close();
    }
  }

  /**
   * Removes what is of no segment that the log has: retention or compaction has taken it while it was copied, or was about to be. The next
   * start would take it for a segment that begins where another goes on.
   */
  async #removeStrangers(): Promise<void> {
    const { context, segments } = this.#core;
    const own = new Set(segments.all.flatMap(({ allFiles }) => allFiles.map(({ path }) => basename(path))));
    for (const name of await context.disk.list(this.folder)) {
      if (!own.has(name)) await context.disk.remove(`${this.folder}/${name}`);
    }
  }

  async #hasFile(file: PooledFile): Promise<boolean> {
    return (await this.#core.context.disk.stat(file.path)) !== undefined;
  }

  #bytesLeft(): number {
    let left = 0;
    for (const segment of this.#core.segments.all) left += segment.writtenBytes - (this.#copied.get(segment) ?? 0);
    return left;
  }

  #mayGoOn(): void {
    const { state, truncations, folder } = this.#core;
    if (this.#options.isStopped() || state === 'closed' || state === 'failed') {
      throw new RelocationStopped(`Moving ${folder} was left off`);
    }
    if (truncations !== this.#truncations) throw new LogWasCut();
  }
}

/** Has a log's files at their copies in another folder. What is being read goes on where it was. */
export function useCopy(core: LogCore, folder: string): void {
  core.folder = folder;
  for (const file of filesOf(core)) file.replacedBy(`${folder}/${basename(file.path)}`);
}

/** Has a log in its folder's new name as soon as it has that; who opens a file meanwhile waits. */
export async function followFolder(core: LogCore, folder: string, rename: () => Promise<void>): Promise<void> {
  core.folder = folder;
  const renaming = rename();
  for (const file of filesOf(core)) file.folderRenamed(renaming, `${folder}/${basename(file.path)}`);
  await renaming;
}

function* filesOf(core: LogCore): Iterable<PooledFile> {
  for (const segment of core.segments.all) yield* segment.allFiles;
}
