import { readFileSync } from 'node:fs';
import { parseBrokerConfig } from '@millrace/broker';
import { describe, expect, it } from 'vitest';
import { zooKeeperOptions } from './zookeeper-settings.ts';

const pem = (name: string): Buffer =>
  readFileSync(new URL(`../../../../packages/network/fixtures/${name}`, import.meta.url));

describe('certificates for ZooKeeper', () => {
  it('are read again at each connection, and those read before hold on where the files are damaged', async () => {
    const { config } = parseBrokerConfig({
      'zookeeper.connect': 'localhost:2181',
      'zookeeper.ssl.client.enable': 'true',
      'zookeeper.clientCnxnSocket': 'org.apache.zookeeper.ClientCnxnSocketNetty',
      'zookeeper.ssl.truststore.location': '/trusted.pem',
    });
    let file = pem('authority.cert.pem');
    const notices: string[] = [];
    const onNotice = (message: string): void => void notices.push(message);
    const { tls } = await zooKeeperOptions(
      config,
      { digest: undefined, loginConfig: undefined },
      async () => file,
      onNotice,
    );
    if (typeof tls !== 'function') throw new Error('it is read once');
    const trusted = async (): Promise<string> => String((await tls()).ca);
    expect(await trusted()).toContain(pem('authority.cert.pem').toString().trim());
    file = pem('localhost.cert.pem');
    expect(await trusted()).toContain(pem('localhost.cert.pem').toString().trim());
    expect(notices).toEqual([]);
    file = Buffer.from('rubbish');
    expect(await trusted()).toContain(pem('localhost.cert.pem').toString().trim());
    expect(notices).toEqual([expect.stringContaining('those that were read before hold on')]);
  });
});
