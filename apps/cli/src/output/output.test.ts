import { Writable } from 'node:stream';
import { systemError } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { written } from './output.ts';

/** A stream whose writes all end so. */
function streamThat(error: Error | undefined): Writable {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(error) });
  stream.on('error', () => undefined);
  return stream;
}

describe('what is written', () => {
  it.each([
    [undefined, true],
    ['EPIPE', false],
    ['EIO', false],
  ])('tells whether somebody reads it (%s)', async (code, isThere) => {
    const error = code === undefined ? undefined : systemError(code, 'gone');
    expect(await written(streamThat(error), 'text')).toBe(isThere);
  });

  it('fails with the reason where there is no room for it', async () => {
    await expect(written(streamThat(systemError('ENOSPC', 'no space left on device')), 'text')).rejects.toMatchObject({
      code: 'CLI_FAILED',
      message: expect.stringContaining('no space left on device'),
    });
  });
});
