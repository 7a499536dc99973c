import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{packages,apps}/*/{src,definitions}/**/*.test.ts', '{tools,bench}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout: 30_000,
    // What is made before tests, such as a walk through all captured scenarios, may meet a busy machine as well as they may.
    hookTimeout: 30_000,
    setupFiles: ['tools/check/check-invariants.ts'],
  },
});
