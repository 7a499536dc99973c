import type { Disk } from '@millrace/ports';
import { batchCrc, batchSizeBytes, computeBatchCrc, splitBatches } from '@millrace/records';
import type { Build } from '../build.ts';
import { WrappedDisk } from './disk-wrapper.ts';

/** Where the CRC of a batch stands in it. */
const CRC_AT = 17;

const CLEAN_SHUTDOWN_MARKER = '.kafka_cleanshutdown';

export const acknowledgesBeforeSync: Build = {
  name: 'acknowledges-before-sync',
  what: 'what is written counts as synced at once, and the disk is never asked to sync',
  disk: (disk) =>
    new WrappedDisk(disk, {
      write: (file, position, chunks) => file.write(position, chunks, { sync: false }),
      sync: async () => {},
    }),
};

export const leavesMetadataUnsynced: Build = {
  name: 'leaves-metadata-unsynced',
  what: 'what is written to the journal of the metadata counts as synced at once',
  metadataDisk: (disk) =>
    new WrappedDisk(disk, {
      write: (file, position, chunks) => file.write(position, chunks, { sync: false }),
      sync: async () => {},
    }),
};

export const ignoresFailedSync: Build = {
  name: 'ignores-failed-sync',
  what: 'a sync that fails is tried again, and counts when it does not fail twice',
  disk: (disk) =>
    new WrappedDisk(disk, {
      async write(file, position, chunks, { sync }) {
        await file.write(position, chunks, { sync: false });
        if (sync) await file.sync().catch(() => file.sync());
      },
      sync: (file) => file.sync().catch(() => file.sync()),
    }),
};

export const skipsCrc: Build = {
  name: 'skips-crc',
  what: 'every batch that is read from the disk is given the CRC that its bytes have, so that none is ever found to be wrong',
  disk: (disk) =>
    new WrappedDisk(disk, {
      async read(file, position, length, path) {
        const bytes = await file.read(position, length);
        if (path.endsWith('.log')) mendCrcs(bytes);
        return bytes;
      },
    }),
};

function mendCrcs(bytes: Buffer): void {
  for (const at of splitBatches(bytes)) {
    if (batchSizeBytes(bytes, at) > bytes.length - at) return;
    const crc = computeBatchCrc(bytes, at);
    if (batchCrc(bytes, at) !== crc) bytes.writeUInt32BE(crc, at + CRC_AT);
  }
}

/** Says of every log folder that it was closed in order. */
class AlwaysCleanDisk extends WrappedDisk {
  override async readFile(path: string): Promise<Buffer> {
    if (path.endsWith(CLEAN_SHUTDOWN_MARKER)) return Buffer.from('{"version":0,"brokerEpoch":-1}');
    return super.readFile(path);
  }
}

export const takesEveryStopForClean: Build = {
  name: 'takes-every-stop-for-clean',
  what: 'the broker believes after every crash that it was stopped in order, and recovers nothing',
  disk: (disk: Disk) => new AlwaysCleanDisk(disk, {}),
};

/** Never makes names durable. */
class ForgetfulFolders extends WrappedDisk {
  override async syncFolder(): Promise<void> {}
}

export const forgetsFolders: Build = {
  name: 'forgets-folders',
  what: 'folders are never synced, so that a new file may be gone with all that was synced in it',
  disk: (disk: Disk) => new ForgetfulFolders(disk, {}),
};
