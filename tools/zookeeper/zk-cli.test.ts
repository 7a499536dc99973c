import { MemoryMetadataStore } from '@millrace/metadata';
import { systemClock, systemRandom } from '@millrace/ports';
import { ZooKeeperListener, ZooKeeperServer } from '@millrace/zookeeper';
import { describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { ZooKeeperEnsemble } from './ensemble.ts';
import { zkCli } from './zk-cli.ts';

const START_MS_MAX = 90_000;

/** What somebody who looks into a cluster does. */
const COMMANDS = [
  'create /a one',
  'create /a/b two',
  'create -e /a/e three',
  'create -s /a/s_ four',
  'create /a again',
  'get /a',
  'get -s /a/b',
  'set -v 0 /a five',
  'set -v 0 /a six',
  'get -w /a',
  'set /a seven',
  'ls -s /a',
  'ls -R /a',
  'ls -w /a',
  'delete /a/e',
  'stat /a/b',
  'getAcl /a',
  'delete /a',
  'get /missing',
  'sync /a',
  'deleteall /a',
  'ls /a',
];

/** Without numbers and times that differ from server to server, log lines and prompts, and what it may say or not before it ends. */
function normalized(output: string): string[] {
  return output
    .replace(/WATCHER::\s+WatchedEvent state:Closed .*/, '')
    .split('\n')
    .map((line) => line.replace(/^\[zk: [^\]]*\] ?/, '').trimEnd())
    .filter((line) => line !== '' && !/^\d{4}-|SLF4J|^Connecting|^Welcome|JLine|^log4j/.test(line))
    .map((line) =>
      line
        .replace(/0x[0-9a-f]+/g, '0x')
        .replace(/time = .*/, 'time =')
        .replace(/:\d{4,5}\(/, ':PORT('),
    );
}

describe.skipIf(!has('zookeeper', import.meta.url))("ZooKeeper's own command line", () => {
  it(
    'shows on our server what it shows on theirs',
    async () => {
      const ensemble = await ZooKeeperEnsemble.start();
      const store = new MemoryMetadataStore();
      const server = new ZooKeeperServer({ store, clock: systemClock, random: systemRandom });
      const listener = await ZooKeeperListener.listen(server, { host: '127.0.0.1', port: 0 });
      try {
        const [theirs, ours] = await Promise.all(
          [ensemble.portOf(1), listener.port].map((port) => zkCli(port, COMMANDS)),
        );
        const expected = normalized(theirs ?? '');
        expect(expected.length).toBeGreaterThan(COMMANDS.length);
        expect(normalized(ours ?? '')).toEqual(expected);
      } finally {
        await listener.close();
        await server.close();
        await ensemble.stop();
      }
    },
    START_MS_MAX,
  );
});
