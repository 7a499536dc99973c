import { ManualClock } from '@millrace/ports';
import { expect, it } from 'vitest';
import { BufferBudget } from './buffer-budget.ts';

function bench() {
  const clock = new ManualClock();
  const budget = new BufferBudget(100, 1_000, clock);
  const log: string[] = [];
  const wait = (name: string, sinceMs?: number): void =>
    budget.wait(
      () => log.push(`${name} goes on`),
      () => log.push(`${name} is turned away`),
      sinceMs,
    );
  budget.take(100);
  return { clock, budget, log, wait };
}

it('serves those who wait in their order', () => {
  const { budget, log, wait } = bench();
  wait('a');
  wait('b');
  budget.release(100);
  expect(log).toEqual(['a goes on', 'b goes on']);
  expect(budget.waitingCount).toBe(0);
});

it('counts the time that somebody has waited elsewhere', async () => {
  const { clock, budget, log, wait } = bench();
  await clock.advanceAsync(900);
  wait('late');
  wait('early', 0);
  expect(budget.waitingCount).toBe(2);
  await clock.advanceAsync(99);
  expect(log).toEqual([]);
  await clock.advanceAsync(1);
  expect(log).toEqual(['early is turned away']);
  expect(budget.waitingCount).toBe(1);
  await clock.advanceAsync(899);
  expect(log).toEqual(['early is turned away']);
  await clock.advanceAsync(1);
  expect(log).toEqual(['early is turned away', 'late is turned away']);
  expect(budget.waitingCount).toBe(0);
  budget.release(100);
  expect(budget.isOpen).toBe(true);
});

it('tells nobody twice', async () => {
  const { clock, budget, log, wait } = bench();
  await clock.advanceAsync(500);
  wait('late');
  wait('early', 0);
  await clock.advanceAsync(500);
  budget.release(100);
  budget.close();
  await clock.advanceAsync(5_000);
  expect(log).toEqual(['early is turned away', 'late goes on']);
});
