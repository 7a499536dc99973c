import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@millrace/broker';
import { MemoryMetadataStore } from '@millrace/metadata';
import { NodeDisk, systemClock, systemRandom } from '@millrace/ports';
import { type ListenAddress, ZooKeeperListener, ZooKeeperServer } from '@millrace/zookeeper';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LiveMetadata, SOCKET_FILE } from './live-metadata.ts';
import { METADATA_FOLDER, openOwnMetadata } from './metadata-engine.ts';

let folder: string;
let tree: MemoryMetadataStore;
let server: ZooKeeperServer;
let listener: ZooKeeperListener | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-live-'));
  tree = new MemoryMetadataStore();
  server = new ZooKeeperServer({ store: tree, clock: systemClock, random: systemRandom });
});

afterEach(async () => {
  await listener?.close();
  listener = undefined;
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const listen = async (address: ListenAddress): Promise<ZooKeeperListener> => {
  listener = await ZooKeeperListener.listen(server, address);
  return listener;
};

const open = (overrides: Record<string, string> = {}): Promise<LiveMetadata | undefined> =>
  LiveMetadata.open({ env: {}, overrides: { 'log.dirs': folder, ...overrides } });

describe('metadata that is in use', () => {
  it('is read from the ensemble that the settings name, below its chroot, and nothing is made there', async () => {
    const { port } = await listen({ host: '127.0.0.1', port: 0 });
    for (const path of ['/kafka', '/kafka/brokers', '/kafka/brokers/ids', '/kafka/brokers/ids/1', '/other']) {
      await tree.create(path, Buffer.from(path));
    }
    const live = await open({ 'zookeeper.connect': `127.0.0.1:${port}/kafka` });
    const all = await live?.read('/', true);
    expect([...(all?.walk('/') ?? [])].map(({ path }) => path)).toEqual([
      '/',
      '/brokers',
      '/brokers/ids',
      '/brokers/ids/1',
    ]);
    expect(all?.node('/brokers/ids/1')?.data.toString()).toBe('/kafka/brokers/ids/1');
    const one = await live?.read('/brokers/ids/2', false);
    expect([one?.node('/brokers/ids/2'), one?.children('/brokers/ids')]).toEqual([undefined, ['1']]);
    await live?.close();
    const none = await open({ 'zookeeper.connect': `127.0.0.1:${port}/none` });
    await expect(none?.read('/brokers', false)).rejects.toMatchObject({
      code: 'START_CONFIG_INVALID',
      message: expect.stringMatching(/nothing at the chroot .*\/none: .*zookeeper\.connect=127\.0\.0\.1:\d+` lists/),
    });
    await none?.close();
    expect(await tree.exists('/none')).toBeUndefined();
  });

  it('is read from the local cluster that has the store open', async () => {
    expect(await open()).toBeUndefined();
    const path = join(folder, 's');
    await listen({ path });
    await tree.create('/controller', Buffer.alloc(0), { ephemeral: true });
    const storeFolder = join(folder, METADATA_FOLDER);
    const store = await openOwnMetadata(storeFolder, {
      disk: new NodeDisk(),
      logger: silentLogger,
      onFailed: () => {},
    });
    await writeFile(join(storeFolder, SOCKET_FILE), path);
    const live = await open();
    expect((await live?.read('/', false))?.children('/')).toEqual(['controller']);
    await live?.close();
    await store.close();
    // Whoever is killed leaves the file, and nobody listens.
    expect(await open()).toBeUndefined();
  });

  it('that nobody serves is called unreachable', async () => {
    const opening = open({ 'zookeeper.connect': '127.0.0.1:1', 'zookeeper.connection.timeout.ms': '100' });
    await expect(opening).rejects.toMatchObject({ code: 'START_METADATA_UNREACHABLE' });
  });
});
