import { expect, test } from 'vitest';
import { planOf, UnknownPart } from './plan.ts';

const start = { name: 'start', bench: { parts: ['built', 'built-first', 'kafka-4'] } };
const e2e = { name: 'e2e', bench: { parts: ['producer', 'consumer', 'Kafka, no sync'] } };
const benches = [start, e2e];

test('Without parts all benches run, and with some those that have one of them', () => {
  expect(planOf(benches, [])).toEqual({ benches, only: [] });
  expect(planOf(benches, ['kafka-'])).toEqual({ benches: [start], only: ['kafka-'] });
  expect(planOf(benches, ['built', 'consumer'])).toEqual({ benches, only: ['built', 'consumer'] });
});

test('Parts may have commas between, and a comma of their own', () => {
  expect(planOf(benches, ['built, producer']).only).toEqual(['built', 'producer']);
  expect(planOf(benches, ['Kafka, no sync'])).toEqual({ benches: [e2e], only: ['Kafka, no sync'] });
});

test.each(['nothing', '', 'built,', 'built,nothing'])(
  'A part that matches nothing is an error that names all parts: "%s"',
  (part) => {
    const plan = (): unknown => planOf(benches, ['built', part]);
    expect(plan).toThrow(UnknownPart);
    expect(plan).toThrow(/start: built, built-first, kafka-4\n {2}e2e: producer, consumer/);
  },
);
