import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { parseStartAt } from './start-at.ts';
import {
  assignment,
  count,
  duration,
  moment,
  natural,
  parseDuration,
  parseMoment,
  partitionCount,
  partitions,
  port,
  replicaCount,
  setting,
  wholeNumber,
} from './values.ts';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['30', 30_000],
    ['1.5', 1500],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['1w', 604_800_000],
    ['PT1H30M', 5_400_000],
    ['P1DT2H', 93_600_000],
    ['PT0.5S', 500],
    ['2sec', 2000],
    ['2 minutes', 120_000],
    ['1 Hour 30 min', 5_400_000],
    ['250 millis', 250],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', 'soon', '5 x', 'P', 'PT', 'P1Y', '-5s', '1h 30', 's', '1 month', '5s5', '1,5s'])(
    'does not read %j',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
      expect(() => duration(text)).toThrow(InvalidArgumentError);
    },
  );
});

describe('numbers with bounds', () => {
  it.each(['0', '32768', '1.5', '-1', '', '99999999999', 'x'])('are not %j', (text) => {
    expect(() => replicaCount(text)).toThrow('It is a whole number from 1 to 32767.');
  });

  it('are those within them', () => {
    expect(['1', '32767'].map(replicaCount)).toEqual([1, 32767]);
    expect(partitionCount('2147483647')).toBe(2147483647);
    expect(() => duration('99999999999999999d')).toThrow('longer than can be counted');
  });
});

describe('moments', () => {
  it.each([
    ['2026-03-01T12:00:00Z', Date.UTC(2026, 2, 1, 12)],
    ['2026-03-01T12:00:00.250+02:00', Date.UTC(2026, 2, 1, 10, 0, 0, 250)],
    ['2026-03-01 12:00', Date.UTC(2026, 2, 1, 12)],
    ['2026-03-01T12:00:00.000', Date.UTC(2026, 2, 1, 12)],
    ['2026-03-01', Date.UTC(2026, 2, 1)],
    ['2028-02-29T23:59+09:00', Date.UTC(2028, 1, 29, 14, 59)],
    ['1700000000000', 1_700_000_000_000],
  ])('reads %s, UTC where no zone is named', (text, ms) => {
    expect(parseMoment(text)).toBe(ms);
  });

  it.each(['yesterday', '2026-13-01', '2026-02-30', '2025-02-29T12:00:00Z', '12:00', '17', ''])(
    'does not read %j',
    (text) => {
      expect(parseMoment(text)).toBeUndefined();
      expect(() => moment(text)).toThrow(InvalidArgumentError);
    },
  );
});

describe('where reading begins', () => {
  it.each([
    ['beginning', { at: 'beginning' }],
    ['latest', { at: 'end' }],
    ['42', { at: 'offset', offset: 42 }],
    ['-10', { at: 'last', count: 10 }],
    ['timestamp:5', { at: 'time', timestamp: 5 }],
    ['2026-03-01T00:00:00Z', { at: 'time', timestamp: Date.UTC(2026, 2, 1) }],
  ])('reads %s', (text, start) => {
    expect(parseStartAt(text)).toEqual(start);
  });

  it.each(['', 'middle', '1.5', 'timestamp:', 'timestamp:x', '99999999999999999999'])('does not read %j', (text) => {
    expect(parseStartAt(text)).toBeUndefined();
  });
});

describe('numbers and lists', () => {
  it('reads partitions as numbers and ranges', () => {
    expect(partitions('3,0-2', undefined)).toEqual([0, 1, 2, 3]);
    expect(partitions('1', [4])).toEqual([1, 4]);
    for (const text of ['', 'a', '2-1', '0-999999999']) {
      expect(() => partitions(text, undefined)).toThrow(InvalidArgumentError);
    }
  });

  it('keeps equal signs in values', () => {
    expect(assignment('a=b=c', [['x', 'y']])).toEqual([
      ['x', 'y'],
      ['a', 'b=c'],
    ]);
    expect(() => assignment('=b', undefined)).toThrow(InvalidArgumentError);
    expect(() => assignment('b', undefined)).toThrow(InvalidArgumentError);
    expect(setting('b=2', [['a', '1']])).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
    expect(() => setting('a=2', [['a', '1']])).toThrow('a is given twice.');
  });

  it('holds numbers to their range', () => {
    expect([port('0'), count('1'), natural('0'), wholeNumber('-3'), wholeNumber('+3')]).toEqual([0, 1, 0, -3, 3]);
    expect(() => port('65536')).toThrow(InvalidArgumentError);
    expect(() => count('0')).toThrow(InvalidArgumentError);
    expect(() => natural('-1')).toThrow(InvalidArgumentError);
    expect(() => wholeNumber('1.5')).toThrow(InvalidArgumentError);
  });
});
