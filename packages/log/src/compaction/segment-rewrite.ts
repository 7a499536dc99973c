import { batchLastOffset, batchSizeBytes, splitBatches } from '@millrace/records';
import { LogError } from '../errors.ts';
import { CLEANED_SUFFIX, offsetFileName, SEGMENT_SUFFIXES, SWAP_SUFFIX } from '../file-names.ts';
import type { LogCore } from '../log-core.ts';
import type { PooledFile } from '../open-files.ts';
import { Segment } from '../segment.ts';
import { giveUpFiles } from '../segment-removal.ts';
import { indexedTimestamp } from '../time-index.ts';
import type { AbortedEntry } from '../transaction-index.ts';

/** Positions in a segment are int32 in its index. */
const SEGMENT_BYTES_MAX = 2 ** 31 - 1;

/**
 * A segment that is written in place of others. Until it is finished its files end in `.cleaned`, and a crash leaves the log as
 * it was; see {@link SegmentRewrite.finish} for the rest.
 */
export class SegmentRewrite {
  readonly segment: Segment;
  readonly #core: LogCore;
  readonly #group: readonly Segment[];

  private constructor(core: LogCore, group: readonly Segment[], segment: Segment) {
    this.#core = core;
    this.#group = group;
    this.segment = segment;
  }

  /** Begins with no files, whatever an earlier attempt has left. */
  static async begin(core: LogCore, group: readonly Segment[]): Promise<SegmentRewrite> {
    const { context, folder } = core;
    const first = group[0]!;
    await removeCleaned(core, first.baseOffset);
    const segment = new Segment(folder, first.baseOffset, context, {
      nowMs: context.clock.now(),
      jitterMs: first.jitterMs,
      nameSuffix: CLEANED_SUFFIX,
      modifiedMs: group.at(-1)!.modifiedMs,
    });
    return new SegmentRewrite(core, group, segment);
  }

  /** Writes batches at the end, and notes the aborted transactions whose markers are among them. Gives their size. */
  async write(bytes: Uint8Array<ArrayBuffer>, aborted: readonly AbortedEntry[]): Promise<number> {
    const { segment } = this;
    for (const entry of aborted) segment.transactionIndex.append(entry);
    if (bytes.length === 0) return 0;
    if (segment.sizeBytes + bytes.length > SEGMENT_BYTES_MAX) {
      throw new LogError('LOG_UNCLEANABLE', `${segment.log.path} would grow beyond 2 GiB: lower segment.bytes`);
    }
    const batches = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { indexIntervalBytes } = this.#core.config;
    for (const at of splitBatches(batches)) {
      const sizeBytes = batchSizeBytes(batches, at);
      segment.addBatch(batchLastOffset(batches, at), indexedTimestamp(batches, at), sizeBytes, indexIntervalBytes);
    }
    await segment.log.use((file) => file.write(segment.writtenBytes, [batches], { sync: false }), { create: true });
    segment.writtenBytes += bytes.length;
    if (segment.hasIndexBacklog) await segment.flushIndexes({ sync: false });
    return bytes.length;
  }

  /**
   * Puts the segment in the place of the others. After each step the folder is synced, so that the next start finds the old
   * segments or the new one, whenever a crash comes:
   *
   * 1. The files are renamed from `.cleaned` to `.swap`. As long as one has its first name, the old segments count.
   * 2. From here on the new segment counts, and readers get it. The old files are renamed to `.deleted`.
   * 3. The log gets its name, then the indexes get theirs.
   *
   * @param check asked again when the partition's writer has come to it; throws when it is not to be done
   * @returns the size of the segment
   */
  async finish(check: () => void): Promise<number> {
    const { segment } = this;
    segment.closeTimeIndex();
    // Kafka's tools want an offset index beside every time index, be there an entry for it or not.
    await segment.offsetIndex.entries.file.use(async () => {}, { create: true });
    await segment.syncLog();
    await segment.flushIndexes({ sync: true });
    segment.isPrepared = true;
    await this.#core.context.disk.syncFolder(this.#core.folder);
    await this.#core.writer.task(async () => {
      check();
      const files = await this.#existingFiles();
      // Without it the others would go for nothing.
      if (files[0] !== segment.log) throw new LogError('LOG_UNCLEANABLE', `${segment.log.path} has disappeared`);
      try {
        await this.#swap(files);
      } catch (error) {
        // Half way, what is on the disk is for the next start to put right.
        this.#core.failed(error);
        throw error;
      }
    });
    return segment.sizeBytes;
  }

  /** Leaves the old segments as they are. */
  async abandon(): Promise<void> {
    this.segment.release();
    // What cannot be removed now is removed by the next attempt, or the next start.
    await removeCleaned(this.#core, this.segment.baseOffset).catch(() => {});
  }

  async #swap(files: readonly PooledFile[]): Promise<void> {
    const core = this.#core;
    const { disk } = core.context;
    for (const file of files) await file.rename(withSuffix(file.path, CLEANED_SUFFIX, SWAP_SUFFIX));
    await disk.syncFolder(core.folder);
    core.segments.replace(this.#group, this.segment);
    core.tail.dropBelow(core.segments.after(this.segment)!.baseOffset);
    for (const old of this.#group) await giveUpFiles(core, old);
    await disk.syncFolder(core.folder);
    const [log, ...indexes] = files;
    for (const named of [[log!], indexes]) {
      if (named.length === 0) continue;
      for (const file of named) await file.rename(withSuffix(file.path, SWAP_SUFFIX, ''));
      await disk.syncFolder(core.folder);
    }
    await core.dropOldSnapshots();
  }

  async #existingFiles(): Promise<PooledFile[]> {
    const { disk } = this.#core.context;
    const existing: PooledFile[] = [];
    for (const file of this.segment.allFiles) if ((await disk.stat(file.path)) !== undefined) existing.push(file);
    return existing;
  }
}

async function removeCleaned(core: LogCore, baseOffset: number): Promise<void> {
  for (const suffix of SEGMENT_SUFFIXES) {
    await core.context.disk.remove(`${core.folder}/${offsetFileName(baseOffset, suffix)}${CLEANED_SUFFIX}`);
  }
}

function withSuffix(path: string, from: string, to: string): string {
  return path.slice(0, path.length - from.length) + to;
}
