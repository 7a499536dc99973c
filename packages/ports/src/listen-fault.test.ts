import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { listenFault } from './listen-fault.ts';

function listen(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, host, () => {
      const taken = (server.address() as { port: number }).port;
      server.close(() => resolve(taken));
    });
  });
}

describe('why a port cannot be opened', () => {
  it.each([
    ['203.0.113.7', 0, 'no network interface of this machine has that address'],
    ['no-such-host.invalid', 0, /^the host name (does not resolve|could not be resolved just now)$/],
    ['127.0.0.1', 99_999, 'ports are numbers from 0 to 65535'],
  ])('is said in words: %s, port %i', async (host, port, words) => {
    const error = await listen(host, port).catch((fault: NodeJS.ErrnoException) => fault);
    expect(listenFault(error as NodeJS.ErrnoException)).toMatch(words);
  });

  it('is said of a port that somebody has', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
    });
    const error = await listen('127.0.0.1', port).catch((fault: NodeJS.ErrnoException) => fault);
    expect(listenFault(error as NodeJS.ErrnoException)).toBe('another process listens there');
    server.close();
  });

  it('is the system’s own word where there is none of ours', () => {
    expect(listenFault(Object.assign(new Error('listen EWHAT'), { code: 'EWHAT' }))).toBe('listen EWHAT');
  });
});
