import { ManualClock } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import { silentLogger } from '../shared/logger.ts';
import { MarkerSender, type MarkerSenderOptions, takeParcels } from './marker-sender.ts';
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

describe('markers for another broker', () => {
  it('are counted while they wait for the request before them', async () => {
    const logger = silentLogger;
    const guard = new Guard(logger);
    const answers: (() => void)[] = [];
    const send = (_api: unknown, _version: unknown, { markers }: { markers: { producerId: number }[] }) =>
      new Promise((resolve) => {
        const partitions = [0, 1].map((partitionIndex) => ({ partitionIndex, errorCode: 0 }));
        const topics = [{ name: 'orders', partitions }];
        answers.push(() => resolve({ markers: markers.map(({ producerId }) => ({ producerId, topics })) }));
      });
    const sender = new MarkerSender({
      brokerId: 1,
      cluster: { onChange: () => () => {}, partition: () => ({ leader: 2 }) },
      lanes: { to: () => ({ send }) },
      deadlines: new Deadlines(new ManualClock(), guard),
      guard,
      logger,
      timeoutMs: 1000,
    } as unknown as MarkerSenderOptions);
    const done: number[] = [];
    const partitions = new Map([['orders', new Set([0, 1])]]);
    const end = (producerId: number): void =>
      sender.send({ ...parcel(producerId, 0).sending.ended, partitions, done: () => void done.push(producerId) });
    expect(sender.queued).toBe(0);
    end(1);
    end(2);
    end(3);
    // Those of the first are on their way.
    expect(sender.queued).toBe(4);
    for (const waiting of [0, 0]) {
      answers.shift()!();
      await new Promise((resolve) => setImmediate(resolve));
      expect(sender.queued).toBe(waiting);
    }
    expect(done).toEqual([1, 2, 3]);
    expect(sender.withoutLeader).toBe(0);
  });
});
