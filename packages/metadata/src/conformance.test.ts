import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryDisk, NodeDisk } from '@millrace/ports';
import { describe, it } from 'vitest';
import { conformanceCases } from './conformance.ts';
import { connectionCases } from './conformance-connection.ts';
import type { ConformanceSubject } from './conformance-scene.ts';
import { JournalMetadataStore } from './journal-store.ts';
import { MemoryMetadataStore } from './memory-store.ts';
import { FaultyMetadataStore } from './testing/faulty-store.ts';
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

/** The same with connections that can be lost. */
function faultySubjectOf(subject: ConformanceSubject): ConformanceSubject {
  const faulty = (store: unknown): FaultyMetadataStore => store as FaultyMetadataStore;
  return {
    ...subject,
    session: async () => {
      const inner = (await subject.session()) as TreeMetadataStore;
      return new FaultyMetadataStore(inner, { expire: () => inner.expireSession(), freeze: () => inner.freeze() });
    },
    expire: (store) => faulty(store).expire(),
    faults: {
      cut: (store) => faulty(store).cut(),
      cutAtNextWrite: (store, when) => faulty(store).cutAtNextWrite(when),
      mend: (store) => faulty(store).mend(),
      expireUnheard: (store) => faulty(store).expire(),
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

for (const [name, open] of Object.entries(engines)) {
  describe(`the ${name} engine with connections that can be lost`, () => {
    const openFaulty = async (): Promise<ConformanceSubject> => faultySubjectOf(await open());
    for (const behaviour of [...conformanceCases, ...connectionCases]) {
      it(behaviour.name, () => behaviour.run(openFaulty));
    }
  });
}
