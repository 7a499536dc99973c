import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { LogOutput } from './log-output.ts';

const LINES = 4000;

/** Writes far more than a pipe and the bound hold, and says so on another way before anybody has read a byte. */
const PROGRAM = `
  const { openLogger } = await import(${JSON.stringify(fileURLToPath(new URL('./logging.ts', import.meta.url)))});
  const logger = await openLogger('info', false);
  for (let line = 0; line < ${LINES}; line += 1) logger.info({ line }, 'x'.repeat(1000));
  process.send('went on');
  process.on('message', () => {
    logger.info({}, 'the last');
    process.disconnect();
  });
`;

describe('the output of a log', () => {
  it('does not hold up the process while nobody reads it, and says what was left out', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    try {
      await once(child, 'message');
      let text = '';
      let isEnding = false;
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (!isEnding && text.includes('left out')) isEnding = child.send('end');
      });
      await once(child, 'close');
      const lines = text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { lines?: number; msg: string });
      expect(lines.at(-1)).toMatchObject({ msg: 'the last' });
      const leftOut = lines.reduce((sum, { lines: left = 0 }) => sum + left, 0);
      expect(leftOut).toBeGreaterThan(LINES / 2);
      expect(lines.filter(({ msg }) => msg.startsWith('xxx')).length + leftOut).toBe(LINES);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('is given up where the reader has gone', async () => {
    const given: string[] = [];
    const stream = new Writable({
      write(chunk, _, done) {
        given.push(String(chunk));
        done(new Error('EPIPE'));
      },
    });
    const output = new LogOutput(stream);
    output.write('first');
    await new Promise((resolve) => stream.once('close', resolve));
    output.write('second');
    expect(given).toEqual(['first']);
  });
});
