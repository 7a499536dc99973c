import { AlterPartitionReassignments, ErrorCode } from '@millrace/protocol';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { LeaderAndIsrCommand } from '../cluster/broker-channel.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

/** What broker 3 was told when it became a replica. */
let former: LeaderAndIsrCommand;

beforeEach(async () => {
  cluster = await TestReplicas.start(3);
  const { replicas } = cluster.broker(3).services;
  const told = vi.spyOn(replicas, 'leaderAndIsr');
  await cluster.createTopic('t', [[1, 3]]);
  former = told.mock.calls.map(([command]) => command).find(({ partitions }) => partitions.length > 0)!;
  told.mockRestore();
});

afterEach(() => cluster.stopAll());

const isThere = (): boolean => [...cluster.broker(3).services.replicas.partitions].length > 0;

/** Gives the partition to other replicas, and waits until broker 3 has it, or has it no more. */
async function move(replicas: readonly number[]): Promise<void> {
  const controller = [...cluster.nodes.keys()].find((id) => cluster.broker(id).services.controller.isActive)!;
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, replicas: [...replicas] }] }];
  void cluster.ask(controller, AlterPartitionReassignments, 0, { timeoutMs: 10_000, topics });
  await cluster.until('the move', () => isThere() === replicas.includes(3), 30_000);
}

const answersTo = async (command: LeaderAndIsrCommand): Promise<readonly number[]> => {
  const { partitions } = await cluster.broker(3).services.replicas.leaderAndIsr(command);
  return partitions.map(({ errorCode }) => errorCode);
};

it('a replica that was given up is not made again by a command of before that comes late', async () => {
  await move([1, 2]);
  expect(await answersTo(former)).toEqual([ErrorCode.FENCED_LEADER_EPOCH]);
  expect(isThere()).toBe(false);
  expect(cluster.nodes.get(3)!.disk.namesIn('/data')).not.toContain('t-0');
  await move([1, 3]);
});

it('a replica of another topic of the name is made, whatever the epochs of the one before were', async () => {
  await move([1, 2]);
  const partitions = former.partitions.map((state) => ({ ...state, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' }));
  expect(await answersTo({ ...former, partitions })).toEqual([ErrorCode.NONE]);
  expect(isThere()).toBe(true);
});
