import { describe, expect, it } from 'vitest';
import { withLineBudget } from './line-budget.ts';
import { ManualClock } from './manual-clock.ts';

describe('lines of one level that clients bring about', () => {
  it('are bounded by the second, and tell how many were left out', () => {
    const clock = new ManualClock();
    const lines: [level: string, fields: object][] = [];
    const note = (level: string) => (fields: object) => void lines.push([level, fields]);
    const logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
    const bounded = withLineBudget(logger, clock, 'warn');
    for (let n = 0; n < 100; n += 1) bounded.warn({ n }, 'closing');
    expect(lines).toHaveLength(20);
    for (const level of ['debug', 'info', 'error'] as const) {
      for (let n = 0; n < 30; n += 1) bounded[level]({}, 'something else');
      expect(lines.filter(([seen]) => seen === level)).toHaveLength(30);
    }
    clock.advance(1000);
    bounded.warn({ n: 100 }, 'closing');
    expect(lines.at(-1)).toEqual(['warn', { n: 100, linesLeftOut: 80 }]);
    bounded.warn({ n: 101 }, 'closing');
    expect(lines.at(-1)).toEqual(['warn', { n: 101 }]);
  });

  it('of one kind do not hide those of another', () => {
    const clock = new ManualClock();
    const lines: string[] = [];
    const ignore = () => {};
    const logger = {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (_: object, message: string) => void lines.push(message),
    };
    const bounded = withLineBudget(logger, clock, 'warn');
    for (let n = 0; n < 100; n += 1)
      bounded.warn({}, `Closing connection of 10.0.0.${n}:${40_000 + n}: a frame of ${n} bytes`);
    expect(lines).toHaveLength(20);
    bounded.warn({}, 'Closing connection of fe80::1:40100: it speaks TLS');
    bounded.warn({ err: new Error('API key 7') }, 'Closing connection of fe80::1:40101: its request failed');
    bounded.warn({ err: new Error('API key 8') }, 'Closing connection of fe80::1:40102: its request failed');
    bounded.warn({ err: new Error('no such version') }, 'Closing connection of fe80::1:40103: its request failed');
    expect(lines.slice(20).map((line) => line.split(':40')[1])).toEqual([
      '100: it speaks TLS',
      '101: its request failed',
      '103: its request failed',
    ]);
    clock.advance(500);
    for (let n = 0; n < 1000; n += 1) bounded.warn({ err: new Error('x'.repeat(n)) }, 'a kind of its own');
    expect(lines.length).toBeLessThanOrEqual(20 + 32);
  });
});
