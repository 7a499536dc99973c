/** The program of a thread that runs seeds: a seed comes in, a verdict goes out. */
import { parentPort, workerData } from 'node:worker_threads';
import { judgeSeed, type SeedSettings } from './seed-runner.ts';

// Half of what a world does is to fail, and nobody reads where.
Error.stackTraceLimit = 0;

parentPort?.on('message', (seed: number) => {
  judgeSeed(seed, workerData as SeedSettings).then(
    (verdict) => parentPort?.postMessage(verdict),
    (error: unknown) => {
      // Nothing awaits this; it ends the thread, and the runner hears of that.
      throw error;
    },
  );
});
