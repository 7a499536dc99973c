import { readFileSync } from 'node:fs';
import { startBroker } from '@millrace/testing';
import { expect, it } from 'vitest';
import { askTransactions, linesOf } from './transaction-answers.ts';

const GOLDEN = new URL('./fixtures/transaction-answers-4.1.0.tsv', import.meta.url);

/** One that replaces another gets an epoch that is one higher than with Kafka, on purpose: see `needsProducerId` in the broker. */
const REPLACING = /^(.*\tInitProducerId 5 without producer id\t0\t(?:same|other)\+)(\d+)$/;
const REPLACING_ROWS = 16;

it('answers every request in every state of a transaction whose end raises the epoch as Apache Kafka 4.1 does', async () => {
  const expected = readFileSync(GOLDEN, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(expected).toHaveLength(512);
  await using broker = await startBroker({
    config: { 'transaction.state.log.num.partitions': 1, 'offsets.topic.num.partitions': 1 },
  });
  const { host, port } = broker;
  const answers = await askTransactions({
    host,
    port,
    expire: (id) => broker.expireTransaction(id),
    hold: () => broker.holdMarkers(),
  });
  const ours = expected.map((line) => line.replace(REPLACING, (_, row, rise) => `${row}${Number(rise) + 1}`));
  expect(ours.filter((line, index) => line !== expected[index])).toHaveLength(REPLACING_ROWS);
  expect(linesOf(answers).trimEnd().split('\n')).toEqual(ours);
});
