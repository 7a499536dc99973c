import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { untilPortsAreFree } from './free-ports.ts';
import type { MemberPort } from './member-settings.ts';

const lines: string[] = [];
const line = (_fields: object, message: string): void => void lines.push(message);
const logger = { debug: line, info: line, warn: line, error: line };
let taking: Server | undefined;

async function takenPort(): Promise<MemberPort> {
  taking = createServer().listen(0, '127.0.0.1');
  await once(taking, 'listening');
  const { port } = taking.address() as AddressInfo;
  return { brokerId: 2, purpose: 'listener PLAINTEXT', host: '127.0.0.1', port };
}

afterEach(() => {
  taking?.close();
  lines.length = 0;
});

describe('the ports of a local cluster', () => {
  it('that somebody keeps are told as a taken port, with whose it was to be', async () => {
    const port = await takenPort();
    await expect(untilPortsAreFree([port], logger, 2)).rejects.toMatchObject({
      code: 'START_PORT_IN_USE',
      exitCode: 69,
      message: expect.stringMatching(
        /^Broker 2 cannot open listener PLAINTEXT on 127\.0\.0\.1, port \d+: another process/,
      ),
    });
    expect(lines).toEqual([`Another process listens on 127.0.0.1, port ${port.port}: waiting whether it ends`]);
  });

  it('are waited for while whoever has them ends', async () => {
    const port = await takenPort();
    const free = untilPortsAreFree([port], { ...logger, warn: () => void taking?.close() });
    await expect(free).resolves.toBeUndefined();
  });
});
