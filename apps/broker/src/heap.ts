/** How V8's collector treats memory outside of its heap. */
import v8 from 'node:v8';

/** The first V8 that knows the flag: Node 24's. */
const V8_MAJOR_MIN = 13;

/**
 * Has V8 set its limit by all the memory that the process uses, buffers included, instead of by the heap alone.
 *
 * Nearly all that a broker holds are buffers outside of the heap, which itself is some 15 MB. V8 collects the whole heap whenever
 * buffers have grown by about as much as the heap is large: every 8 MB that were produced, which took two thirds of the main
 * thread's time. With the flag it is every 35 MB; `bench/README.md` has the figures.
 */
export function countBuffersInHeapLimit(): void {
  if (Number.parseInt(process.versions.v8, 10) < V8_MAJOR_MIN) return;
  v8.setFlagsFromString('--external-memory-accounted-in-global-limit');
}
