/** How V8's collector treats memory outside of its heap. */
import v8 from 'node:v8';

/** The first V8 that knows the first flag: Node 24's. */
const V8_MAJOR_MIN = 13;

/**
 * Keeps V8 from collecting its whole heap because buffers come and go.
 *
 * Nearly all that a broker holds are buffers outside of the heap, which itself is some 15 MB. By default V8 collects all of it
 * whenever buffers have grown by about as much as the heap is large: every 8 MB that were produced, which took two thirds of the
 * main thread's time. With its limit set by all memory, and at five times what was alive, it is hardly ever: short collections of
 * the young generation free the buffers before that, so that the process grows no larger. It matters most for latency, since a
 * full collection holds all requests up for 10 ms and more. At three times what was alive it still came every 50 to 150 MB that
 * were produced. `bench/README.md` has the figures.
 */
export function collectForBuffersSeldom(): void {
  if (Number.parseInt(process.versions.v8, 10) >= V8_MAJOR_MIN) {
    v8.setFlagsFromString('--external-memory-accounted-in-global-limit');
  }
  v8.setFlagsFromString('--heap-growing-percent=400');
}
