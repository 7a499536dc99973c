/**
 * One instance of a copy job, as a process that can be killed: `copier.ts CLIENT BOOTSTRAP SOURCE TARGET INSTANCE`. It reads a topic as a
 * member of a group, and writes to the same partition of another, with the offsets in the transaction; a record in a third topic
 * lists what each transaction has copied. It goes on until it is ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { copyByKafkaJs } from './copiers/kafkajs-copier.ts';

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

const WAYS: Readonly<Record<OwnCopier, (job: Job) => Promise<void>>> = {
  millrace: copyByMillrace,
  kafkajs: (job) =>
    copyByKafkaJs({
      ...job,
      list: listTopic(job.target),
      sessionTimeoutMs: SESSION_MS,
      transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      batchRecordsMax: BATCH_RECORDS_MAX,
    }),
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
