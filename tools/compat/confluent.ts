/** confluent-kafka-javascript, which is librdkafka behind kafkajs's interface: transactions by its promisified API. */
import { join } from 'node:path';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { runProgram } from '../clients/index.ts';
import { type ConfluentKafkaJavascript, LIBRDKAFKA_PACKAGE } from '../librdkafka/index.ts';
import type { Case } from './report.ts';

const SCRIPT = join(import.meta.dirname, 'confluent-transactions.mjs');
const CASE_MS_MAX = 120_000;
/** The script's last record, and ours behind it. */
const END = 'the end';
const LAST = 'the end of all';

/** What each case of the script does, and how many records are committed in its first partition in the end. */
const CASES: readonly { readonly name: string; readonly does: string; readonly committed: number }[] = [
  { name: 'transactions', does: 'commits, aborts, ends empty ones; both isolation levels', committed: 3 },
  { name: 'offsets', does: 'copies with sendOffsets, aborting every third time', committed: 200 },
  { name: 'fencing', does: 'fences an instance by its transactional id', committed: 1 },
  { name: 'concurrent', does: 'writes with five producers at a time into one partition', committed: 150 },
  { name: 'timeout', does: 'leaves one open for too long, and is refused', committed: 0 },
];

/** @param built The library, and the Node that it was built for. */
export function confluentCases(bootstrap: string, { node, folder }: ConfluentKafkaJavascript): Case[] {
  return CASES.map(({ name, does, committed }) => ({
    name: does,
    async run() {
      const topic = `confluent-${process.pid}-${name}`;
      const said = await runProgram(node, [SCRIPT, name, bootstrap, topic, folder], { timeoutMs: CASE_MS_MAX });
      const seen = await committedIn(bootstrap, topic);
      if (seen !== committed) throw new Error(`our consumer sees ${seen} committed records instead of ${committed}`);
      return said.trim();
    },
  }));
}

export const CONFLUENT_TITLE = `Transactions of confluent-kafka-javascript (${LIBRDKAFKA_PACKAGE})`;

/** How many records of partition 0 our consumer sees before the last. */
async function committedIn(bootstrap: string, topic: string): Promise<number> {
  await using producer = new Producer({ bootstrapServers: bootstrap });
  await producer.send({ topic, partition: 0, value: LAST });
  await using consumer = new Consumer({ bootstrapServers: bootstrap, isolationLevel: 'read_committed' });
  consumer.assign([{ topic, partition: 0, offset: 0 }]);
  let count = 0;
  for await (const { value } of consumer) {
    if (String(value) === LAST) break;
    if (String(value) !== END) count += 1;
  }
  return count;
}
