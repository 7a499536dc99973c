import { MemoryDisk, nextTurn } from '@millrace/ports';
import { beforeEach, describe, expect, it } from 'vitest';
import { readOffsetCheckpoint } from './checkpoint-file.ts';
import {
  CLEANER_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  RECOVERY_POINT_CHECKPOINT,
} from './file-names.ts';
import { LogDirectory } from './log-directory.ts';
import type { PartitionLog } from './partition-log.ts';

const NAMES = [
  RECOVERY_POINT_CHECKPOINT,
  LOG_START_OFFSET_CHECKPOINT,
  HIGH_WATERMARK_CHECKPOINT,
  CLEANER_OFFSET_CHECKPOINT,
];

let disk: MemoryDisk;
let directory: LogDirectory;

/** What checkpoints tell of a log. */
function logAt(partition: number, offset: number): PartitionLog {
  const offsets = { recoveryPoint: offset, logStartOffset: offset, highWatermark: offset, cleanedOffset: offset };
  return { topic: 't', partition, firstSegmentOffset: 0, ...offsets } as unknown as PartitionLog;
}

beforeEach(async () => {
  disk = new MemoryDisk();
  await disk.makeFolder('/data');
  directory = new LogDirectory(disk, '/data');
});

describe('checkpoints that are written by several at once', () => {
  it('are each whole at every moment, and tell of what was there last', async () => {
    // Longer and shorter ones in turn: of two at once, the shorter would begin the longer one's file.
    const writes: Promise<void>[] = [];
    for (let round = 0; round < 20; round += 1) {
      directory.logs.clear();
      for (let partition = 0; partition < round % 4; partition += 1) directory.logs.add(logAt(partition, 1 + round));
      writes.push(directory.checkpointAll(), directory.checkpointCleaner(), directory.checkpointHighWatermarks());
      for (let turn = 0; turn < round % 3; turn += 1) await Promise.resolve();
      for (const name of NAMES) await readOffsetCheckpoint(disk, `/data/${name}`);
      if (round % 5 === 0) await nextTurn();
    }
    await Promise.all(writes);
    await directory.checkpointAll();
    for (const name of NAMES) {
      const offsets = await readOffsetCheckpoint(disk, `/data/${name}`);
      expect([...offsets], name).toEqual([0, 1, 2].map((partition) => [`t ${partition}`, 20]));
    }
  });

  it('that could not be written are written by the next', async () => {
    directory.logs.add(logAt(0, 5));
    disk.fault = ({ kind }) => (kind === 'rename' ? new Error('the disk is away') : undefined);
    await expect(directory.checkpointCleaner()).rejects.toThrow('the disk is away');
    disk.fault = undefined;
    await directory.checkpointCleaner();
    expect([...(await readOffsetCheckpoint(disk, `/data/${CLEANER_OFFSET_CHECKPOINT}`))]).toEqual([['t 0', 5]]);
  });
});
