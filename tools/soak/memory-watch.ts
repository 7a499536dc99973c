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

/** Of so many samples in a row the lowest counts: what is on its way comes and goes, what is kept for good stays in the troughs. */
const TROUGH_SAMPLES = 6;

/**
 * How fast a figure's troughs rise, per minute: the median of the slopes between all pairs of them (Theil and Sen), which one that
 * was taken at a bad moment does not move.
 */
export function growthPerMinute(samples: readonly MemorySample[], of: (sample: MemorySample) => number): number {
  const troughs: MemorySample[] = [];
  for (let at = 0; at + TROUGH_SAMPLES <= samples.length; at += TROUGH_SAMPLES) {
    const lot = samples.slice(at, at + TROUGH_SAMPLES);
    troughs.push(lot.reduce((lowest, sample) => (of(sample) < of(lowest) ? sample : lowest)));
  }
  const slopes: number[] = [];
  for (const [at, earlier] of troughs.entries()) {
    for (const later of troughs.slice(at + 1)) {
      slopes.push((of(later) - of(earlier)) / ((later.atMs - earlier.atMs) / 60_000));
    }
  }
  slopes.sort((a, b) => a - b);
  return slopes[Math.floor(slopes.length / 2)] ?? 0;
}
