import { seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { murmur2, murmur2OfString } from './murmur2.ts';
import { defaultPartitioner, partitionForKey, roundRobinPartitioner } from './partitioner.ts';

describe('murmur2', () => {
  // The vectors of Apache Kafka's own UtilsTest.testMurmur2.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('of %s is what Java computes', (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
    expect(murmur2OfString(text)).toBe(hash);
  });

  it('of a string is that of its UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(murmur2OfString(text)).toBe(murmur2(Buffer.from(text)));
      }),
    );
  });
});

describe('the default partitioner', () => {
  const all = [0, 1, 2, 3];
  const input = { topic: 'orders', key: null, partitionCount: 4, availablePartitions: all };

  it('gives a key the same partition always, whatever leaders are away', () => {
    const partitioner = defaultPartitioner(seededRandom(1));
    const expected = partitionForKey('customer-7', 4);
    expect(partitioner.partition({ ...input, key: 'customer-7' })).toBe(expected);
    expect(partitioner.partition({ ...input, key: Buffer.from('customer-7'), availablePartitions: [] })).toBe(expected);
  });

  it('keeps keyless records on one partition until its batch closes, then takes another', () => {
    const partitioner = defaultPartitioner(seededRandom(1));
    for (let round = 0; round < 50; round += 1) {
      const sticky = partitioner.partition(input);
      expect(partitioner.partition(input)).toBe(sticky);
      partitioner.batchClosed?.('orders', (sticky + 1) % 4);
      expect(partitioner.partition(input)).toBe(sticky);
      partitioner.batchClosed?.('orders', sticky);
      expect(partitioner.partition(input)).not.toBe(sticky);
    }
  });

  it('steers keyless records to partitions that have a leader', () => {
    const partitioner = defaultPartitioner(seededRandom(1));
    for (let round = 0; round < 20; round += 1) {
      const sticky = partitioner.partition({ ...input, availablePartitions: [1, 3] });
      expect([1, 3]).toContain(sticky);
      partitioner.batchClosed?.('orders', sticky);
    }
  });
});

it('the round-robin partitioner takes every available partition in turn', () => {
  const partitioner = roundRobinPartitioner();
  const input = { topic: 'orders', key: 'k', partitionCount: 4, availablePartitions: [0, 2, 3] };
  expect(Array.from({ length: 6 }, () => partitioner.partition(input))).toEqual([0, 2, 3, 0, 2, 3]);
});
