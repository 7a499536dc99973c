/** Kafka's tools that write in transactions and look after them. */
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { FatalTransactionError, Producer } from '@millrace/producer';
import { KAFKA_3, kafkaTool } from '../kafka/index.ts';
import { expectSuccess } from './expect-success.ts';
import { hangingCases } from './hanging-transactions.ts';
import { expectMatch } from './report.ts';
import type { NamedCase, TransactionTools } from './transaction-tools.ts';

const PERF_RECORDS = 20_000;
const COPIED_RECORDS = 3000;
const RECORDS_PER_COPY = 100;
const END = 'end';

export function transactionCases(tools: TransactionTools): NamedCase[] {
  return [
    ...scriptCases(tools),
    ...terminationCases(tools),
    ...hangingCases(tools),
    [
      `TransactionalMessageCopier copies ${COPIED_RECORDS} records once, aborting now and then, and ended half way`,
      () => copies(tools),
    ],
  ];
}

function scriptCases({ bootstrap, version, topic, run, topics }: TransactionTools): NamedCase[] {
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

/** A verb that Kafka's tool has since 4.1 (KIP-939). */
function terminationCases({ bootstrap, version, topic, run }: TransactionTools): NamedCase[] {
  if (version === KAFKA_3) return [];
  return [
    [
      'kafka-transactions forceTerminateTransaction, of one that is open',
      async () => {
        const id = `${topic}-terminated`;
        await using admin = new Admin({ bootstrapServers: bootstrap });
        await using producer = new Producer({ bootstrapServers: bootstrap, transactionalId: id });
        const open = await producer.begin();
        await open.send({ topic: `${topic}-transacted`, partition: 1, value: 'terminated' });
        const [before] = await admin.describeTransactions([id]);
        await run('kafka-transactions', ['forceTerminateTransaction', '--transactionalId', id]);
        const [after] = await admin.describeTransactions([id]);
        // As after every producer that begins: the transaction is aborted, its markers are written, and the next epoch is given.
        if (after?.state !== 'Empty' || after.producerEpoch <= before!.producerEpoch) {
          throw new Error(`it is ${after?.state} in epoch ${after?.producerEpoch}, from ${before?.producerEpoch} on`);
        }
        const failure: unknown = await open.commit().catch((error: unknown) => error);
        if (!(failure instanceof FatalTransactionError)) throw new Error(`its producer's commit: ${String(failure)}`);
        const found = await committedUntil(bootstrap, `${topic}-transacted`, 1, async () => {
          await using other = new Producer({ bootstrapServers: bootstrap });
          await other.send({ topic: `${topic}-transacted`, partition: 1, value: END });
        });
        if (found.includes('terminated')) throw new Error('its record is read as committed');
        return `epoch ${before!.producerEpoch} to ${after.producerEpoch}`;
      },
    ],
  ];
}

/** What Kafka's system tests have its own copier do: the copy equals the original, whatever becomes of copiers. */
async function copies({ bootstrap, version, topic, topics }: TransactionTools): Promise<string> {
  const [source, copy] = [`${topic}-source`, `${topic}-copy`];
  for (const each of [source, copy]) await topics('--create', '--topic', each, '--partitions', '1');
  await using producer = new Producer({ bootstrapServers: bootstrap });
  const values = Array.from({ length: COPIED_RECORDS }, (_, index) => String(index));
  await Promise.all(values.map((value) => producer.send({ topic: source, value })));
  const args = [
    ...['--input-topic', source, '--input-partition', '0', '--output-topic', copy, '--broker-list', bootstrap],
    ...['--consumer-group', `${topic}-copiers`, '--transactional-id', `${topic}-copier`],
    ...[
      '--transaction-size',
      String(RECORDS_PER_COPY),
      '--enable-random-aborts',
      '--use-group-metadata',
      '--group-mode',
    ],
  ];
  const copier = 'transactional-message-copier';
  const first = await kafkaTool(copier, args, { version, endAfter: /"totalProcessed":1\d{3}/ });
  expectMatch(first.stdout, /"totalProcessed":1\d{3}/);
  expectSuccess(copier, args, await kafkaTool(copier, args, { version }));
  const found = await committedUntil(bootstrap, copy, 0, () => producer.send({ topic: copy, value: END }));
  const isSame = found.length === values.length && found.every((value, index) => value === values[index]);
  if (!isSame) throw new Error(`${found.length} records are there, of ${values.length}, or not in their order`);
  return `${found.length} of ${values.length}`;
}

/** What is committed in a partition before a last record that says so, which is written first. */
async function committedUntil(
  bootstrap: string,
  topic: string,
  partition: number,
  writeEnd: () => Promise<unknown>,
): Promise<string[]> {
  await writeEnd();
  const values: string[] = [];
  await using consumer = new Consumer({ bootstrapServers: bootstrap, isolationLevel: 'read_committed' });
  consumer.assign([{ topic, partition, offset: 0 }]);
  for await (const { value } of consumer) {
    if (String(value) === END) break;
    values.push(String(value));
  }
  return values;
}
