/**
 * Transactions that no coordinator will end, found and ended by Kafka's tool and by ours, which must see the same. They are made as they
 * came to be before KIP-890: by records that are appended without their coordinator being asked.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { Producer } from '@millrace/producer';
import { ErrorCode, InitProducerId, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { ended } from '../kafka/index.ts';
import { root } from '../source/index.ts';
import { expectSuccess } from './expect-success.ts';
import type { NamedCase, TransactionTools } from './transaction-tools.ts';

const VERIFICATION = 'transaction.partition.verification.enable';
/** Produce before records added partitions by themselves. */
const PRODUCE_VERSION = 9;
/** Longer ago than any transaction may be open. */
const LONG_AGO_MS = 1_700_000_000_000;
const PARTITION = 1;

/** A transaction as both tools show it. */
interface Shown {
  readonly topic: string;
  readonly partition: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly startOffset: number;
}

export function hangingCases(tools: TransactionTools): NamedCase[] {
  return [
    ['find-hanging and abort, of Kafka and of ours, of the same transactions that hang', () => findAndAbort(tools)],
  ];
}

async function findAndAbort(tools: TransactionTools): Promise<string> {
  const { bootstrap, topic } = tools;
  const own = `${topic}-hanging`;
  await tools.topics('--create', '--topic', own, '--partitions', '2');
  await using admin = new Admin({ bootstrapServers: bootstrap });
  await using client = new KafkaClient({ bootstrapServers: bootstrap });
  await client.connect();
  // One whose id its coordinator knows, which has nothing open, and one of a producer that no coordinator has heard of.
  await admin.alterConfigs([{ type: 'broker', name: '', set: { [VERIFICATION]: false } }]);
  try {
    await leaveHanging(client, own, `${topic}-left`);
    await leaveHanging(client, own, null);
  } finally {
    await admin.alterConfigs([{ type: 'broker', name: '', unset: [VERIFICATION] }]);
  }
  await using producer = new Producer({ bootstrapServers: bootstrap, transactionalId: `${topic}-under-way` });
  const open = await producer.begin();
  await open.send({ topic: own, partition: PARTITION, value: 'under way', timestamp: LONG_AGO_MS });

  const first = await expectSame(tools, own, 2);
  const place = ['--topic', own, '--partition', String(PARTITION)];
  await tools.run('kafka-transactions', ['abort', ...place, '--start-offset', String(first[0]!.startOffset)]);
  const second = await expectSame(tools, own, 1);
  const offset = String(second[0]!.startOffset);
  await ours(tools, ['abort', own, '--partition', String(PARTITION), '--start-offset', offset]);
  await expectSame(tools, own, 0);
  await open.commit();
  const at = { topic: own, partition: PARTITION, at: 'latest' } as const;
  const [all] = await admin.listOffsets([at]);
  const [stable] = await admin.listOffsets([at], { isolationLevel: 'read_committed' });
  // The marker of the commit may be on its way still; behind those that hung nobody waits.
  if (stable!.offset < all!.offset - 1) throw new Error(`readers wait at ${stable!.offset} of ${all!.offset}`);
  return `offsets ${first.map(({ startOffset }) => startOffset).join(' and ')}`;
}

/** Writes a record in a transaction that no coordinator has heard of. */
async function leaveHanging(client: KafkaClient, topic: string, transactionalId: string | null): Promise<void> {
  const init = { transactionalId, transactionTimeoutMs: 60_000 };
  const options = { errorOf: ({ errorCode }: { readonly errorCode: number }) => errorCode };
  const topics = await client.allTopics();
  const { leaderId } = topics
    .find(({ name }) => name === topic)!
    .partitions.find((each) => each.partition === PARTITION)!;
  const producer =
    transactionalId === null
      ? await client.sendToBroker(leaderId, InitProducerId, init, options)
      : await client.sendToCoordinator('transaction', transactionalId, InitProducerId, init, options);
  const builder = new RecordBatchBuilder();
  builder.append(LONG_AGO_MS, null, Buffer.from('hangs'), []);
  const records = builder.build({ ...producer, baseSequence: 0, isTransactional: true });
  const topicData = [{ name: topic, partitionData: [{ index: PARTITION, records }] }];
  const body = { transactionalId: transactionalId ?? 'nobody', acks: -1, timeoutMs: 5000, topicData };
  const answer = await client.sendToBroker(leaderId, Produce, body, {
    versionMax: PRODUCE_VERSION,
    // The change of the config may be on its way to the broker.
    errorOf: ({ responses }) => {
      const errorCode = responses[0]?.partitionResponses[0]?.errorCode ?? ErrorCode.NONE;
      return errorCode === ErrorCode.INVALID_TXN_STATE ? ErrorCode.NOT_ENOUGH_REPLICAS : errorCode;
    },
  });
  const errorCode = answer.responses[0]?.partitionResponses[0]?.errorCode;
  if (errorCode !== ErrorCode.NONE) throw new Error(`the record that is to hang was refused with ${errorCode}`);
}

/** What hangs, by both tools. */
async function expectSame(tools: TransactionTools, topic: string, count: number): Promise<Shown[]> {
  const byKafka = kafkasRows(await tools.run('kafka-transactions', ['find-hanging', '--topic', topic]));
  const byOurs = (JSON.parse(await ours(tools, ['find-hanging', '--topic', topic, '--json'])) as Shown[]).map(shown);
  if (JSON.stringify(byKafka) !== JSON.stringify(byOurs) || byOurs.length !== count) {
    const both = `Kafka's tool ${JSON.stringify(byKafka)}, ours ${JSON.stringify(byOurs)}`;
    throw new Error(`${count} hang; ${both}`);
  }
  return byOurs;
}

function shown({ topic, partition, producerId, producerEpoch, startOffset }: Shown): Shown {
  return { topic, partition, producerId, producerEpoch, startOffset };
}

/** Topic, Partition, ProducerId, ProducerEpoch, CoordinatorEpoch, StartOffset, LastTimestamp, Duration(min), as it prints them. */
function kafkasRows(output: string): Shown[] {
  return output
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .map(([topic = '', partition, producerId, producerEpoch, , startOffset]) => ({
      topic,
      partition: Number(partition),
      producerId: Number(producerId),
      producerEpoch: Number(producerEpoch),
      startOffset: Number(startOffset),
    }))
    .sort((a, b) => a.startOffset - b.startOffset);
}

async function ours({ bootstrap }: TransactionTools, args: readonly string[]): Promise<string> {
  const all = [join(root, 'apps/cli/src/main.ts'), 'transactions', ...args, '--bootstrap-server', bootstrap];
  const result = await ended(spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] }));
  expectSuccess('millrace transactions', args, result);
  return result.stdout;
}
