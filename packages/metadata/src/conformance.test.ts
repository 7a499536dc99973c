import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryDisk, NodeDisk } from '@millrace/ports';
import { describe, it } from 'vitest';
import { type ConformanceSubject, conformanceCases } from './conformance.ts';
import { JournalMetadataStore } from './journal-store.ts';
import { MemoryMetadataStore } from './memory-store.ts';
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
  journal: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-metadata-'));
    const store = await JournalMetadataStore.open({ folder, disk: new NodeDisk() });
    return subjectOf(store, () => rm(folder, { recursive: true }));
  },
  'journal, rolling all the time,': async () => {
    const store = await JournalMetadataStore.open({ folder: '/metadata', disk: new MemoryDisk(), journalBytesMax: 1 });
    return subjectOf(store, () => Promise.resolve());
  },
};

for (const [name, open] of Object.entries(engines)) {
  describe(`the ${name} engine`, () => {
    for (const behaviour of conformanceCases) it(behaviour.name, () => behaviour.run(open));
  });
}
