import { ManualClock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
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
  return { sending: { ended, left: partitions, isFenced: false, unknownForMs: new Map<string, number>() }, targets };
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

describe('markers for a topic that this broker does not know', () => {
  interface Image {
    readonly partitions: Map<string, number>;
    change: (change: { topics: Iterable<string>; deletedTopics: readonly string[] }) => void;
  }

  /** A sender of broker 1, what it knows of leaders, and what it would find in the store. */
  function newSender(found: () => number) {
    const guard = new Guard(silentLogger);
    const clock = new ManualClock();
    const image: Image = { partitions: new Map(), change: () => {} };
    const looks: string[] = [];
    const written: string[] = [];
    const sender = new MarkerSender({
      brokerId: 1,
      cluster: {
        onChange: (listener: Image['change']) => {
          image.change = listener;
          return () => {};
        },
        partition: (topic: string, partition: number) => {
          const leader = image.partitions.get(`${topic}-${partition}`);
          return leader === undefined ? undefined : { leader };
        },
      },
      topics: {
        forRequest: () => ({
          errorOf: async (topic: string, partition: number) => {
            looks.push(`${topic}-${partition}`);
            return found();
          },
        }),
      },
      writer: {
        write: async (topic: string, partition: number) => {
          written.push(`${topic}-${partition}`);
          return ErrorCode.NONE;
        },
      },
      deadlines: new Deadlines(clock, guard),
      guard,
      logger: silentLogger,
      timeoutMs: 1000,
    } as unknown as MarkerSenderOptions);
    let isDone = false;
    const send = (topics: Record<string, readonly number[]>): void => {
      const partitions = new Map(Object.entries(topics).map(([topic, numbers]) => [topic, new Set(numbers)]));
      const done = (): void => {
        isDone = true;
      };
      sender.send({ ...parcel(1, 0).sending.ended, partitions, done });
    };
    return { clock, image, looks, written, sender, send, isDone: () => isDone };
  }

  it('are not written where it is not in the store either, once it was unknown for 5 s', async () => {
    const test = newSender(() => ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    test.send({ gone: [0, 1] });
    await test.clock.advanceAsync(4900);
    expect(test.isDone()).toBe(false);
    expect(test.looks).toEqual([]);
    expect(test.sender.withoutLeader).toBe(2);
    await test.clock.advanceAsync(200);
    expect(test.isDone()).toBe(true);
    expect(test.looks).toEqual(['gone-0', 'gone-1']);
    expect(test.sender.withoutLeader).toBe(0);
  });

  it.each([
    ['is in the store', ErrorCode.NONE],
    ['could not be looked for', ErrorCode.COORDINATOR_NOT_AVAILABLE],
  ])('wait where it %s, until the broker is told of it, however late', async (_what, code) => {
    const test = newSender(() => code);
    test.send({ late: [0] });
    await test.clock.advanceAsync(60_000);
    expect(test.isDone()).toBe(false);
    // Once in 5 s, and not at each try.
    expect(test.looks.length).toBeGreaterThan(5);
    expect(test.looks.length).toBeLessThan(13);
    test.image.partitions.set('late-0', 1);
    await test.clock.advanceAsync(200);
    expect(test.written).toEqual(['late-0']);
    expect(test.isDone()).toBe(true);
  });

  it('are not written where it was told of the deletion, unless a topic of that name is there again', async () => {
    let code: number = ErrorCode.NONE;
    const test = newSender(() => code);
    test.image.change({ topics: [], deletedTopics: ['again'] });
    test.send({ again: [0] });
    await test.clock.advanceAsync(1000);
    expect(test.isDone()).toBe(false);
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    await test.clock.advanceAsync(200);
    expect(test.isDone()).toBe(true);
    expect(test.written).toEqual([]);
  });

  it('have 5 s for each topic, which a partition without a leader does not use up', async () => {
    const test = newSender(() => ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    test.image.partitions.set('known-0', -1);
    test.image.partitions.set('other-0', -1);
    test.send({ known: [0], other: [0] });
    await test.clock.advanceAsync(20_000);
    expect(test.looks).toEqual([]);
    test.image.partitions.delete('other-0');
    await test.clock.advanceAsync(4500);
    expect(test.looks).toEqual([]);
    test.image.partitions.set('known-0', 1);
    test.image.partitions.set('other-0', 1);
    await test.clock.advanceAsync(200);
    expect(test.written.toSorted()).toEqual(['known-0', 'other-0']);
    expect(test.isDone()).toBe(true);
  });
});
