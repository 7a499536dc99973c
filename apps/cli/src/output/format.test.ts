import { describe, expect, it } from 'vitest';
import {
  counted,
  formatBytes,
  formatCount,
  formatDuration,
  formatRanges,
  formatTimestamp,
  printable,
} from './format.ts';

describe('values for people', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [5168, '5,168'],
    [-1234567, '-1,234,567'],
  ])('writes the count %d as %s', (count, text) => {
    expect(formatCount(count)).toBe(text);
  });

  it('puts the noun in its number', () => {
    expect([counted(0, 'record'), counted(1, 'record'), counted(2000, 'record')]).toEqual([
      '0 records',
      '1 record',
      '2,000 records',
    ]);
    expect(counted(2, 'entry', 'entries')).toBe('2 entries');
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [358_108, '350 KiB'],
    [1536 * 1024, '1.5 MiB'],
    [5 * 1024 ** 4, '5.0 TiB'],
  ])('writes %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0.4, '0 ms'],
    [999, '999 ms'],
    [2000, '2 s'],
    [2140, '2.1 s'],
    [59_949, '59.9 s'],
    [59_990, '1 min'],
    [185_000, '3 min 5 s'],
    [7_200_000, '2 h'],
    [604_800_000, '7 d'],
    [90_000_000, '1 d 1 h'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('writes timestamps in UTC, and those that are none as what they are', () => {
    expect(formatTimestamp(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(formatTimestamp(-1)).toBe('-');
    expect(formatTimestamp(Number.MAX_SAFE_INTEGER)).toBe('9007199254740991');
  });

  it('draws runs of numbers together', () => {
    expect(formatRanges([5, 0, 1, 2, 8, 9])).toBe('0-2, 5, 8, 9');
    expect(formatRanges([])).toBe('');
  });

  it('lets nothing through that could steer a terminal', () => {
    expect(printable('a\u001b[31mb\u0007\nc\u202e')).toBe('a\\x1b[31mb\\x07\\x0ac\\u202e');
    expect(printable('grün 水')).toBe('grün 水');
  });
});
