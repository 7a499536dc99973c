/**
 * One instance of a copy job, as a process that can be killed: `copier.ts CLIENT BOOTSTRAP SOURCE TARGET INSTANCE`. It reads a topic as a
 * member of a group, and writes to the same partition of another, with the offsets in the transaction; a record in a third topic
 * lists what each transaction has copied. It goes on until it is ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import type { EachBatchPayload, Producer as KafkaJsProducer } from 'kafkajs';
import { connectKafkaJs } from '../clients/kafkajs.ts';

/** The topic in which a copy job lists what each of its transactions has copied. */
export function listTopic(target: string): string {
  return `${target}-lists`;
}

/** Who copies by this program; `copiers/foreign-copiers.ts` has the others. */
export const OWN_COPIERS = ['millrace', 'kafkajs'] as const;
export type OwnCopier = (typeof OWN_COPIERS)[number];

const SESSION_MS = 6000;
/** A transaction holds no more, so that there are many. */
const BATCH_RECORDS_MAX = 50;
const AGAIN_MS = 200;
const TRANSACTION_TIMEOUT_MS = 10_000;

interface Job {
  readonly bootstrap: string;
  readonly source: string;
  readonly target: string;
  readonly instance: string;
}

async function copyByMillrace({ bootstrap, source, target, instance }: Job): Promise<void> {
  await using producer = new Producer({
    bootstrapServers: bootstrap,
    transactionalId: `${target}-${instance}`,
    transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
  });
  await using consumer = new Consumer({
    bootstrapServers: bootstrap,
    groupId: target,
    autoCommit: false,
    isolationLevel: 'read_committed',
    autoOffsetReset: 'earliest',
    sessionTimeoutMs: SESSION_MS,
  });
  consumer.subscribe(source);
  await consumer.run({
    transactionalProducer: producer,
    batchRecordsMax: BATCH_RECORDS_MAX,
    retry: { retries: 1000, backoffMs: 20, backoffMsMax: 200 },
    eachBatch: ({ records, partition }, { transaction }) => {
      const values = records.map(({ value }) => String(value));
      for (const value of values) void transaction.send({ topic: target, partition, value });
      void transaction.send({ topic: listTopic(target), value: values.join(' ') });
    },
  });
}

/**
 * kafkajs knows neither stable offsets (KIP-447) nor who of a group commits, so that one instance at a time copies, and what the one
 * before it left open is ended before offsets are asked for.
 */
async function copyByKafkaJs({ bootstrap, source, target }: Job): Promise<void> {
  const kafka = connectKafkaJs(bootstrap, { retry: { retries: 5, initialRetryTime: 50, maxRetryTime: 500 } });
  const producer = kafka.producer({
    transactionalId: target,
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: TRANSACTION_TIMEOUT_MS,
  });
  const consumer = kafka.consumer({ groupId: target, sessionTimeout: SESSION_MS, readUncommitted: false });
  try {
    await producer.connect();
    await (await producer.transaction()).abort();
    await consumer.connect();
    await consumer.subscribe({ topic: source, fromBeginning: true });
    consumer.on('consumer.crash', ({ payload }) => fail(payload.error));
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      // What became of a transaction whose end was not answered shows only to the next producer.
      eachBatch: (payload) => copyBatch(producer, payload, { source, target }).catch(fail),
    });
    await new Promise<never>(() => {});
  } finally {
    await Promise.allSettled([consumer.disconnect(), producer.disconnect()]);
  }
}

async function copyBatch(
  producer: KafkaJsProducer,
  { batch, heartbeat, resolveOffset }: EachBatchPayload,
  { source, target }: Pick<Job, 'source' | 'target'>,
): Promise<void> {
  const { messages, partition } = batch;
  for (let at = 0; at < messages.length; at += BATCH_RECORDS_MAX) {
    const part = messages.slice(at, at + BATCH_RECORDS_MAX);
    const values = part.map(({ value }) => String(value));
    const transaction = await producer.transaction();
    try {
      await transaction.send({ topic: target, messages: values.map((value) => ({ partition, value })) });
      // Without a partition kafkajs may choose another one when it tries again, and both are in the transaction.
      await transaction.send({ topic: listTopic(target), messages: [{ partition, value: values.join(' ') }] });
      const offset = String(Number(part.at(-1)?.offset) + 1);
      await transaction.sendOffsets({
        consumerGroupId: target,
        topics: [{ topic: source, partitions: [{ partition, offset }] }],
      });
      await transaction.commit();
      resolveOffset(part.at(-1)?.offset ?? '0');
    } catch (error) {
      await transaction.abort().catch(() => undefined);
      throw error;
    }
    await heartbeat();
  }
}

/** The instance ends, and is started again. */
function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}

const WAYS: Readonly<Record<OwnCopier, (job: Job) => Promise<void>>> = {
  millrace: copyByMillrace,
  kafkajs: copyByKafkaJs,
};

if (import.meta.main) {
  const [client, bootstrap = '', source = '', target = '', instance = ''] = process.argv.slice(2);
  const copy = WAYS[client as OwnCopier];
  for (;;) {
    try {
      await copy({ bootstrap, source, target, instance });
    } catch (error) {
      // A service that is supervised begins again.
      console.error(`${client} ${instance}: ${error instanceof Error ? error.message : String(error)}`);
    }
    await sleep(AGAIN_MS);
  }
}
