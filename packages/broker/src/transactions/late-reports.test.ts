import { ManualClock } from '@millrace/ports';
import { expect, it } from 'vitest';
import type { Logger } from '../shared/logger.ts';
import { LateReports } from './late-reports.ts';

it('tells of each transaction that is aborted once, and once a minute of those that could not be', () => {
  const told: object[] = [];
  const note = (fields: object): void => void told.push(fields);
  const logger: Logger = { debug: note, info: note, warn: note, error: note };
  const clock = new ManualClock();
  const reports = new LateReports(clock, logger);
  for (const id of ['a', 'b']) reports.aborting(id, 1000, false);
  expect(told).toEqual(['a', 'b'].map((transactionalId) => ({ transactionalId, timeoutMs: 1000 })));
  for (let n = 0; n < 7; n += 1) {
    clock.advance(10_000);
    for (const id of ['a', 'b']) reports.aborting(id, 1000, true);
  }
  expect(told.slice(2)).toEqual([
    { transactionalId: 'a', timeoutMs: 1000, transactions: 1 },
    { transactionalId: 'a', timeoutMs: 1000, transactions: 2 },
  ]);
});
