import { createRequire } from 'node:module';

type Lz4 = typeof import('lz4-napi');
type Snappy = typeof import('snappy');

const load = createRequire(import.meta.url);

let lz4: Lz4 | undefined;
let snappy: Snappy | undefined;

/** LZ4's native code, loaded by the first batch that needs it: a process that meets none saves the time and the memory. */
export function nativeLz4(): Lz4 {
  lz4 ??= load('lz4-napi') as Lz4;
  return lz4;
}

/** Snappy's native code, the same way. */
export function nativeSnappy(): Snappy {
  snappy ??= load('snappy') as Snappy;
  return snappy;
}
