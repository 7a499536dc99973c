import { describe, expect, it, vi } from 'vitest';
import { guardedLogger, type Logger, silentLogger } from './logger.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

function loggerOf(say: (...given: unknown[]) => unknown): Logger {
  return { debug: say, info: say, warn: say, error: say } as Logger;
}

describe('a guarded logger', () => {
  it('hands on what is said, on the logger itself', () => {
    class Counting implements Logger {
      said: unknown[] = [];
      debug = (): void => {};
      info = (): void => {};
      error = (): void => {};
      warn(fields: object, message: string): void {
        this.said.push(fields, message);
      }
    }
    const inner = new Counting();
    guardedLogger(inner).warn({ a: 1 }, 'b');
    expect(inner.said).toEqual([{ a: 1 }, 'b']);
  });

  it.each(LEVELS)('throws nothing when the logger throws (%s)', (level) => {
    const say = vi.fn(() => {
      throw new Error('the disk is full');
    });
    expect(() => guardedLogger(loggerOf(say))[level]({}, 'x')).not.toThrow();
    expect(say).toHaveBeenCalledTimes(1);
  });

  it.each(LEVELS)('leaves no rejected promise behind when the logger is asynchronous (%s)', async (level) => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    guardedLogger(loggerOf(() => Promise.reject(new Error('late'))))[level]({}, 'x');
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('takes a logger whose methods are missing or are no functions', () => {
    expect(() => guardedLogger({} as Logger).info({}, 'x')).not.toThrow();
  });

  it('says which levels are written, and drops the lines of one that the logger does not have', () => {
    const said: string[] = [];
    const bare = guardedLogger(loggerOf(() => said.push('said')));
    bare.trace?.({}, 'lost');
    expect([bare.isLevelEnabled?.('debug'), bare.isLevelEnabled?.('trace'), said]).toEqual([true, false, []]);
    const traced = { ...silentLogger, trace: (_: object, line: string) => void said.push(line) };
    const whole = guardedLogger({ ...traced, isLevelEnabled: (level) => level === 'trace' });
    whole.trace?.({}, 'written');
    expect([whole.isLevelEnabled?.('debug'), whole.isLevelEnabled?.('trace'), said]).toEqual([
      false,
      true,
      ['written'],
    ]);
    const torn = guardedLogger({
      ...traced,
      isLevelEnabled: () => {
        throw new Error('no level');
      },
    });
    expect(torn.isLevelEnabled?.('info')).toBe(false);
  });

  it('wraps once', () => {
    const guarded = guardedLogger(loggerOf(() => {}));
    expect(guardedLogger(guarded)).toBe(guarded);
    expect(guardedLogger(silentLogger)).toBe(silentLogger);
  });
});
