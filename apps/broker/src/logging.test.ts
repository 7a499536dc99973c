import { describe, expect, it } from 'vitest';
import { levelControlOf, openLogger, withoutTraces } from './logging.ts';

const WARN = 40;
const ERROR = 50;

function logged(level: number, ...args: unknown[]): unknown[] {
  const lines: unknown[][] = [];
  withoutTraces.call(undefined, args, (...given: unknown[]) => lines.push(given), level);
  return lines[0]!;
}

describe('on a terminal', () => {
  const err = new Error('no route');

  it('a warning says why in a line', () => {
    expect(logged(WARN, { err, brokerId: 2 }, 'sent again')).toEqual([{ brokerId: 2, why: 'no route' }, 'sent again']);
  });

  it('an error keeps its trace, and other lines stay as they are', () => {
    expect(logged(ERROR, { err }, 'broken')).toEqual([{ err }, 'broken']);
    expect(logged(WARN, { err: 'text' }, 'odd')).toEqual([{ err: 'text' }, 'odd']);
    expect(logged(WARN, 'only text')).toEqual(['only text']);
  });
});

describe('the level of a logger', () => {
  it.each([false, true])('can be changed while it is in use (on a terminal: %s)', async (terminal) => {
    const logger = await openLogger('silent', terminal);
    const control = levelControlOf(logger);
    expect(control?.level).toBe('silent');
    control!.level = 'fatal';
    expect(levelControlOf(logger)?.level).toBe('fatal');
  });

  it('is not there for one that has none', () => {
    expect(levelControlOf(console)).toBeUndefined();
  });
});
