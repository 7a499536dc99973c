import { defineConfig, type Options } from 'tsup';

/** How every package builds: its two doors to ESM with types, for the oldest Node that `engines` allows. */
export function library(options: Options = {}): ReturnType<typeof defineConfig> {
  return defineConfig({
    entry: ['src/index.ts', 'src/internal.ts'],
    format: 'esm',
    target: 'node22',
    dts: true,
    clean: true,
    sourcemap: true,
    ...options,
  });
}
