/** What the consumer's suites share: a cluster, topics with something in them, and consumers that are closed after each test. */
import { setTimeout as delay } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { Consumer, type ConsumerOptions, type TopicPartition } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { stringSerde } from '@millrace/serdes';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { openSuiteCluster, type SuiteCluster, uniqueName } from './suite-cluster.ts';

export class Consuming {
  #target: SuiteCluster | undefined;
  #admin: Admin | undefined;
  #producer: Producer | undefined;
  readonly #consumers: Consumer<string, string>[] = [];

  /** Opens the cluster before the tests of the calling file, and closes it after. */
  constructor() {
    beforeAll(async () => {
      this.#target = await openSuiteCluster();
      const { bootstrapServers } = this.#target;
      this.#admin = new Admin({ bootstrapServers });
      this.#producer = new Producer({ bootstrapServers });
    });
    afterEach(async () => {
      this.target.broker?.clearFaults();
      await Promise.all(this.#consumers.splice(0).map((consumer) => consumer.close()));
    });
    afterAll(async () => {
      await this.#producer?.close();
      await this.#admin?.close();
      await this.#target?.close();
    });
  }

  get target(): SuiteCluster {
    return this.#target as SuiteCluster;
  }

  get admin(): Admin {
    return this.#admin as Admin;
  }

  get producer(): Producer {
    return this.#producer as Producer;
  }

  async newTopic(partitions = 1, prefix = 'consumed'): Promise<string> {
    const topic = uniqueName(prefix);
    await this.admin.createTopics([{ topic, partitions }]);
    return topic;
  }

  /** A consumer that the test need not close. */
  newConsumer(options: Partial<ConsumerOptions<string, string>> = {}): Consumer<string, string> {
    const consumer = new Consumer<string, string>({
      bootstrapServers: this.target.bootstrapServers,
      autoOffsetReset: 'earliest',
      heartbeatIntervalMs: 100,
      keyDeserializer: stringSerde,
      valueDeserializer: stringSerde,
      ...options,
    });
    this.#consumers.push(consumer);
    return consumer;
  }

  async write(topic: string, count: number, partition?: number, from = 0): Promise<void> {
    const records = Array.from({ length: count }, (_, n) => ({ topic, partition, key: `k${n}`, value: `${from + n}` }));
    await this.producer.sendBatch(records);
  }
}

export const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => `${from + n}`);

export const partitionsOf = (partitions: readonly TopicPartition[]): number[] =>
  partitions.map(({ partition }) => partition).sort();

/** Reads values until there are `count`; the last one counts as processed. */
export async function take(consumer: Consumer<string, string>, count: number): Promise<string[]> {
  const values: string[] = [];
  for await (const record of consumer) {
    values.push(record.value ?? 'null');
    if (values.length < count) continue;
    if (consumer.memberId !== '') await consumer.commit(record);
    break;
  }
  return values;
}

export async function until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = 20_000): Promise<void> {
  for (const endMs = performance.now() + timeoutMs; !(await holds()); await delay(10)) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
  }
}
