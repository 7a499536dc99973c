import { expect, test } from 'vitest';
import { aimsTables } from '../aims.ts';
import type { Fact } from '../bench.ts';
import { changesSince, changesTable } from './check.ts';
import { tableMarkdown } from './report.ts';

const load = '100 B, 1 partition, acks=all';
const produced = (client: string, values: readonly number[]): Fact => ({
  what: 'produced records/s',
  broker: 'Millrace, no sync',
  client,
  load,
  values,
  table: 'Produce',
});
const start = (broker: string, ms: number): Fact => ({
  what: 'start ms',
  broker,
  client: '',
  load: 'empty folder',
  values: [ms],
  table: 'Start',
});
const report = (...facts: readonly Fact[]): string => aimsTables(facts).map(tableMarkdown).join('\n');

test('A ratio that fell by more than both spreads is worse, whichever of our ways was the fastest', () => {
  const stored = report(produced('millrace enqueue', [1e6, 1e6, 1e6]), produced('kafkajs', [1e5, 1e5, 1e5]));
  const now = report(produced('millrace send', [6e5, 6e5, 6e5]), produced('kafkajs', [1e5, 1e5, 1e5]));
  expect(changesSince(stored, now)).toMatchObject([{ stored: 10, now: 6, verdict: 'worse' }]);
  expect(changesSince(now, stored)).toMatchObject([{ stored: 6, now: 10, verdict: 'better' }]);
  expect(changesTable(changesSince(stored, now)).rows[0]).toContain('**worse**');
});

test('A change within the spreads is none, nor is a machine that is slower for both', () => {
  const stored = report(produced('millrace enqueue', [1e6, 2e6]), produced('kafkajs', [1e5, 1e5]));
  const fewer = report(produced('millrace enqueue', [12e5, 12e5]), produced('kafkajs', [1e5, 1e5]));
  const slower = report(produced('millrace enqueue', [1e4, 2e4]), produced('kafkajs', [1e3, 1e3]));
  expect(changesSince(stored, fewer)).toMatchObject([{ verdict: 'within the noise' }]);
  expect(changesSince(stored, slower)).toMatchObject([{ stored: 15, now: 15, verdict: 'within the noise' }]);
});

test('Each broker and each other is held against its own, and what only one report has against nothing', () => {
  const kafka = start('Apache Kafka 4.1.0', 2000);
  const stored = report(start('Millrace as installed', 200), start('Millrace from source', 400), kafka);
  const now = report(
    start('Millrace from source', 800),
    kafka,
    produced('millrace send', [1]),
    produced('kafkajs', [1]),
  );
  expect(changesSince(stored, now).map(({ stored: before, now: after }) => [before, after])).toEqual([[5, 2.5]]);
  expect(changesSince('# Nothing measured', now)).toEqual([]);
});
