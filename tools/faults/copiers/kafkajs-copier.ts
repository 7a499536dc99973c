/**
 * A copy job by kafkajs, exactly once with several instances. kafkajs knows neither stable offsets (KIP-447) nor who of a group commits, so
 * that one transactional id for each instance would let an instance go on in a partition that is another's by now. It is done as it was before
 * KIP-447: a transactional id for each partition. Whoever gets a partition takes its id over first, which shuts out the one before and ends
 * what that has left open, and asks only then how far the group is.
 */
import type { EachBatchPayload, Kafka, Producer } from 'kafkajs';
import { connectKafkaJs } from '../../clients/kafkajs.ts';

export interface KafkaJsCopy {
  readonly bootstrap: string;
  readonly source: string;
  readonly target: string;
  /** Where each transaction lists what it has copied. */
  readonly list: string;
  readonly sessionTimeoutMs: number;
  readonly transactionTimeoutMs: number;
  readonly batchRecordsMax: number;
}

/** A partition that is this instance's since the group was last rebalanced. */
interface Owned {
  readonly producer: Producer;
  /** What is to be copied next, as the group has committed it. */
  next: number;
}

export async function copyByKafkaJs(job: KafkaJsCopy): Promise<void> {
  const kafka = connectKafkaJs(job.bootstrap, { retry: { retries: 5, initialRetryTime: 50, maxRetryTime: 500 } });
  const consumer = kafka.consumer({
    groupId: job.target,
    sessionTimeout: job.sessionTimeoutMs,
    readUncommitted: false,
  });
  const owners = new Owners(kafka, job);
  try {
    await consumer.connect();
    await consumer.subscribe({ topic: job.source, fromBeginning: true });
    consumer.on('consumer.crash', ({ payload }) => fail(payload.error));
    // The offsets that kafkajs asks for then may be older than what is being committed, by others or by this instance.
    consumer.on('consumer.group_join', () => owners.forget());
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      async eachBatch(payload) {
        const { topic, partition, messages } = payload.batch;
        // What became of a transaction whose end was not answered shows only to the next producer.
        const owned = await owners.of(partition).catch(fail);
        if (Number(messages[0]?.offset) !== owned.next) {
          consumer.seek({ topic, partition, offset: String(owned.next) });
          return;
        }
        await copyBatch(owned, payload, job);
      },
    });
    await new Promise<never>(() => {});
  } finally {
    owners.forget();
    await consumer.disconnect().catch(() => undefined);
  }
}

class Owners {
  readonly #kafka: Kafka;
  readonly #job: KafkaJsCopy;
  readonly #owned = new Map<number, Promise<Owned>>();

  constructor(kafka: Kafka, job: KafkaJsCopy) {
    this.#kafka = kafka;
    this.#job = job;
  }

  of(partition: number): Promise<Owned> {
    const known = this.#owned.get(partition);
    if (known !== undefined) return known;
    const taken = this.#take(partition);
    this.#owned.set(partition, taken);
    return taken;
  }

  /** All partitions are to be taken over anew. */
  forget(): void {
    for (const owned of this.#owned.values()) {
      void owned.then(({ producer }) => producer.disconnect()).catch(() => undefined);
    }
    this.#owned.clear();
  }

  async #take(partition: number): Promise<Owned> {
    const { source, target, transactionTimeoutMs } = this.#job;
    const producer = this.#kafka.producer({
      transactionalId: `${target}-${partition}`,
      idempotent: true,
      maxInFlightRequests: 1,
      transactionTimeout: transactionTimeoutMs,
    });
    await producer.connect();
    // kafkajs asks for its epoch here, and is answered when what was open is aborted or committed, offsets included.
    await (await producer.transaction()).abort();
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      const [found] = await admin.fetchOffsets({ groupId: target, topics: [source] });
      const offset = found?.partitions.find((each) => each.partition === partition)?.offset ?? '-1';
      return { producer, next: Math.max(Number(offset), 0) };
    } finally {
      await admin.disconnect();
    }
  }
}

async function copyBatch(
  owned: Owned,
  { batch, heartbeat, resolveOffset }: EachBatchPayload,
  job: KafkaJsCopy,
): Promise<void> {
  const { messages, partition } = batch;
  for (let at = 0; at < messages.length; at += job.batchRecordsMax) {
    const part = messages.slice(at, at + job.batchRecordsMax);
    const last = part.at(-1)!.offset;
    const values = part.map(({ value }) => String(value));
    await copyPart(owned.producer, partition, values, String(Number(last) + 1), job).catch(fail);
    owned.next = Number(last) + 1;
    resolveOffset(last);
    // Where the group is rebalanced, this ends the batch and has kafkajs join it again.
    await heartbeat();
  }
}

async function copyPart(
  producer: Producer,
  partition: number,
  values: readonly string[],
  offset: string,
  { source, target, list }: KafkaJsCopy,
): Promise<void> {
  const transaction = await producer.transaction();
  try {
    await transaction.send({ topic: target, messages: values.map((value) => ({ partition, value })) });
    // Without a partition kafkajs may choose another one when it tries again, and both are in the transaction.
    await transaction.send({ topic: list, messages: [{ partition, value: values.join(' ') }] });
    await transaction.sendOffsets({
      consumerGroupId: target,
      topics: [{ topic: source, partitions: [{ partition, offset }] }],
    });
    await transaction.commit();
  } catch (error) {
    await transaction.abort().catch(() => undefined);
    throw error;
  }
}

/** The instance ends, and is started again. */
function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
