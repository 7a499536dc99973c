import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLogger } from '@millrace/client';
import { expect, it } from 'vitest';
import { type BrokerConsoleOptions, consoleOf } from './of-broker.ts';

const ENDPOINT = { listener: 'PLAINTEXT', securityProtocol: 'PLAINTEXT', host: 'localhost', port: 1 } as const;

/** Asks a broker's console as its page does; no broker is asked. */
async function ask(options: BrokerConsoleOptions, method: 'GET' | 'POST', path: string, host = 'localhost') {
  const make = await consoleOf(options);
  const site = await make({ endpoints: [ENDPOINT], logger: silentLogger });
  const server = createServer((request, response) => site.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // Listening on a port, so the address is one of IP.
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = { host, 'x-millrace-console': '1', 'content-type': 'application/json' };
      const sent = httpRequest({ host: '127.0.0.1', port, path, method, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sent.on('error', reject);
      sent.end(method === 'POST' ? '{"topic":"a","configs":{}}' : undefined);
    });
  } finally {
    server.closeAllConnections();
    server.close();
    await site.close();
  }
}

it("a broker's console changes nothing where it is started to be read alone", async () => {
  const refused = await ask({ consoleReadOnly: true }, 'POST', '/api/clusters/local/topics');
  expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('CONSOLE_READ_ONLY') });
  expect(JSON.parse((await ask({ consoleReadOnly: true }, 'GET', '/api/session')).text)).toMatchObject({
    isReadOnly: true,
  });
  expect(JSON.parse((await ask({}, 'GET', '/api/session')).text)).toMatchObject({ isReadOnly: false });
});

it("a broker's console is reached by the names that it is told, and by those of this machine", async () => {
  const options = { consoleAllowHost: ['console.example', 'Kafka.example'] };
  for (const host of ['console.example:9644', 'kafka.example', 'localhost']) {
    expect((await ask(options, 'GET', '/api/session', host)).status, host).toBe(200);
  }
  const other = await ask(options, 'GET', '/api/session', 'evil.example');
  expect(other).toMatchObject({ status: 403, text: expect.stringContaining('CONSOLE_FOREIGN_HOST') });
  expect(await ask({}, 'GET', '/api/session', 'console.example')).toMatchObject({ status: 403 });
});
