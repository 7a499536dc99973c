/** What the suite's files share: one broker for a file, topics made by a client that is known to work. */
import { afterAll, beforeAll } from 'vitest';
import { connectKafkaJs } from '../clients/index.ts';
import { startTarget, type Target } from './target.ts';

export interface Suite {
  /** `host:port` of the broker; there once the tests run. */
  readonly bootstrap: string;
  /** Creates a topic whose name no other test uses, and returns its name. */
  createTopic(label: string, partitions?: number): Promise<string>;
}

const START_MS_MAX = 90_000;

/** Starts the target before the tests of the calling file, and stops it after. */
export function compatSuite(): Suite {
  let target: Target | undefined;
  let topics = 0;
  beforeAll(async () => {
    target = await startTarget();
  }, START_MS_MAX);
  afterAll(async () => {
    await target?.stop();
  }, START_MS_MAX);
  const suite: Suite = {
    get bootstrap() {
      if (target === undefined) throw new Error('the broker is there only while tests run');
      return target.bootstrap;
    },
    async createTopic(label, partitions = 1) {
      const topic = `${label}-${process.pid}-${++topics}`;
      const admin = connectKafkaJs(suite.bootstrap).admin();
      await admin.connect();
      try {
        await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] });
      } finally {
        await admin.disconnect();
      }
      return topic;
    },
  };
  return suite;
}

/**
 * Waits until `holds` is true. What an admin changes is looked at in this way too: Kafka's brokers learn of it a moment after
 * they have answered.
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
