import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { CliIo } from '../io.ts';
import { Output } from '../output/output.ts';
import { auditTo } from './audit.ts';

function noted(tell: (logger: ReturnType<typeof auditTo>) => void, settings = { json: false, quiet: false }): string {
  const stderr = new PassThrough();
  // Of all that a command reads and writes it needs this alone.
  const io = { stdout: new PassThrough(), stderr, env: {} } as unknown as CliIo;
  tell(auditTo({ io, out: new Output(io, settings) }));
  return String(stderr.read() ?? '');
}

describe('what the console notes', () => {
  it('is a line of JSON for each change, in words too, and tells why one failed', () => {
    const err = Object.assign(new TypeError('no such thing', { cause: new Error('beneath') }), { code: 'X' });
    const text = noted((logger) => {
      logger.info({ audit: true, user: 'ann' }, 'ann did it');
      logger.warn({ audit: true, user: 'eve', err }, 'eve tried it');
    });
    const lines: unknown[] = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);
    const told = {
      name: 'TypeError',
      message: 'no such thing',
      code: 'X',
      cause: { name: 'Error', message: 'beneath' },
    };
    expect(lines).toEqual([
      { time, message: 'ann did it', audit: true, user: 'ann' },
      { time, message: 'eve tried it', audit: true, user: 'eve', err: told },
    ]);
  });

  it('comes to scripts as well, and not to those who want no more than the result', () => {
    const tell = (logger: ReturnType<typeof auditTo>): void => logger.info({ audit: true }, 'done');
    expect(JSON.parse(noted(tell, { json: true, quiet: false }))).toMatchObject({ message: 'done' });
    expect(noted(tell, { json: false, quiet: true })).toBe('');
  });

  it('is told in words where it is no change, with the reason', () => {
    const text = noted((logger) => logger.error({ err: new Error('no page') }, 'The console could not be loaded'));
    expect(text).toContain('The console could not be loaded: no page');
  });
});
