import { ErrorCode } from '@millrace/protocol';
import { RecordsError } from '@millrace/records';
import { describe, expect, it } from 'vitest';
import type { FetchLimits, FetchReading, PartitionFetch } from '../replicas/fetch-reader.ts';
import type { Partition } from '../replicas/partition.ts';
import { asOldRecords } from './old-records.ts';

// Only how far to read is asked of them here.
const LIMITS = { isolation: 'highWatermark' } as FetchLimits;

/** Two partitions with records, converted as `convertDown` says; and how often what was read of them has been given back. */
function readingOf(convertDown: () => Promise<Buffer>) {
  const released: number[] = [];
  // No more of a partition than the conversion asks for.
  const partition = { config: { messageDownconversionEnable: true }, convertDown } as unknown as Partition;
  const fetched = (index: number): PartitionFetch => ({
    target: {
      topic: 't',
      topicId: '',
      partition: index,
      fetchOffset: 0,
      maxBytes: 1000,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
      followerLogStartOffset: -1,
      sentHighWatermark: -1,
      sentLogStartOffset: -1,
    },
    partition,
    errorCode: ErrorCode.NONE,
    highWatermark: 1,
    lastStableOffset: 1,
    logStartOffset: 0,
    readableEndOffset: 1,
    chunks: [Buffer.alloc(100)],
    sizeBytes: 100,
    isCutOff: false,
    abortedTransactions: null,
    preferredReplica: -1,
    diverging: undefined,
  });
  const reading: FetchReading = {
    fetches: [fetched(0), fetched(1)],
    sizeBytes: 200,
    isUrgent: false,
    mustRelease: true,
    release: () => void released.push(1),
  };
  return { reading, released };
}

describe('what was read for an old client', () => {
  it('is given back when all of it is converted, and not before', async () => {
    const seen: number[] = [];
    const { reading, released } = readingOf(() => {
      seen.push(released.length);
      return Promise.resolve(Buffer.from('messages'));
    });
    const converted = await asOldRecords(reading, 1, LIMITS);
    expect([converted.sizeBytes, converted.mustRelease]).toEqual([16, false]);
    expect([seen, released]).toEqual([[0, 0], [1]]);
  });

  it('is given back where it cannot be converted, which is told by partition', async () => {
    const { reading, released } = readingOf(() => Promise.reject(new RecordsError('RECORDS_UNSUPPORTED', 'zstd')));
    const { fetches } = await asOldRecords(reading, 1, LIMITS);
    expect(fetches.map(({ errorCode }) => errorCode)).toEqual([76, 76]);
    expect(released).toEqual([1]);
  });

  it('is given back where the conversion fails as a whole', async () => {
    const { reading, released } = readingOf(() => Promise.reject(new Error('the worker has died')));
    await expect(asOldRecords(reading, 1, LIMITS)).rejects.toThrow('the worker has died');
    expect(released).toEqual([1]);
  });
});
