/** A lag is the whole lag or is not known. */
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startBroker } from '@millrace/testing';
import { expect, it } from 'vitest';
import { Cluster } from './cluster.ts';
import { describeGroup, lagsOf, lookAtGroups } from './groups.ts';
import { topicFigures } from './topics.ts';

const place = (partition: number, topic = 'orders') => ({ topic, partition });
const committed = (partition: number, offset: number) => ({
  ...place(partition),
  offset,
  metadata: '',
  leaderEpoch: -1,
});

it('a lag is not known where a member reads what nobody has committed yet', () => {
  const offsets = new Map([0, 1].map((partition) => [`orders/${partition}`, { start: 0, end: 10 }]));
  expect(lagsOf([committed(0, 10)], [place(0)], offsets)).toEqual(new Map([['orders', 0]]));
  expect(lagsOf([committed(0, 10)], [place(0), place(1)], offsets)).toEqual(new Map([['orders', null]]));
  expect(lagsOf([committed(0, 10)], [place(0, 'sold')], offsets)).toEqual(
    new Map([
      ['orders', 0],
      ['sold', null],
    ]),
  );
});

it('a group that has committed some of what it reads has an unknown lag in the list as on its page', async () => {
  const broker = await startBroker({ topics: [{ topic: 'orders', partitions: 2 }] });
  const { bootstrapServers } = broker;
  const cluster = new Cluster('local', { bootstrapServers });
  try {
    await using consumer = new Consumer({ bootstrapServers, groupId: 'billing', autoCommit: false });
    consumer.subscribe('orders');
    const reading = consumer[Symbol.asyncIterator]().next();
    await consumer.joined;
    await consumer.commit([{ topic: 'orders', partition: 0, offset: 0 }]);
    expect(await describeGroup(cluster, 'billing')).toMatchObject({ lag: null, offsets: [{ lag: 0 }, { lag: null }] });
    cluster.forget();
    expect((await lookAtGroups(cluster)).groups.map(({ row }) => row.lag)).toEqual([null]);
    expect((await topicFigures(cluster)).find(({ topic }) => topic === 'orders')?.groups).toEqual([
      { group: 'billing', lag: null },
    ]);
    await consumer.commit([{ topic: 'orders', partition: 1, offset: 0 }]);
    expect(await describeGroup(cluster, 'billing')).toMatchObject({ lag: 0 });
    await consumer.close();
    await reading.catch(() => undefined);
  } finally {
    await cluster.close();
    await broker.close();
  }
});

it('a lag is not known to who has no right to describe the topic or the group', async () => {
  const broker = await startBroker({
    users: { root: 'root-pw', looks: 'looks-pw' },
    acls: [
      { user: 'root', operation: 'all', cluster: true },
      { user: 'root', operation: 'all', topic: '*' },
      { user: 'root', operation: 'all', group: '*' },
      { user: 'looks', operation: 'describe', cluster: true },
      { user: 'looks', operation: 'describe', topic: 'orders' },
      { user: 'looks', operation: 'describe', group: 'billing' },
    ],
    topics: ['orders', 'secret'],
  });
  const { bootstrapServers } = broker;
  const login = (username: string) => ({
    bootstrapServers,
    sasl: { mechanism: 'PLAIN', username, password: `${username}-pw` } as const,
  });
  const [root, looks] = [new Cluster('root', login('root')), new Cluster('looks', login('looks'))];
  try {
    await using producer = new Producer(login('root'));
    await producer.sendBatch([
      { topic: 'orders', value: 'x' },
      { topic: 'secret', value: 'x' },
    ]);
    const [orders, secret] = [place(0), place(0, 'secret')].map((each) => ({ ...each, offset: 0 }));
    if (orders === undefined || secret === undefined) throw new Error('there are two');
    await root.admin.alterGroupOffsets('billing', [orders]);
    await root.admin.alterGroupOffsets('both', [orders, secret]);
    const lags = async (cluster: Cluster) =>
      Object.fromEntries((await lookAtGroups(cluster)).groups.map(({ row }) => [row.group, row.lag]));
    expect(await lags(root)).toEqual({ billing: 1, both: 2 });
    // Whoever may describe the cluster may list all groups, and look into those that he may describe.
    expect(await lags(looks)).toEqual({ billing: 1, both: null });
    await root.admin.alterGroupOffsets('billing', [secret]);
    looks.forget();
    expect((await lags(looks))['billing']).not.toBe(2);
  } finally {
    await Promise.all([root.close(), looks.close()]);
    await broker.close();
  }
});
