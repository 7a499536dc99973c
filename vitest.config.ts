import { defineConfig } from 'vitest/config';

/**
 * Rooms whose tests make all that they use: their files may run one after the other in one process, which is started and loads their modules
 * once. What starts brokers, clients and programs gets a process for each file, with nothing in it that another has left.
 */
const SHARING = [
  'ports',
  'serdes',
  'protocol',
  'records',
  'log',
  'metadata',
  'client',
  'admin',
  'producer',
  'consumer',
];
const SHARING_TESTS = `packages/{${SHARING.join(',')}}/{src,definitions}/**/*.test.ts`;
const LEFT_OUT = ['**/node_modules/**', '**/dist/**'];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    // What is made before tests, such as a walk through all captured scenarios, may meet a busy machine as well as they may.
    hookTimeout: 30_000,
    // And so may what a test waits to see: how fast the machine is shall decide nothing.
    expect: { poll: { timeout: 15_000 } },
    setupFiles: ['tools/check/check-invariants.ts'],
    projects: [
      { extends: true, test: { name: 'sharing', include: [SHARING_TESTS], exclude: LEFT_OUT, isolate: false } },
      {
        extends: true,
        test: {
          name: 'alone',
          include: ['{packages,apps}/*/{src,definitions}/**/*.test.ts', '{tools,bench}/**/*.test.ts'],
          exclude: [...LEFT_OUT, SHARING_TESTS],
        },
      },
    ],
  },
});
