import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { killNine } from './crash-run.ts';
import { expectKept, RUN_MS_MAX } from './expect-kept.ts';
import { Ledger, loadValue, PartitionCheck } from './ledger.ts';
import { readUncut } from './load.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-kill-nine-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a broker that is killed under load', () => {
  it(
    'keeps every acknowledged record, in order and once, and what groups have committed',
    async () => {
      const report = await killNine({ folder, rounds: 4, loadMsMax: 500, partitions: 4 });
      expectKept(report);
      expect(report.recordsRead).toBe(report.recordsAcknowledged);
      expect(report.recordsAcknowledged).toBeGreaterThan(100);
      expect(report.commitsAcknowledged).toBeGreaterThan(0);
      expect(report.crashesWhileStarting).toBe(1);
      expect(report.cleaned.map(({ topic }) => topic)).toEqual(['deleted', 'compacted', 'compacted-deleted']);
      expect(report.lastEnding).toMatchObject({ code: 0, signal: null });
    },
    RUN_MS_MAX,
  );
});

describe('the check of a partition', () => {
  const record = (sequence: number) => ({ producer: 0, partition: 0, sequence });
  /** What the check finds when records 0 to 2 are acknowledged at offsets 0 to 2 and `found` is in the log. */
  function violationsOf(found: readonly number[]): string[] {
    const ledger = new Ledger();
    for (const sequence of [0, 1, 2]) ledger.acknowledged(record(sequence), sequence);
    const check = new PartitionCheck(ledger, 0);
    for (const [offset, sequence] of found.entries()) check.record(offset, loadValue(record(sequence)));
    check.end(1);
    return ledger.violations;
  }

  it('is content with what was acknowledged, and with what was sent behind it', () => {
    expect(violationsOf([0, 1, 2])).toEqual([]);
    expect(violationsOf([0, 1, 2, 3])).toEqual([]);
  });

  it('sees a lost record, a repeated one, a swapped pair, and a group that goes back', () => {
    expect(violationsOf([0, 1]).join()).toContain('records 2 to 2 of producer 0 are lost');
    expect(violationsOf([0, 1, 1, 2]).join()).toContain('record 0 1 came again or out of order');
    expect(violationsOf([0, 2, 1]).join()).toContain('record 0 2 came after a gap from 1');
    const ledger = new Ledger();
    ledger.committed('g', 0, 7);
    ledger.checkCommitted('g', 0, ledger.committedOffset('g', 0), 6);
    ledger.checkCommitted('g', 0, ledger.committedOffset('g', 0), undefined);
    expect(ledger.violationCount).toBe(2);
  });
});

describe('reading what retention is at work on', () => {
  const failing = (code: string, times: number) => {
    let left = times;
    return async (): Promise<string> => {
      left -= 1;
      if (left >= 0) throw Object.assign(new Error(code), { code });
      return 'read';
    };
  };

  it('begins again where the first record has gone meanwhile, and hides nothing else', async () => {
    expect(await readUncut(failing('KAFKA_OFFSET_OUT_OF_RANGE', 2))).toBe('read');
    await expect(readUncut(failing('KAFKA_UNKNOWN_SERVER_ERROR', 1))).rejects.toThrow('KAFKA_UNKNOWN_SERVER_ERROR');
  });
});
