import { createRequire } from 'node:module';

/**
 * Native code that is used where it is there. Where it is not (a single bundled file, a platform without a build of it, a runtime
 * that takes none), JavaScript does the same, slower: see the package's README for figures.
 */

export interface NativeCrc32 {
  crc32c(bytes: Uint8Array, previous: number): number;
}
/** What is used of lz4-napi. Its own types are not: a program must compile where it is not installed. */
export interface NativeLz4 {
  compressSync(bytes: Uint8Array): Buffer;
  uncompressSync(bytes: Uint8Array, history?: Uint8Array): Buffer;
}
/** The same of snappy. */
export interface NativeSnappy {
  compressSync(bytes: Uint8Array): Buffer;
  uncompressSync(bytes: Uint8Array, options: { asBuffer: boolean }): Buffer | string;
}

/** Set to anything but the empty text, it has everything done without native code. */
const SWITCH = 'MILLRACE_NO_NATIVE';

/**
 * A package with native code, loaded now; undefined where it cannot be. A package that is there in part only, or built for another
 * system, throws whatever it likes when it is loaded, and is as good as none.
 */
export function loadNative<T>(name: string): T | undefined {
  if ((process.env[SWITCH] ?? '') !== '') return undefined;
  try {
    // Bundled as CommonJS, a file has no address of its own, and nothing beside it to load.
    return createRequire(import.meta.url)(name) as T;
  } catch {
    return undefined;
  }
}

/** Something that is loaded by whoever needs it first: a process that never does saves the time and the memory. */
export function lazily<T>(load: () => T): () => T {
  let loaded: { readonly value: T } | undefined;
  return () => {
    loaded ??= { value: load() };
    return loaded.value;
  };
}
