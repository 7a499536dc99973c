/** Has Kafka's dump tool decode what our transaction coordinator writes. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { SpawnedBroker } from '../faults/spawned-broker.ts';
import { kafkaTool } from '../kafka/index.ts';
import type { Finding } from './dump.ts';

const TOPIC = 'transacted';
const ID = 'dumped';
const SETTLED_MS_MAX = 10_000;

/** One transaction committed, one aborted, and what the tool says of their records. */
export async function dumpTransactionState(version: string, folder: string): Promise<Finding[]> {
  const settings = { 'transaction.state.log.num.partitions': 1, 'transaction.state.log.replication.factor': 1 };
  const broker = await SpawnedBroker.start({ folder, settings });
  try {
    await transact(broker.bootstrap);
  } finally {
    await broker.stop();
  }
  const state = join(folder, '__transaction_state-0');
  const files = readdirSync(state)
    .filter((name) => name.endsWith('.log'))
    .map((name) => join(state, name))
    .join(',');
  const args = ['--files', files, '--transaction-log-decoder', '--print-data-log'];
  const { exitCode, stdout, stderr } = await kafkaTool('kafka-dump-log', args, { version, timeoutMs: 120_000 });
  const states = ['Empty', 'Ongoing', 'PrepareCommit', 'CompleteCommit', 'PrepareAbort', 'CompleteAbort'];
  // 3.9 writes keys as `transaction_metadata::transactionalId=...`, 4.1 as JSON.
  const isNamed = new RegExp(`(?:transactionalId=|"transactionalId":")${ID}`).test(stdout);
  const missing = states.filter((name, number) => !stdout.includes(`state=${name}`) && !told(stdout, number));
  return [
    {
      what: 'kafka-dump-log --transaction-log-decoder',
      isGood: exitCode === 0 && isNamed && missing.length === 0,
      detail:
        missing.length === 0 && isNamed
          ? `all of ${states.join(', ')}`
          : `no ${missing.join(', ')}: ${stdout}${stderr}`,
    },
  ];
}

/** In JSON a state is its number. */
function told(output: string, number: number): boolean {
  return output.includes(`"transactionStatus":${number}`);
}

async function transact(bootstrapServers: string): Promise<void> {
  await using admin = new Admin({ bootstrapServers });
  await admin.createTopics([{ topic: TOPIC, partitions: 2 }]);
  await using producer = new Producer({ bootstrapServers, transactionalId: ID });
  for (const isCommit of [true, false]) {
    const transaction = await producer.begin();
    await transaction.send({ topic: TOPIC, value: 'a' });
    if (isCommit) await transaction.commit();
    else await transaction.abort();
    const deadline = performance.now() + SETTLED_MS_MAX;
    for (;;) {
      const [found] = await admin.describeTransactions([ID]);
      if (found?.state.startsWith('Complete') === true) break;
      if (performance.now() > deadline) {
        throw new Error(`the transaction is ${found?.state} after ${SETTLED_MS_MAX} ms`);
      }
    }
  }
}
