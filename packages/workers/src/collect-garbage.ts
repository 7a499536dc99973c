import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Has V8 collect this thread's garbage now.
 *
 * What a batch decompressed to before it was refused for its size, up to the whole bound of memory, is garbage that V8 is in no
 * hurry to collect: a dozen of such batches, a decompression bomb each, left half a gigabyte of it.
 */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
