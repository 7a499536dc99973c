import { ManualClock, systemError } from '@millrace/ports';
import { expect, it } from 'vitest';
import type { Logger } from '../shared/logger.ts';
import { StorageReports } from './storage-reports.ts';

function reportsOn(clock: ManualClock): { reports: StorageReports; told: string[] } {
  const told: string[] = [];
  const note = (level: string) => (fields: object, message?: string) =>
    void told.push(`${level} ${'refused' in fields ? `${fields.refused} ` : ''}${message}`);
  const logger: Logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  return { reports: new StorageReports(clock, logger), told };
}

const full = (): Error => systemError('ENOSPC', 'no space left on device, write');
const result = { errorCode: 56, errorMessage: 'ENOSPC' } as Parameters<StorageReports['refused']>[2];

it('tells of a full disk at once, whoever meets it first, and then once a minute with how often it was met', () => {
  const clock = new ManualClock();
  const { reports, told } = reportsOn(clock);
  reports.short('__consumer_offsets', 3, 'ENOSPC');
  for (let n = 0; n < 59; n += 1) {
    reports.refused('t', 0, result);
    reports.short('t', 0, 'ENOSPC');
    clock.advance(1000);
  }
  const line = 'Records are refused because they cannot be written; producers are told to try again: ENOSPC';
  expect(told).toEqual([`error 0 ${line}`]);
  clock.advance(1000);
  reports.refused('t', 0, result);
  expect(told.slice(1)).toEqual([`error 60 ${line}`]);
});

it('tells of work that lacks room once a minute each, and of every other failure', () => {
  const clock = new ManualClock();
  const { reports, told } = reportsOn(clock);
  for (let n = 0; n < 12; n += 1) {
    reports.failed('Writing a checkpoint of /a', full());
    reports.failed('Writing a checkpoint of /b', full());
    clock.advance(5000);
  }
  expect(told).toEqual(['warn Writing a checkpoint of /a failed', 'warn Writing a checkpoint of /b failed']);
  reports.failed('Writing a checkpoint of /a', full());
  reports.failed('Removing /a/x', systemError('EACCES', 'no'));
  reports.failed('Removing /a/x', systemError('EACCES', 'no'));
  expect(told.slice(2)).toEqual([
    'warn Writing a checkpoint of /a failed',
    'warn Removing /a/x failed',
    'warn Removing /a/x failed',
  ]);
});
