/** A broker that is silent, though it is there, has nobody wait for what the others answer; one that has left is missed by nobody. */
import { Admin, AdminItemsError } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { startCluster, type TestCluster } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isElsewhere } from './suite-cluster.ts';

const TIMEOUT = { timeoutMs: 1500 };
const PARTITIONS = [0, 1, 2].map((partition) => ({ topic: 'orders', partition }));
const GROUPS = Array.from({ length: 12 }, (_, n) => `group-${n}`);
const IDS = Array.from({ length: 8 }, (_, n) => `writer-${n}`);

async function failuresOf(call: Promise<unknown>): Promise<Map<string, string>> {
  const failure: unknown = await call.catch((error: unknown) => error);
  if (!(failure instanceof AdminItemsError)) throw failure;
  return new Map([...failure.failures].map(([item, { code }]) => [item, code]));
}

describe.runIf(!isElsewhere)('a broker that is silent', () => {
  let cluster: TestCluster;
  let admin: Admin;
  let silent: number;
  let groupsOfIt: string[];
  let idsOfIt: string[];

  beforeAll(async () => {
    cluster = await startCluster({ topics: [{ topic: 'orders', partitions: 3 }] });
    const { bootstrapServers } = cluster;
    admin = new Admin({ bootstrapServers });
    await using producer = new Producer({ bootstrapServers });
    await producer.sendBatch(PARTITIONS.map((place) => ({ ...place, value: 'x' })));
    for (const group of GROUPS) await admin.alterGroupOffsets(group, [{ ...PARTITIONS[0]!, offset: 1 }]);
    for (const transactionalId of IDS) {
      await using transactional = new Producer({ bootstrapServers, transactionalId });
      await (await transactional.begin()).commit();
    }
    // What brokers and leaders there are is known: otherwise whoever is asked for that first may be the silent one.
    await admin.listGroups();
    await admin.listOffsets(PARTITIONS.map((place) => ({ ...place, at: 'latest' })));
    const [described, listed] = [await admin.describeGroups(GROUPS), await admin.describeTransactions(IDS)];
    const counts = Map.groupBy(described, ({ coordinator }) => coordinator.nodeId);
    silent = cluster.brokerIds.find((id) => id !== cluster.controllerId && counts.has(id)) ?? 0;
    groupsOfIt = (counts.get(silent) ?? []).map(({ groupId }) => groupId);
    idsOfIt = listed.filter(({ coordinator }) => coordinator.nodeId === silent).map((each) => each.transactionalId);
    cluster.pause(silent);
  }, 60_000);
  afterAll(async () => {
    cluster.resume(silent);
    await admin.close();
    await cluster.close();
  });

  it('fails its own groups and transactional ids, by name, and the others are described', async () => {
    const failedGroups = await failuresOf(admin.describeGroups(GROUPS, TIMEOUT));
    expect([...failedGroups.keys()].toSorted()).toEqual(groupsOfIt.toSorted());
    expect(new Set(failedGroups.values())).toEqual(new Set(['CLIENT_TIMED_OUT']));
    expect(groupsOfIt.length).toBeLessThan(GROUPS.length);
    const others = GROUPS.filter((group) => !failedGroups.has(group));
    expect(await admin.describeGroups(others, TIMEOUT)).toHaveLength(others.length);
    if (idsOfIt.length === 0) expect(await admin.describeTransactions(IDS, TIMEOUT)).toHaveLength(IDS.length);
    else {
      const failedIds = await failuresOf(admin.describeTransactions(IDS, TIMEOUT));
      expect([...failedIds.keys()].toSorted()).toEqual(idsOfIt.toSorted());
    }
  });

  it('is not asked which groups and transactional ids it coordinates where others are', async () => {
    const brokerIds = cluster.brokerIds.filter((id) => id !== silent);
    const groups = await admin.listGroups({ brokerIds, ...TIMEOUT });
    expect(groups.map(({ groupId }) => groupId)).toEqual(GROUPS.filter((id) => !groupsOfIt.includes(id)).toSorted());
    const ids = await admin.listTransactions({ brokerIds, ...TIMEOUT });
    expect(ids.map((each) => each.transactionalId)).toEqual(IDS.filter((id) => !idsOfIt.includes(id)).toSorted());
    await expect(admin.listGroups(TIMEOUT)).rejects.toMatchObject({ code: 'CLIENT_TIMED_OUT' });
  });

  it('fails the offsets of what it leads alone', async () => {
    const queries = PARTITIONS.map((place) => ({ ...place, at: 'latest' as const }));
    const led = await Promise.all(PARTITIONS.map(({ partition }) => cluster.leaderOf('orders', partition)));
    const ofIt = PARTITIONS.filter((_, index) => led[index] === silent);
    expect(ofIt).toHaveLength(1);
    const failed = await failuresOf(admin.listOffsets(queries, TIMEOUT));
    expect([...failed.keys()]).toEqual(ofIt.map(({ topic, partition }) => `${topic}-${partition}`));
  });
});

describe.runIf(!isElsewhere)('a broker that leaves the cluster while it is asked for its share', () => {
  it('has the others asked anew, to which its groups and transactional ids have moved', async () => {
    await using cluster = await startCluster({ topics: [{ topic: 'orders', partitions: 3 }] });
    const { bootstrapServers } = cluster;
    await using admin = new Admin({ bootstrapServers });
    for (const group of GROUPS) await admin.alterGroupOffsets(group, [{ ...PARTITIONS[0]!, offset: 1 }]);
    for (const transactionalId of IDS) {
      await using transactional = new Producer({ bootstrapServers, transactionalId });
      await (await transactional.begin()).commit();
    }
    const described = await admin.describeGroups(GROUPS);
    const coordinators = new Set(described.map(({ coordinator }) => coordinator.nodeId));
    const leaving = cluster.brokerIds.find((id) => id !== cluster.controllerId && coordinators.has(id))!;
    cluster.pause(leaving);
    const asked = [admin.listGroups(), admin.listTransactions(), admin.describeLogDirs()] as const;
    await cluster.kill(leaving);
    const [groups, ids, dirs] = await Promise.all(asked);
    expect(groups.map(({ groupId }) => groupId)).toEqual(GROUPS.toSorted());
    expect(ids.map((each) => each.transactionalId)).toEqual(IDS.toSorted());
    const others = cluster.brokerIds.filter((id) => id !== leaving);
    expect([...new Set(dirs.map(({ brokerId }) => brokerId))].toSorted()).toEqual(others);
  }, 60_000);
});
