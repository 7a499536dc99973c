/** Watches what this process keeps: what survives a full collection, and the handles that it has open. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What is there after a collection. */
export interface MemorySample {
  readonly atMs: number;
  readonly heapBytes: number;
  /** Memory of buffers, outside the heap. */
  readonly bufferBytes: number;
  readonly sockets: number;
  readonly timers: number;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const count = (names: readonly string[], pattern: RegExp): number => names.filter((name) => pattern.test(name)).length;

export function sampleMemory(): MemorySample {
  // Twice, since what finalizers let go of in the first round is free only after the second.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo();
  return {
    atMs: performance.now(),
    heapBytes: heapUsed,
    bufferBytes: arrayBuffers,
    sockets: count(handles, /^TCPSocketWrap$/),
    timers: count(handles, /^Timeout$/),
  };
}

/**
 * How fast a figure grows, per minute: the median of the slopes between all pairs of samples (Theil and Sen), which a few samples
 * that were taken at a bad moment do not move.
 */
export function growthPerMinute(samples: readonly MemorySample[], of: (sample: MemorySample) => number): number {
  const slopes: number[] = [];
  for (const [at, earlier] of samples.entries()) {
    for (const later of samples.slice(at + 1)) {
      slopes.push((of(later) - of(earlier)) / ((later.atMs - earlier.atMs) / 60_000));
    }
  }
  slopes.sort((a, b) => a - b);
  return slopes[Math.floor(slopes.length / 2)] ?? 0;
}
