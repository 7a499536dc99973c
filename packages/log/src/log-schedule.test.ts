import { ManualClock } from '@millrace/ports';
import { expect, it } from 'vitest';
import { LogSchedule } from './log-schedule.ts';

it('work on all logs that fails is told, and is done the next time all the same', async () => {
  const clock = new ManualClock();
  const told: unknown[] = [];
  let looks = 0;
  const schedule = new LogSchedule(
    clock,
    { retentionCheckIntervalMs: 10 },
    {
      directories: () => {
        looks += 1;
        throw new Error(`look ${looks}`);
      },
      directoryFailed: () => {},
      trimMemory: () => {},
      backgroundError: (what, error) => told.push([what, String(error)]),
    },
  );
  schedule.start();
  await clock.advanceAsync(10);
  await clock.advanceAsync(10);
  await schedule.stop();
  expect(told).toEqual([
    ['Work on all logs', 'Error: look 1'],
    ['Work on all logs', 'Error: look 2'],
  ]);
});
