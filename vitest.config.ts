import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Tests beside the source and in tools. */
const BESIDE_SOURCE = '{packages,apps}/*/{src,definitions}/**/*.test.ts';
const IN_TOOLS = '{tools,bench}/**/*.test.ts';

/** Those in tools that start nothing either: the pieces of the page, what judges a simulated world, and rules as programs. */
const PURE_IN_TOOLS = [
  'tools/console/!(page|page-work).test.ts',
  'tools/simulate/{checker,world}/*.test.ts',
  'tools/{layers,style}/*.test.ts',
];

/** Those beside the source that cannot share a process. */
const ALONE = [
  // They start brokers, servers and programs.
  'apps/cli/src/*e2e.test.ts',
  'apps/broker/src/zookeeper-cluster.test.ts',
  // Says before anything is loaded that native code is done without.
  'packages/records/src/portable.test.ts',
];

const LEFT_OUT = ['**/node_modules/**', '**/dist/**'];
const EVERYWHERE = ['tools/check/check-invariants.ts'];

// What sources compile to is kept, for the processes of tests and for all that these start: each would compile them anew.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules/.cache/millrace/compiled');

export default defineConfig({
  test: {
    // Tests run as everything here does, by Node itself. With Vite's way to load modules each use of what is imported is a look into an
    // object, which had simulated worlds take 40 % more processor time; no test replaces a module by its name.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // Much of the time tests wait for a disk or another process; vitest would leave one core of two to itself.
    maxWorkers: availableParallelism(),
    testTimeout: 30_000,
    // What is made before tests, such as a walk through all captured scenarios, may meet a busy machine as well as they may.
    hookTimeout: 30_000,
    // And so may what a test waits to see: how fast the machine is shall decide nothing.
    expect: { poll: { timeout: 15_000 } },
    projects: [
      {
        // What makes all that it uses in its own process: these files run one after the other in one, which is started once, and loads
        // modules once. What they leave of it is a fault.
        extends: true,
        test: {
          name: 'sharing',
          include: [BESIDE_SOURCE, ...PURE_IN_TOOLS],
          exclude: [...LEFT_OUT, ...ALONE],
          setupFiles: [...EVERYWHERE, 'tools/check/nothing-left.ts'],
          isolate: false,
        },
      },
      {
        // What starts brokers, clients and programs gets a process for each file, with nothing in it that another has left.
        extends: true,
        test: {
          name: 'alone',
          include: [IN_TOOLS, ...ALONE],
          exclude: [...LEFT_OUT, ...PURE_IN_TOOLS],
          setupFiles: EVERYWHERE,
        },
      },
    ],
  },
});
