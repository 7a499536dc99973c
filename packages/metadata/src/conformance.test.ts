import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { type ConformanceSubject, conformanceCases } from './conformance.ts';
import { LmdbMetadataStore } from './lmdb-store.ts';
import { MemoryMetadataStore } from './memory-store.ts';
import { testLocker } from './test-locker.ts';
import type { TreeMetadataStore } from './tree-store.ts';

function subjectOf(root: TreeMetadataStore, remove: () => Promise<void>): ConformanceSubject {
  return {
    session: () => Promise.resolve(root.openSession()),
    expire: (store) => (store as TreeMetadataStore).expireSession(),
    dispose: async () => {
      await root.close();
      await remove();
    },
  };
}

const engines: Record<string, () => Promise<ConformanceSubject>> = {
  memory: async () => subjectOf(new MemoryMetadataStore(), () => Promise.resolve()),
  LMDB: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-metadata-'));
    const store = await LmdbMetadataStore.open({ folder, disk: testLocker() });
    return subjectOf(store, () => rm(folder, { recursive: true }));
  },
};

for (const [name, open] of Object.entries(engines)) {
  describe(`the ${name} engine`, () => {
    for (const behaviour of conformanceCases) it(behaviour.name, () => behaviour.run(open));
  });
}
