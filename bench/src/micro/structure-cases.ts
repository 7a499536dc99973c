/**
 * Timers and queues: the clock's, the heap of deadlines that groups live by, the cutting of a stream into frames, the cache of the
 * newest batches. They are inside of packages and have no door, so they are loaded by their files.
 */
import { join } from 'node:path';
import { type Clock, systemClock } from '@millrace/ports';
import type { MakeCase, MicroCase } from './case.ts';

const KIB = 1024;
const HOUR_MS = 3_600_000;
const packages = join(import.meta.dirname, '../../../packages');

interface Deadlines {
  set(deadline: object, delayMs: number): void;
  cancel(deadline: object): void;
  close(): void;
}

interface DeadlinesModule {
  readonly Deadline: new (run: () => void) => object;
  readonly Deadlines: new (clock: Clock) => Deadlines;
}

interface FrameModule {
  readonly FrameAssembler: new (options: {
    readonly frameBytesMax: number;
  }) => { push(chunk: Buffer): void; next(): unknown };
}

interface TailCacheModule {
  readonly TailCacheBudget: new (bytesMax: number) => object;
  readonly TailCache: new (
    budget: object,
    bytesMax: number,
  ) => {
    add(batches: Buffer, baseOffset: number, nextOffset: number): Buffer;
    read(
      from: number,
      upper: number,
      bytesMax: number,
      minOneBatch: boolean,
    ): { readonly sizeBytes: number } | undefined;
  };
}

async function load<Module>(file: string): Promise<Module> {
  return (await import(join(packages, file))) as Module;
}

export const cases: Record<string, MakeCase> = {
  'set and cancel a timer of the clock': () => ({
    run: () => systemClock.schedule(HOUR_MS, () => {}).cancel(),
    units: 1,
    bytes: 0,
  }),
  'move a deadline later, 10,000 pending': () => deadlineCase(false),
  'set and cancel a deadline, 10,000 pending': () => deadlineCase(true),
  'cut 64 KiB chunks into frames of 200 B': () => frameCase(200),
  'cut 64 KiB chunks into frames of 100 KiB': () => frameCase(100 * KIB),
  'add a batch of 1 KiB to the tail cache': () => tailAddCase(KIB),
  'add a batch of 64 KiB to the tail cache': () => tailAddCase(64 * KIB),
  'read 1 MiB of the tail cache': tailReadCase,
};

/** Members that heartbeat move their session's deadline later; members that leave cancel it. */
async function deadlineCase(isCancelled: boolean): Promise<MicroCase> {
  const { Deadline, Deadlines } = await load<DeadlinesModule>('broker/src/shared/deadlines.ts');
  const deadlines = new Deadlines(systemClock);
  const all = Array.from({ length: 10_000 }, () => new Deadline(() => {}));
  for (const [index, deadline] of all.entries()) deadlines.set(deadline, HOUR_MS + index);
  let next = 0;
  return {
    run: () => {
      const deadline = all[next++ % all.length]!;
      if (isCancelled) deadlines.cancel(deadline);
      deadlines.set(deadline, HOUR_MS);
    },
    units: 1,
    bytes: 0,
    async end() {
      deadlines.close();
    },
  };
}

async function frameCase(frameBytes: number): Promise<MicroCase> {
  const { FrameAssembler } = await load<FrameModule>('network/src/frame-assembler.ts');
  const frames = Math.ceil((2 * 1024 * KIB) / frameBytes);
  const stream = Buffer.alloc(frames * (4 + frameBytes));
  for (let frame = 0; frame < frames; frame += 1) stream.writeInt32BE(frameBytes, frame * (4 + frameBytes));
  const assembler = new FrameAssembler({ frameBytesMax: 1024 * KIB });
  return {
    run: () => {
      let count = 0;
      for (let at = 0; at < stream.length; at += 64 * KIB) {
        assembler.push(stream.subarray(at, at + 64 * KIB));
        while (assembler.next() !== undefined) count += 1;
      }
      if (count !== frames) throw new Error(`${count} of ${frames} frames were cut`);
    },
    units: frames,
    bytes: stream.length,
  };
}

async function tailAddCase(batchBytes: number): Promise<MicroCase> {
  const { TailCache, TailCacheBudget } = await load<TailCacheModule>('log/src/tail-cache.ts');
  const cache = new TailCache(new TailCacheBudget(16 * 1024 * KIB), 16 * 1024 * KIB);
  let offset = 0;
  return {
    // As from a socket: every batch in memory of its own.
    run: () => cache.add(Buffer.allocUnsafeSlow(batchBytes), offset, ++offset),
    units: 1,
    bytes: batchBytes,
  };
}

async function tailReadCase(): Promise<MicroCase> {
  const { TailCache, TailCacheBudget } = await load<TailCacheModule>('log/src/tail-cache.ts');
  const cache = new TailCache(new TailCacheBudget(16 * 1024 * KIB), 16 * 1024 * KIB);
  const batches = 128;
  for (let offset = 0; offset < batches; offset += 1) cache.add(batchAt(offset, 64 * KIB), offset, offset + 1);
  const { sizeBytes } = cache.read(0, batches, 1024 * KIB, true)!;
  let next = 0;
  return { run: () => cache.read(next++ % 64, batches, 1024 * KIB, true), units: 1, bytes: sizeBytes };
}

/** As much of a batch as the cache looks at: its base offset and its length. */
function batchAt(offset: number, bytes: number): Buffer {
  const batch = Buffer.allocUnsafeSlow(bytes).fill(0);
  batch.writeBigInt64BE(BigInt(offset));
  batch.writeInt32BE(bytes - 12, 8);
  return batch;
}
