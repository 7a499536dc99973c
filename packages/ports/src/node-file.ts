import fs from 'node:fs';
import type { DiskFile } from './disk.ts';
import type { InlineReads } from './inline-reads.ts';
import { call, callVoid } from './node-call.ts';

/** Chunks given to one gathered write; Linux takes no more (IOV_MAX). */
const CHUNKS_PER_WRITE_MAX = 1024;

/** What is read in the calling thread at the most. */
const INLINE_BYTES_MAX = 64 * 1024;

/** Elsewhere O_DSYNC is not there (Windows) or does not reach through the drive's cache, as fdatasync does (macOS). */
const SYNCS_WHILE_WRITING = process.platform === 'linux';

/**
 * An open file. Its calls run in libuv's threads.
 *
 * A synced write is one call instead of two: it goes through a second descriptor of the same file that is open with O_DSYNC, so
 * that the kernel syncs before it answers. Measured on ext4 against a write and an fdatasync one after the other, and against the
 * two in a task of a piscina thread over shared memory (2 cores; groups of 1 KiB, 64 KiB, 1 MiB; 1 to 64 partitions): the main
 * thread spends 5 to 15 us a group instead of 7 to 25 (write and fdatasync) and 25 to 45 (piscina), a lone writer waits 0.13 ms
 * instead of 0.15 and 0.19, and no buffer has to be shared or copied for it.
 *
 * O_DSYNC covers the bytes of its own write only. So whatever was written without a sync, or cut off, makes the next synced write
 * take the long way round, which covers the file. So does the first one of every opening: an earlier one may have been closed with
 * writes that no sync covers.
 */
export class NodeFile implements DiskFile {
  readonly #descriptor: number;
  readonly #inline: InlineReads;
  /** The descriptor with O_DSYNC, opened by the first write that can use it; undefined where there is none to be had. */
  #syncing: Promise<number | undefined> | undefined;
  /** Counts the changes that no sync covers yet; a sync that began before a change does not cover it. */
  #changes = 1;
  #changesSynced = 0;

  constructor(descriptor: number, inline: InlineReads) {
    this.#descriptor = descriptor;
    this.#inline = inline;
  }

  async read(position: number, length: number, memory?: Buffer): Promise<Buffer> {
    // The slab of Buffer.allocUnsafe would keep 8 KiB alive for every small view that a cache holds on to.
    const isGiven = memory !== undefined && memory.length >= length;
    const buffer = isGiven ? memory.subarray(0, length) : Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const count = await this.#readInto(buffer, filled, position + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled === length ? buffer : buffer.subarray(0, filled);
  }

  #readInto(buffer: Buffer, at: number, position: number): Promise<number> {
    const length = buffer.length - at;
    const queued = () => call<number>((done) => fs.read(this.#descriptor, buffer, at, length, position, done));
    if (length > INLINE_BYTES_MAX) return queued();
    return this.#inline.run(() => fs.readSync(this.#descriptor, buffer, at, length, position), queued);
  }

  async write(position: number, chunks: readonly Uint8Array[], options: { sync: boolean }): Promise<void> {
    if (options.sync && this.#changes === this.#changesSynced) {
      this.#syncing ??= this.#openSyncing();
      const syncing = await this.#syncing;
      if (syncing !== undefined) return writeAll(syncing, position, chunks);
    }
    await this.#change(() => writeAll(this.#descriptor, position, chunks));
    if (options.sync) await this.sync();
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#change(() => callVoid((done) => fs.ftruncate(this.#descriptor, sizeBytes, done)));
  }

  async sync(): Promise<void> {
    const changes = this.#changes;
    await callVoid((done) => fs.fdatasync(this.#descriptor, done));
    this.#changesSynced = Math.max(this.#changesSynced, changes);
  }

  async size(): Promise<number> {
    const stats = await this.#inline.run(
      () => fs.fstatSync(this.#descriptor),
      () => call<fs.Stats>((done) => fs.fstat(this.#descriptor, done)),
    );
    return stats.size;
  }

  async close(): Promise<void> {
    const syncing = await this.#syncing;
    if (syncing !== undefined) await callVoid((done) => fs.close(syncing, done));
    await this.#inline.run(
      () => fs.closeSync(this.#descriptor),
      () => callVoid((done) => fs.close(this.#descriptor, done)),
    );
  }

  /** Counts before and after, so that a sync which overlaps the change is not taken to cover it. */
  async #change(run: () => Promise<void>): Promise<void> {
    this.#changes += 1;
    try {
      await run();
    } finally {
      this.#changes += 1;
    }
  }

  async #openSyncing(): Promise<number | undefined> {
    if (!SYNCS_WHILE_WRITING) return undefined;
    try {
      // By descriptor and not by path: the file may have been renamed or removed since it was opened.
      const path = `/proc/self/fd/${this.#descriptor}`;
      return await call<number>((done) => fs.open(path, fs.constants.O_WRONLY | fs.constants.O_DSYNC, done));
    } catch {
      // No /proc, or no descriptor left: the long way round always works.
      return undefined;
    }
  }
}

async function writeAll(descriptor: number, position: number, chunks: readonly Uint8Array[]): Promise<void> {
  let at = position;
  let pending = chunks;
  while (pending.length > 0) {
    const group = pending.length > CHUNKS_PER_WRITE_MAX ? pending.slice(0, CHUNKS_PER_WRITE_MAX) : pending;
    const count = await call<number>((done) => fs.writev(descriptor, group as Uint8Array[], at, done));
    at += count;
    pending = withoutFirst(pending, count);
  }
}

/** What is left of `chunks` after the first `count` bytes: a write may stop short, at a full disk for one. */
function withoutFirst(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0;
  let index = 0;
  for (let chunk = chunks[index]; chunk !== undefined; chunk = chunks[++index]) {
    if (skipped + chunk.length > count) return [chunk.subarray(count - skipped), ...chunks.slice(index + 1)];
    skipped += chunk.length;
  }
  return [];
}
