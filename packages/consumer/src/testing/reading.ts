/** What the tests of reading share: topics with something in them, and engines that read. Not part of the package. */
import { seededRandom } from '@millrace/ports';
import type { ConsumerEngine } from '../engine.ts';
import { startRun } from '../reading/run.ts';
import type { RunOptions } from '../reading/run-options.ts';
import type { Harness } from './harness.ts';

export function filled(harness: Harness, partitions: number, batches: number, recordsPerBatch = 1): void {
  for (const log of harness.cluster.createTopic('t', partitions)) {
    for (let n = 0; n < batches; n += 1) log.append(Array.from({ length: recordsPerBatch }, (_, i) => `${n}.${i}`));
  }
}

export function assigned(
  harness: Harness,
  partitions: number,
  options: Parameters<Harness['engine']>[0] = {},
): ConsumerEngine {
  const engine = harness.engine(options);
  engine.assign(Array.from({ length: partitions }, (_, partition) => ({ topic: 't', partition, offset: 0 })));
  return engine;
}

export function run(engine: ConsumerEngine, options: RunOptions<Buffer, Buffer>): Promise<void> {
  return startRun(engine, seededRandom(1), options);
}

export const sleep = (harness: Harness, ms: number): Promise<void> =>
  new Promise<void>((resolve) => void harness.clock.schedule(ms, resolve));
export const processed = (engine: ConsumerEngine): number[] =>
  [...engine.partitions].map((state) => state.processedOffset);
