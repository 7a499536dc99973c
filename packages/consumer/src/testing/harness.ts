/** A consumer's engine on a cluster made up for tests. Not part of the package. */
import { silentLogger } from '@millrace/client';
import { ManualClock, seededRandom } from '@millrace/ports';
import { ConsumerEngine } from '../engine.ts';
import { type ConsumerOptions, consumerSettings } from '../options.ts';
import { RecordIterator } from '../reading/iterators.ts';
import type { ConsumerRecord } from '../record.ts';
import { FakeView, ModelCluster } from './model-cluster.ts';

const STEP_MS_MAX = 5;

export interface Harness {
  readonly clock: ManualClock;
  readonly cluster: ModelCluster;
  /** @param hasLogger whether the program counts as one that gave a logger; true by default */
  engine(options?: Partial<ConsumerOptions<Buffer, Buffer>>, hasLogger?: boolean): ConsumerEngine;
  /** Moves time on until `holds`, at most for `forMs`. */
  until(what: string, holds: () => boolean, forMs?: number): Promise<void>;
}

export function newHarness(seed = 1): Harness {
  const clock = new ManualClock();
  const cluster = new ModelCluster(clock);
  let consumers = 0;
  return {
    clock,
    cluster,
    engine(options = {}, hasLogger = true) {
      const settings = consumerSettings({ ...options, bootstrapServers: 'fake:1' } as ConsumerOptions<never, never>);
      const view = new FakeView(cluster, consumers++);
      const engine = new ConsumerEngine(
        settings,
        {
          decoders: { key: options.keyDeserializer, value: options.valueDeserializer },
          listeners: {
            onPartitionsAssigned: options.onPartitionsAssigned,
            onPartitionsRevoked: options.onPartitionsRevoked,
            onPartitionsLost: options.onPartitionsLost,
          },
        },
        {
          cluster: view,
          coordinator: settings.groupId === undefined ? undefined : view,
          clock,
          random: seededRandom(seed + consumers),
          logger: options.logger ?? silentLogger,
          hasLogger,
        },
      );
      // The real client asks anew for what is in use when it has grown old.
      const refresh = async (): Promise<void> => {
        if (engine.closed) return;
        await view.refreshTopics(view.topicNames()).catch(() => {});
        clock.schedule(settings.metadataMaxAgeMs, () => void refresh());
      };
      clock.schedule(settings.metadataMaxAgeMs, () => void refresh());
      return engine;
    },
    async until(what, holds, forMs = 60_000) {
      const endMs = clock.monotonic() + forMs;
      while (!holds()) {
        if (clock.monotonic() >= endMs) throw new Error(`${forMs} ms went by in vain until ${what}`);
        // Small steps: what `holds` only after promises have settled must not cost the time of a long poll.
        await clock.advanceAsync(
          Math.min(Math.max(clock.nextDueInMs ?? 1, 0.5), STEP_MS_MAX, endMs - clock.monotonic()),
        );
      }
    },
  };
}

/** What a consumer hands out, as it comes, as `topic-partition@offset=value`. */
export function collect(engine: ConsumerEngine, into: string[] = []): { records: string[]; done: Promise<void> } {
  const done = (async () => {
    for await (const record of new RecordIterator<Buffer, Buffer>(engine)) into.push(textOf(record));
  })();
  done.catch(() => {});
  return { records: into, done };
}

export function textOf({ topic, partition, offset, rawValue }: ConsumerRecord<unknown, unknown>): string {
  return `${topic}-${partition}@${offset}=${rawValue?.toString()}`;
}
