/** A broker that is there and does not answer: what the others tell is shown, and what is its own is not taken for nothing. */
import { Producer } from '@millrace/producer';
import { startCluster } from '@millrace/testing';
import { expect, it } from 'vitest';
import { countOf, sumOfCounts } from '../api/counts.ts';
import { Cluster } from './cluster.ts';
import { lookAtGroups } from './groups.ts';
import { overviewOf } from './overview.ts';
import { topicFigures } from './topics.ts';
import { listTransactions } from './transactions.ts';

const PARTITIONS = [0, 1, 2];

it('counts what is known, says of how much it is not, and does not take that for none', () => {
  expect(countOf([3, undefined, 4])).toEqual({ known: 7, unknown: 1 });
  expect(countOf([undefined, undefined])).toEqual({ known: undefined, unknown: 2 });
  expect(countOf([])).toEqual({ known: 0, unknown: 0 });
  const [some, none, all] = [countOf([3, undefined]), countOf([undefined]), countOf([4])];
  expect(sumOfCounts([some, none, all])).toEqual({ known: 7, unknown: 2 });
  expect(sumOfCounts([none])).toEqual({ known: undefined, unknown: 1 });
  expect(sumOfCounts([])).toEqual({ known: 0, unknown: 0 });
});

it("shows the others' groups, records and transactions, and marks what is its own", async () => {
  const brokers = await startCluster({ topics: [{ topic: 'orders', partitions: 3 }] });
  const { bootstrapServers } = brokers;
  const cluster = new Cluster('local', { bootstrapServers });
  try {
    await using producer = new Producer({ bootstrapServers });
    await producer.sendBatch(PARTITIONS.map((partition) => ({ topic: 'orders', partition, value: 'x' })));
    // Of what a silent broker leads nobody knows the end, and the controller is none.
    const [{ partitions } = { partitions: [] }] = await cluster.admin.describeTopics(['orders']);
    const { partition } = partitions.find(({ leaderId }) => leaderId === brokers.controllerId)!;
    const names = Array.from({ length: 8 }, (_, n) => `group-${n}`);
    for (const name of names) {
      await cluster.admin.alterGroupOffsets(name, [{ topic: 'orders', partition, offset: 0 }]);
    }
    const before = await lookAtGroups(cluster);
    expect(before).toMatchObject({ silentBrokers: [] });
    expect(before.groups.map(({ row }) => [row.group, row.lag, row.isSilent])).toEqual(
      names.map((name) => [name, 1, false]),
    );
    const silent = brokers.brokerIds.find(
      (id) => id !== brokers.controllerId && before.groups.some(({ row }) => row.coordinator === id),
    );
    if (silent === undefined) throw new Error('a broker that is not the controller coordinates something');
    brokers.pause(silent);
    cluster.forget();
    let after = await lookAtGroups(cluster);
    // A busy machine may take longer for the others' answers than somebody is left to wait; they are asked again then.
    const unknown = async (): Promise<string[]> => {
      const late = after.groups.filter(({ row }) => row.coordinator !== silent && row.lag === null);
      if (late.length > 0) after = await lookAtGroups(cluster);
      return late.map(({ row }) => row.group);
    };
    await expect.poll(unknown).toEqual([]);
    expect(after.silentBrokers).toEqual([silent]);
    expect(after.groups.map(({ row }) => row.group).toSorted()).toEqual(names);
    for (const { row, lagByTopic } of after.groups) {
      const isSilent = row.coordinator === silent;
      expect(row).toMatchObject({ isSilent, lag: isSilent ? null : expect.any(Number), topics: ['orders'] });
      expect([...lagByTopic.keys()]).toEqual(['orders']);
    }
    const orders = (await topicFigures(cluster)).find(({ topic }) => topic === 'orders');
    expect(orders).toMatchObject({ records: { known: 2, unknown: 1 }, bytes: { unknown: 1 } });
    expect((await overviewOf(cluster)).records.unknown).toBeGreaterThan(0);
    expect((await listTransactions(cluster)).silentBrokers).toEqual([silent]);
    brokers.resume(silent);
  } finally {
    await cluster.close();
    await brokers.close();
  }
}, 60_000);
