import { type Logger, silentLogger } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { Guard } from './guard.ts';

function recordingLogger(): { logger: Logger; errors: string[] } {
  const errors: string[] = [];
  return {
    errors,
    logger: { ...silentLogger, error: (_fields: object, message: string) => void errors.push(message) },
  };
}

const fail = (): never => {
  throw new Error('on purpose');
};

describe('Guard', () => {
  it('lets nothing out of what it runs, and logs it', async () => {
    const { logger, errors } = recordingLogger();
    const guard = new Guard(logger);
    expect(guard.run('A timer', fail)).toBe(false);
    expect(guard.run('A timer', () => {})).toBe(true);
    guard.settle('A promise', Promise.reject(new Error('on purpose')));
    await Promise.resolve();
    expect(errors).toEqual([expect.stringContaining('A timer failed'), expect.stringContaining('A promise failed')]);
  });

  it('bears a logger that throws', () => {
    expect(new Guard({ ...silentLogger, error: fail }).run('A timer', fail)).toBe(false);
  });
});
