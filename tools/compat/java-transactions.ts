/** Kafka's tools that write in transactions and look after them. */
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { kafkaTool } from '../kafka/index.ts';
import { expectSuccess } from './expect-success.ts';
import { expectMatch } from './report.ts';

const PERF_RECORDS = 20_000;

/** What the cases work with. */
export interface TransactionTools {
  readonly bootstrap: string;
  readonly version: string;
  readonly topic: string;
  run(tool: string, args: readonly string[]): Promise<string>;
  topics(...args: string[]): Promise<string>;
}

type NamedCase = readonly [string, () => Promise<string | undefined>];

export function transactionCases({ bootstrap, version, topic, run, topics }: TransactionTools): NamedCase[] {
  const own = `${topic}-transacted`;
  const id = `${topic}-id`;
  const transactions = (...args: string[]): Promise<string> => run('kafka-transactions', args);
  const producer = new Producer({ bootstrapServers: bootstrap, transactionalId: id });
  return [
    [
      `kafka-producer-perf-test, ${PERF_RECORDS} records in transactions of 100 ms`,
      async () => {
        await topics('--create', '--topic', own, '--partitions', '2');
        const args = ['--topic', own, '--num-records', String(PERF_RECORDS), '--record-size', '100'];
        const transacted = ['--transactional-id', `${id}-perf`, '--transaction-duration-ms', '100'];
        const perf = [
          ...args,
          ...transacted,
          '--throughput',
          '20000',
          '--producer-props',
          `bootstrap.servers=${bootstrap}`,
        ];
        const output = expectSuccess('perf', perf, await kafkaTool('kafka-producer-perf-test', perf, { version }));
        expectMatch(output, new RegExp(`${PERF_RECORDS} records sent`));
        return /([\d.]+ records\/sec)/.exec(output)?.[1];
      },
    ],
    [
      'kafka-console-consumer reads what they have committed, all of it',
      async () => {
        const args = ['--topic', own, '--from-beginning', '--isolation-level', 'read_committed'];
        const output = await run('kafka-console-consumer', [...args, '--max-messages', String(PERF_RECORDS)]);
        expectMatch(output, new RegExp(`Processed a total of ${PERF_RECORDS} messages`));
        return undefined;
      },
    ],
    [
      'kafka-transactions list, describe, describe-producers of one that is open',
      async () => {
        const open = await producer.begin();
        await open.send({ topic: own, partition: 1, value: 'open' });
        const listed = new RegExp(`^${id}\\s+\\d+\\s+(\\d+)\\s+Ongoing`, 'm').exec(await transactions('list'));
        if (listed === null) throw new Error(`${id} is not listed as open`);
        const described = await transactions('describe', '--transactional-id', id);
        expectMatch(described, new RegExp(`${id}\\s+${listed[1]}\\s+\\d+\\s+Ongoing\\s+60000\\s.*${own}-1`));
        const producers = await transactions('describe-producers', '--topic', own, '--partition', '1');
        expectMatch(producers, new RegExp(`^${listed[1]}\\s+\\d+\\s+-?\\d+\\s+0\\s+\\d+\\s+\\d+`, 'm'));
        const hanging = await transactions('find-hanging', '--topic', own, '--max-transaction-timeout', '1');
        if (hanging.includes(own)) throw new Error(`what is under way is told to hang:\n${hanging}`);
        await open.commit();
        return undefined;
      },
    ],
    [
      'kafka-transactions abort, by where the transaction begins',
      async () => {
        await using admin = new Admin({ bootstrapServers: bootstrap });
        const open = await producer.begin();
        const { offset } = await open.send({ topic: own, partition: 1, value: 'aborted' });
        const place = ['--topic', own, '--partition', '1', '--start-offset', String(offset)];
        await transactions('abort', ...place);
        const [found] = await admin.describeProducers([{ topic: own, partition: 1 }]);
        if (found?.producers.some((each) => each.transactionStartOffset !== undefined)) {
          throw new Error('it is still open');
        }
        await open.abort();
        await producer.close();
        return undefined;
      },
    ],
  ];
}
