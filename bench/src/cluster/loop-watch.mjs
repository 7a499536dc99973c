/**
 * Loaded into every process of a cluster that is measured (NODE_OPTIONS): how long the longest turn of its event loop was, from when a file
 * called `begin` is there until the process ends. The name of the folder comes in BENCH_LOOP_FOLDER.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const folder = process.env.BENCH_LOOP_FOLDER;
const RESOLUTION_MS = 5;
const LOOK_MS = 100;

if (folder !== undefined && isMainThread) {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  const look = setInterval(() => {
    if (!existsSync(join(folder, 'begin'))) return;
    delays.reset();
    clearInterval(look);
  }, LOOK_MS);
  look.unref();
  process.on('exit', () => {
    const longest = { title: process.title, longestMs: delays.max / 1e6, p99Ms: delays.percentile(99) / 1e6 };
    writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify(longest));
  });
}
