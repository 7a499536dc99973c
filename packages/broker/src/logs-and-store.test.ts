import { MemoryMetadataStore } from '@millrace/metadata';
import { seededRandom } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from './config/broker-config.ts';
import { tellFounded } from './logs-and-store.ts';
import { silentLogger } from './shared/logger.ts';
import { clusterId, makePersistentNodes } from './store/registration.ts';

/** What a broker says that starts at a store. */
async function saidBy(store: MemoryMetadataStore, connect?: string): Promise<string[]> {
  const said: string[] = [];
  const settings = connect === undefined ? {} : { 'zookeeper.connect': connect };
  const { config } = parseBrokerConfig({ 'broker.id': '1', ...settings });
  const logger = { ...silentLogger, info: (_: object, message: string) => void said.push(message) };
  await makePersistentNodes(store);
  await clusterId(store, seededRandom(1), null, (id) => tellFounded(id, { config, logger }));
  return said;
}

describe('a broker that finds no cluster where it looks', () => {
  it.each([
    ['zk1:2181,zk2:2181/kafka', 'the chroot /kafka of zookeeper.connect=zk1:2181,zk2:2181/kafka.'],
    ['zk1:2181', 'the chroot / of zookeeper.connect=zk1:2181.'],
  ])('says at which chroot it has founded a new one: %s', async (connect, where) => {
    const store = new MemoryMetadataStore();
    expect(await saidBy(store, connect)).toEqual([expect.stringMatching(/^Founded a new cluster: /)]);
    expect(await saidBy(new MemoryMetadataStore(), connect)).toEqual([expect.stringContaining(where)]);
    // The next one finds it.
    expect(await saidBy(store, connect)).toEqual([]);
  });

  it('says nothing where the store is its own, in which it cannot be mistaken', async () => {
    expect(await saidBy(new MemoryMetadataStore())).toEqual([]);
  });
});
