import { describe, expect, it } from 'vitest';
import { takeParcels } from './marker-sender.ts';
import { NO_PARTITIONS } from './transaction.ts';

/** Markers of a producer for so many partitions of a topic. */
function parcel(producerId: number, partitions: number, topic = 'orders') {
  const marker = { producerId, producerEpoch: 1, isCommit: true, coordinatorEpoch: 0, isRaised: true };
  const ended = { id: `id-${producerId}`, marker, partitions: NO_PARTITIONS, isWanted: () => true, done: () => {} };
  const targets = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  return { sending: { ended, left: partitions, isFenced: false, unknownForMs: 0 }, targets };
}

const producersOf = (parcels: ReturnType<typeof takeParcels>): number[] =>
  parcels.map(({ sending }) => sending.ended.marker.producerId);

describe('a request with markers', () => {
  it('has those of each producer once, since answers tell producers alone apart', () => {
    const queue = [parcel(1, 1), parcel(1, 1), parcel(2, 1), parcel(1, 1)];
    expect(producersOf(takeParcels(queue))).toEqual([1, 2]);
    expect(producersOf(queue)).toEqual([1, 1]);
  });

  it('does not become larger than it may, but for one transaction, which goes whole', () => {
    const queue = [parcel(1, 100), parcel(2, 100), parcel(3, 1000), parcel(4, 1)];
    const taken: number[][] = [];
    while (queue.length > 0) taken.push(producersOf(takeParcels(queue, 1000)));
    expect(taken).toEqual([[1, 2, 4], [3]]);
  });

  it('keeps the order of one producer, whose later markers do not overtake those that had no room', () => {
    const queue = [parcel(1, 200), parcel(2, 200), parcel(2, 1)];
    expect(producersOf(takeParcels(queue, 1000))).toEqual([1]);
    expect(queue.map(({ targets }) => targets.length)).toEqual([200, 1]);
  });
});
