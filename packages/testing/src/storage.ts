import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JournalMetadataStore, MemoryMetadataStore, type MetadataStore } from '@millrace/metadata';
import { type Clock, type Disk, MemoryDisk, NodeDisk } from '@millrace/ports';
import { TestBrokerError } from './errors.ts';

/** Where a broker keeps its data, and what becomes of it at the end. */
export interface Storage {
  readonly disk: Disk;
  readonly metadataStore: MetadataStore;
  readonly folder: string;
  close(): Promise<void>;
}

/** Beside the log folder, so that the log does not take it for a partition. */
const METADATA_FOLDER = 'metadata';
const LOG_FOLDER = 'log';

/** @throws TestBrokerError `TESTING_FOLDER_REFUSED` */
export async function openStorage(
  where: 'memory' | 'temp' | { readonly folder: string },
  clock: Clock,
): Promise<Storage> {
  if (where === 'memory') {
    const metadataStore = new MemoryMetadataStore({ clock });
    return {
      disk: new MemoryDisk(() => clock.now()),
      metadataStore,
      folder: '/millrace',
      close: () => metadataStore.close(),
    };
  }
  const root = where === 'temp' ? await mkdtemp(join(tmpdir(), 'millrace-')) : where.folder;
  const disk = new NodeDisk();
  const metadataStore = await openMetadata(root, disk, clock);
  return {
    disk,
    metadataStore,
    folder: join(root, LOG_FOLDER),
    async close() {
      await metadataStore.close();
      if (where === 'temp') await rm(root, { recursive: true, force: true });
    },
  };
}

async function openMetadata(root: string, disk: Disk, clock: Clock): Promise<JournalMetadataStore> {
  try {
    return await JournalMetadataStore.open({ folder: join(root, METADATA_FOLDER), disk, clock });
  } catch (cause) {
    const isInUse = (cause as { code?: unknown }).code === 'STORE_LOCKED';
    const reason = cause instanceof Error ? cause.message : String(cause);
    const why = isInUse ? 'another broker has it. Close that one before, or give each its own' : reason;
    throw new TestBrokerError('TESTING_FOLDER_REFUSED', `Cannot start a broker on the folder '${root}': ${why}`, {
      cause,
    });
  }
}
