import { MemoryMetadataStore } from '@millrace/metadata';
import { type ConformanceSubject, conformanceCases, connectionCases } from '@millrace/metadata/internal';
import { systemClock, systemRandom } from '@millrace/ports';
import { describe, it } from 'vitest';
import { CuttableStores, reaches } from '../testing/cuttable-stores.ts';
import { ZooKeeperListener } from './listener.ts';
import { ZooKeeperServer } from './server.ts';

async function openSubject(chroot: string): Promise<ConformanceSubject> {
  const store = new MemoryMetadataStore();
  const server = new ZooKeeperServer({ store, clock: systemClock, random: systemRandom });
  const listener = await ZooKeeperListener.listen(server, { host: '127.0.0.1', port: 0 });
  const stores = new CuttableStores((expiring) => server.expire(expiring.sessionId));
  return {
    session: () => stores.open({ connect: `127.0.0.1:${listener.port}${chroot}` }),
    expire: async (expiring) => {
      const isExpired = reaches(expiring, 'expired');
      await server.expire(expiring.sessionId);
      await isExpired;
    },
    faults: stores.faults,
    dispose: async () => {
      await stores.close();
      await listener.close();
      await server.close();
      await store.close();
    },
  };
}

for (const chroot of ['', '/some/where']) {
  describe(`a server of ours and a client of ours, at "${chroot}"`, () => {
    for (const behaviour of [...conformanceCases, ...connectionCases]) {
      it(behaviour.name, () => behaviour.run(() => openSubject(chroot)));
    }
  });
}
