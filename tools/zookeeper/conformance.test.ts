import { randomUUID } from 'node:crypto';
import { type ConformanceSubject, conformanceCases, connectionCases } from '@millrace/metadata/internal';
import { ZooKeeperMetadataStore } from '@millrace/zookeeper';
import { CuttableStores } from '@millrace/zookeeper/internal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { has } from '../needs/index.ts';
import { ZooKeeperEnsemble } from './ensemble.ts';
import { expireSession, expireUnheard } from './expire-session.ts';

/** A JVM has to start. */
const START_MS_MAX = 90_000;

describe.skipIf(!has('zookeeper', import.meta.url))('a ZooKeeper server', () => {
  let ensemble: ZooKeeperEnsemble;
  beforeAll(async () => {
    ensemble = await ZooKeeperEnsemble.start();
  }, START_MS_MAX);
  afterAll(() => ensemble.stop());

  /** A tree of its own for each behaviour, by a chroot. */
  async function openSubject(): Promise<ConformanceSubject> {
    const connect = `${ensemble.connectString}/${randomUUID()}`;
    const stores = new CuttableStores((store) => expireUnheard(store, ensemble.portOf(1)));
    return {
      session: () => stores.open({ connect, sessionTimeoutMs: 2000 }),
      expire: (store) => expireSession(store as ZooKeeperMetadataStore, ensemble.portOf(1)),
      faults: stores.faults,
      dispose: () => stores.close(),
    };
  }

  for (const behaviour of [...conformanceCases, ...connectionCases])
    it(behaviour.name, () => behaviour.run(openSubject));

  it('keeps nodes without content as null, as brokers of Kafka expect them', async () => {
    const store = await ZooKeeperMetadataStore.open({ connect: ensemble.connectString });
    await store.create('/null', Buffer.alloc(0));
    const { data, stat } = await store.get('/null');
    expect([data.length, stat.dataBytes]).toEqual([0, 0]);
    await store.close();
  });
});
