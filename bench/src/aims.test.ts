import { expect, test } from 'vitest';
import { aimsTables } from './aims.ts';
import type { Fact } from './bench.ts';
import { ratios, timesByRound } from './report/statistics.ts';
import { rateFacts, rateRow } from './transaction-rates.ts';

/** Three rounds, of which one has other work beside it: the ratio of medians is 3.33, that of the rounds 2. */
const MEASURED: Readonly<Record<string, readonly number[]>> = {
  'Millrace, sync per ack': [20, 12, 100],
  'Kafka, sync per ack': [10, 6, 2],
  'Millrace, no sync': [140, 120, 130],
  'Kafka, no sync': [100, 100, 100],
};
const size = { records: 10, partitions: 12 };
const of = (kind: string): readonly number[] => MEASURED[kind] ?? [];

test('A ratio to a peer is the median of those of each round, as far as both have been measured', () => {
  expect(ratios([20, 12, 100], [10, 6, 2])).toEqual([2, 2, 50]);
  expect(ratios([20, 12, 100], [10])).toEqual([2]);
  expect(timesByRound([20, 12, 100], [10, 6, 2])).toBe('×2.00');
  expect(rateRow(size, of).slice(-2)).toEqual(['×2.00', '×1.30']);
});

test('Transactions a second have an aim, judged by load, client and what is synced', () => {
  const facts = rateFacts(size, 'librdkafka', of);
  expect(facts.map(({ broker }) => broker)).toEqual(Object.keys(MEASURED));
  const [summary, rows] = aimsTables(facts);
  expect(summary!.rows).toEqual([
    ['transactions, no sync on both', '×1.5', '0 of 1', '×1.30', '×1.30', '×1.30'],
    ['transactions, a sync before every acknowledgement on both', '×1.5', '1 of 1', '×2.00', '×2.00', '×2.00'],
  ]);
  const [missed, reached] = rows!.rows;
  expect(missed!.slice(0, 2)).toEqual(['transactions, no sync on both', '10 records, 12 partitions, librdkafka']);
  expect([missed![6], reached![6]]).toEqual(['**missed**', 'reached']);
});

test('So has what a commit every 100 ms, and reading what is committed, cost on our broker', () => {
  const fact = (what: Fact['what'], broker: string, client: string, values: readonly number[]): Fact => {
    return { what, broker, client, load: 'load', values, table: 'table' };
  };
  const facts = ['Millrace, no sync', 'Kafka, no sync'].flatMap((broker) => [
    fact('records/s with commits', broker, 'plain', [100, 200]),
    fact('records/s with commits', broker, 'flushed', [95, 190]),
    fact('records/s with commits', broker, 'in transactions', [70, 150]),
    fact('CPU us/record', broker, 'read_uncommitted', [1, 2]),
    fact('CPU us/record', broker, 'read_committed', [1.02, 2.04]),
  ]);
  const [summary] = aimsTables(facts);
  expect(summary!.rows.map(([aim, atLeast, count]) => [aim, atLeast, count])).toEqual([
    ['sends in transactions against plain ones', '×0.8', '0 of 1'],
    ['processor time of read_committed', '×0.952', '1 of 1'],
  ]);
});
