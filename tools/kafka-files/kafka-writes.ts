/** Has Apache Kafka write topics with everything in them that its files can hold. */
import { connectKafkaJs } from '../clients/kafkajs.ts';
import { kafkaTool } from '../kafka/index.ts';

/** The topics that are written, each with one partition. */
export const TOPICS = ['files-codecs', 'files-transactions', 'files-compacted'] as const;

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const RECORDS_PER_CODEC = 400;
const TRANSACTIONS = 12;
const COMPACTED_RECORDS = 3000;

/** Fills the topics with Kafka's own producers, and with kafkajs for the transactions. */
export async function fillTopics(bootstrap: string, version: string): Promise<void> {
  const kafka = connectKafkaJs(bootstrap);
  const admin = kafka.admin();
  await admin.connect();
  const configs: Record<string, [string, string][]> = {
    'files-compacted': [
      ['cleanup.policy', 'compact'],
      ['min.cleanable.dirty.ratio', '0.01'],
      ['segment.bytes', '20000'],
    ],
  };
  await admin.createTopics({
    topics: TOPICS.map((topic) => ({
      topic,
      numPartitions: 1,
      configEntries: (configs[topic] ?? [['segment.bytes', '20000']]).map(([name, value]) => ({ name, value })),
    })),
  });
  await admin.disconnect();
  for (const codec of CODECS) await produceLines(bootstrap, version, 'files-codecs', codec, RECORDS_PER_CODEC);
  await runTransactions(kafka);
  await produceLines(bootstrap, version, 'files-compacted', 'lz4', COMPACTED_RECORDS);
}

/** Keys, values and headers through Kafka's console producer. */
async function produceLines(
  bootstrap: string,
  version: string,
  topic: string,
  codec: string,
  count: number,
): Promise<void> {
  const lines = Array.from(
    { length: count },
    (_, i) => `h:${codec},n:${i}\tkey-${i % 50}\t${codec}-${i}-${'x'.repeat(i % 90)}`,
  );
  const properties = ['parse.key=true', 'parse.headers=true'].flatMap((property) => ['--property', property]);
  const args = ['--bootstrap-server', bootstrap, '--topic', topic, '--compression-codec', codec, ...properties];
  const batches = ['--producer-property', 'batch.size=2000'];
  const { exitCode, stderr } = await kafkaTool('kafka-console-producer', [...args, ...batches], {
    version,
    input: `${lines.join('\n')}\n`,
  });
  if (exitCode !== 0 || /ERROR|Exception/.test(stderr)) {
    throw new Error(`Kafka ${version} took no ${codec}:\n${stderr}`);
  }
}

/** Every third is aborted. */
async function runTransactions(kafka: ReturnType<typeof connectKafkaJs>): Promise<void> {
  const producer = kafka.producer({ transactionalId: 'files', maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  for (let i = 0; i < TRANSACTIONS; i += 1) {
    const transaction = await producer.transaction();
    const messages = Array.from({ length: 30 }, (_, n) => ({ key: `key-${n}`, value: `${i}-${n}-${'y'.repeat(200)}` }));
    await transaction.send({ topic: 'files-transactions', messages });
    if (i % 3 === 2) await transaction.abort();
    else await transaction.commit();
  }
  await producer.disconnect();
}
