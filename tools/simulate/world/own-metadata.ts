import { adoptLogs, type BrokerConfig } from '@millrace/broker';
import { identifyLogFolder } from '@millrace/log';
import { JournalMetadataStore, rewriteStore } from '@millrace/metadata';
import type { Clock, Disk, Random } from '@millrace/ports';

/** The folder of the store that a broker keeps for itself, as the real process names it. */
const FOLDER = '__millrace_metadata';

/** What a start fails with when the store is damaged, or has lost what the logs know. */
const DAMAGED = new Set(['STORE_CORRUPT', 'BROKER_METADATA_BEHIND']);

/** The folder of a broker's own store on its machine's disk. */
export function ownMetadataFolder({ logDirs }: BrokerConfig): string {
  return `${logDirs[0]}/${FOLDER}`;
}

/** Opens a broker's own store for one life. `onFailed` is told when the store takes no more writes. */
export function openOwnMetadata(
  config: BrokerConfig,
  parts: { readonly disk: Disk; readonly clock: Clock; readonly onFailed: () => void },
): Promise<JournalMetadataStore> {
  // Small, so that it rolls all the time.
  return JournalMetadataStore.open({ folder: ownMetadataFolder(config), journalBytesMax: 2000, ...parts });
}

/** Whether an operator would have to bring the store back before the broker can start. */
export function isMetadataDamaged(error: unknown): boolean {
  return DAMAGED.has(String((error as { readonly code?: unknown }).code));
}

/** What an operator does then: `millrace metadata restore --execute`. */
export async function restoreOwnMetadata(
  config: BrokerConfig,
  parts: { readonly disk: Disk; readonly clock: Clock; readonly random: Random },
): Promise<void> {
  const { disk, clock, random } = parts;
  const found = await Promise.all(config.logDirs.map((folder) => identifyLogFolder(disk, folder)));
  const logs = found.flatMap(({ partitions }) => partitions);
  const clusterId = found.find(({ owner }) => owner.clusterId !== undefined)?.owner.clusterId;
  await rewriteStore({
    folder: ownMetadataFolder(config),
    disk,
    clock,
    edit: async (store, { rewrites: restorations }) => {
      const { brokerId } = config;
      await adoptLogs(store, { logs, brokerId, clusterId, restorations, random, nowMs: clock.now() });
    },
  });
}
