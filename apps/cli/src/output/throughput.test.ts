import { describe, expect, it } from 'vitest';
import { throughput } from './throughput.ts';

describe('what was carried', () => {
  it('comes with its rate', () => {
    expect(throughput({ records: 5177, bytes: 353_000, startedAt: 10 }, 81)).toBe(
      '5,177 records (345 KiB) in 71 ms: 72,915 records/s, 4.7 MiB/s',
    );
  });

  it('comes without where there is little of it', () => {
    expect(throughput({ records: 1, bytes: 13, startedAt: 10 }, 27)).toBe('1 record (13 B) in 17 ms');
  });
});
