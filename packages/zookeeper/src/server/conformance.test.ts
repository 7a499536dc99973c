import { MemoryMetadataStore } from '@millrace/metadata';
import { type ConformanceSubject, conformanceCases } from '@millrace/metadata/internal';
import { systemClock, systemRandom } from '@millrace/ports';
import { describe, it } from 'vitest';
import { ZooKeeperMetadataStore } from '../store.ts';
import { ZooKeeperListener } from './listener.ts';
import { ZooKeeperServer } from './server.ts';

async function openSubject(chroot: string): Promise<ConformanceSubject> {
  const store = new MemoryMetadataStore();
  const server = new ZooKeeperServer({ store, clock: systemClock, random: systemRandom });
  const listener = await ZooKeeperListener.listen(server, { host: '127.0.0.1', port: 0 });
  const stores: ZooKeeperMetadataStore[] = [];
  return {
    session: async () => {
      const opened = await ZooKeeperMetadataStore.open({ connect: `127.0.0.1:${listener.port}${chroot}` });
      stores.push(opened);
      return opened;
    },
    expire: async (expiring) => {
      const isExpired = new Promise<void>((resolve) => {
        expiring.onSession((state) => state === 'expired' && resolve());
      });
      await server.expire(expiring.sessionId);
      await isExpired;
    },
    dispose: async () => {
      await Promise.all(stores.map((each) => each.close()));
      await listener.close();
      await server.close();
      await store.close();
    },
  };
}

for (const chroot of ['', '/some/where']) {
  describe(`a server of ours and a client of ours, at "${chroot}"`, () => {
    for (const behaviour of conformanceCases) it(behaviour.name, () => behaviour.run(() => openSubject(chroot)));
  });
}
