import { silentLogger } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { IsrReports } from './isr-reports.ts';

function start() {
  const lines: [fields: object, message: string][] = [];
  const info = (fields: object, message: string): void => void lines.push([fields, message]);
  return { reports: new IsrReports({ ...silentLogger, info }), lines };
}

describe('the log of in-sync replicas', () => {
  it('names every partition while they are few', async () => {
    const { reports, lines } = start();
    const joined = { topic: 't', partition: 0, before: [1], isr: [1, 2] };
    const left = { topic: 't', partition: 1, before: [1, 2], isr: [1] };
    reports.committed(joined);
    reports.committed(left);
    await Promise.resolve();
    expect(lines).toEqual([
      [left, 'In-sync replicas have left'],
      [joined, 'In-sync replicas have joined'],
    ]);
  });

  it('has one line for a broker that comes back to many at once, and says anew what comes later', async () => {
    const { reports, lines } = start();
    for (let partition = 0; partition < 20; partition += 1) {
      reports.committed({ topic: 't', partition, before: [1], isr: [1, 2] });
    }
    await Promise.resolve();
    const some = Array.from({ length: 10 }, (_, partition) => `t-${partition}`);
    expect(lines).toEqual([
      [{ brokers: [2], partitions: 20, some }, 'In-sync replicas of many partitions have joined'],
    ]);
    const later = { topic: 't', partition: 0, before: [1, 2], isr: [1, 2, 3] };
    reports.committed(later);
    await Promise.resolve();
    expect(lines.slice(1)).toEqual([[later, 'In-sync replicas have joined']]);
  });
});
