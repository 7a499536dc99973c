import { ConnectionError } from '@millrace/network';
import { describe, expect, it } from 'vitest';
import { levelControlOf, openLogger, withoutTraces, withoutTracesOfWhatPasses } from './logging.ts';

const WARN = 40;
const ERROR = 50;

function loggedBy(hook: typeof withoutTraces, level: number, ...args: unknown[]): unknown[] {
  const lines: unknown[][] = [];
  hook.call(undefined, args, (...given: unknown[]) => lines.push(given), level);
  return lines[0]!;
}

const logged = (level: number, ...args: unknown[]): unknown[] => loggedBy(withoutTraces, level, ...args);

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

describe('in JSON', () => {
  it('what passes by itself has a code in the place of a trace, and the rest keeps it', () => {
    const err = new ConnectionError('NETWORK_CONNECTION_LOST', 'it was lost', new Error('reset'));
    const brief = { type: 'ConnectionError', code: 'NETWORK_CONNECTION_LOST', message: 'it was lost' };
    expect(loggedBy(withoutTracesOfWhatPasses, WARN, { err, brokerId: 2 }, 'sent again')).toEqual([
      { err: brief, brokerId: 2 },
      'sent again',
    ]);
    for (const args of [[{ err: new TypeError('a bug') }, 'odd'], [{ brokerId: 2 }, 'fine'], ['only text']]) {
      expect(loggedBy(withoutTracesOfWhatPasses, WARN, ...args)).toEqual(args);
    }
    expect(loggedBy(withoutTracesOfWhatPasses, ERROR, { err }, 'broken')).toEqual([{ err }, 'broken']);
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
