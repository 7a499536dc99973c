/** What one transaction of our producer costs in requests, and how many of them wait for the one before. */
import { Admin } from '@millrace/admin';
import { Connection } from '@millrace/network';
import { Producer } from '@millrace/producer';
import { startBroker, startCluster, type TestBroker, type TestCluster } from '@millrace/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isElsewhere } from './suite-cluster.ts';

let target: TestBroker | TestCluster | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await target?.close();
});

/** Turns of the event loop for which answers are held back, so that what is sent in the same breath is seen to be. */
const HELD_TURNS = 10;

/** What producers ask for; of new transactions AddPartitionsToTxn is the leaders' question, which is on the way of their Produce. */
const NEW = ['Produce', 'TxnOffsetCommit', 'EndTxn'];
const OLD = [...NEW, 'AddPartitionsToTxn', 'AddOffsetsToTxn'];

interface Trip {
  readonly name: string;
  readonly begun: number;
  ended: number;
}

/** Notes what is sent from now on, in the order in which requests went and answers came. */
function tripsFromNow(): Trip[] {
  const trips: Trip[] = [];
  let order = 0;
  const next = (): number => {
    order += 1;
    return order;
  };
  const send = Connection.prototype.send;
  vi.spyOn(Connection.prototype, 'send').mockImplementation(async function (this: Connection, ...args) {
    const trip: Trip = { name: args[0].name, begun: next(), ended: Number.POSITIVE_INFINITY };
    trips.push(trip);
    try {
      return await send.apply(this, args);
    } finally {
      for (let turn = 0; turn < HELD_TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      trip.ended = next();
    }
  });
  return trips;
}

/** The longest row of requests of which each was sent when the one before had been answered. */
function serialCount(trips: readonly Trip[]): number {
  let count = 0;
  let answered = 0;
  for (const { begun, ended } of trips.toSorted((a, b) => a.ended - b.ended)) {
    if (begun < answered) continue;
    count += 1;
    answered = ended;
  }
  return count;
}

/** What a transaction costs of a producer that has one behind it, all of which is over. */
async function costOf(partitions: number, hasOffsets: boolean, asked = NEW) {
  const { bootstrapServers } = target!;
  await using admin = new Admin({ bootstrapServers });
  await using producer = new Producer({ bootstrapServers, transactionalId: 'id' });
  const transaction = () =>
    producer.transaction((tx) => {
      for (let partition = 0; partition < partitions; partition += 1) {
        void tx.send({ topic: 't', partition, value: 'v' });
      }
      if (hasOffsets) void tx.sendOffsets('group', [{ topic: 't', partition: 0, offset: 1 }]);
    });
  await transaction();
  const state = async () => (await admin.describeTransactions(['id']))[0]?.state;
  await expect.poll(state).toBe('CompleteCommit');
  const trips = tripsFromNow();
  await transaction();
  vi.restoreAllMocks();
  const own = trips.filter(({ name }) => asked.includes(name));
  return { requests: own.map(({ name }) => name).sort(), serial: serialCount(own) };
}

describe.runIf(!isElsewhere)('a transaction', () => {
  it.each([1, 3])(
    'of %d partitions takes two trips one after the other, of which offsets need none',
    async (partitions) => {
      target = await startBroker({ topics: [{ topic: 't', partitions }] });
      expect(await costOf(partitions, false)).toEqual({ requests: ['EndTxn', 'Produce'], serial: 2 });
      expect(await costOf(partitions, true)).toEqual({
        requests: ['EndTxn', 'Produce', 'TxnOffsetCommit'],
        serial: 2,
      });
    },
  );

  it('takes two where its partitions are led by three brokers', async () => {
    target = await startCluster({ topics: [{ topic: 't', partitions: 3 }] });
    const requests = ['EndTxn', 'Produce', 'Produce', 'Produce'];
    expect(await costOf(3, false)).toEqual({ requests, serial: 2 });
    // Of the three, two ask another who coordinates, each once.
    expect(await costOf(3, false, ['AddPartitionsToTxn'])).toMatchObject({
      requests: Array(2).fill('AddPartitionsToTxn'),
    });
    expect(await costOf(3, true)).toEqual({ requests: [...requests, 'TxnOffsetCommit'], serial: 2 });
  });

  it.each([1, 3])('of %d partitions takes three of the old kind, and four with offsets', async (partitions) => {
    target = await startBroker({ transactionVersion: 0, topics: [{ topic: 't', partitions }] });
    expect(await costOf(partitions, false, OLD)).toEqual({
      requests: ['AddPartitionsToTxn', 'EndTxn', 'Produce'],
      serial: 3,
    });
    expect(await costOf(partitions, true, OLD)).toEqual({
      requests: ['AddOffsetsToTxn', 'AddPartitionsToTxn', 'EndTxn', 'Produce', 'TxnOffsetCommit'],
      serial: 4,
    });
  });
});
