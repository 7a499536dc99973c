/** A partition of groups' offsets that is moved to other brokers: what its former coordinator says afterwards, and what its next one has. */
import {
  AlterPartitionReassignments,
  ErrorCode,
  Heartbeat,
  JoinGroup,
  OffsetCommit,
  OffsetFetch,
  SyncGroup,
} from '@millrace/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TestReplicas } from '../testing/test-replicas.ts';

const OFFSETS = '__consumer_offsets';
const GROUP = 'g';
const PROTOCOL = 'range';

/** Who coordinates at first, and who follows there; and who does both after the move. */
const [BEFORE, KEPT, AFTER] = [2, 1, 3];

/** A member of the group in its generation. */
interface Member {
  readonly memberId: string;
  readonly generationId: number;
}

let cluster: TestReplicas;

beforeEach(async () => {
  cluster = await TestReplicas.start(3);
  await cluster.createTopic('t', [[1, 2, 3]]);
  await cluster.createTopic(OFFSETS, [[BEFORE, KEPT]]);
  await cluster.until('a coordinator', () => cluster.leaderOf(OFFSETS) === BEFORE);
});

afterEach(() => cluster.stopAll());

/** What is answered, while time passes. */
async function answerTo<T>(asked: Promise<T>): Promise<T> {
  let isAnswered = false;
  const answer = asked.finally(() => {
    isAnswered = true;
  });
  answer.catch(() => undefined);
  await cluster.until('an answer', () => isAnswered, 20_000);
  return answer;
}

async function joined(at: number): Promise<Member> {
  const { errorCode, memberId, generationId } = await answerTo(
    cluster.ask(at, JoinGroup, 3, {
      groupId: GROUP,
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 30_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: PROTOCOL, metadata: Buffer.alloc(0) }],
    }),
  );
  expect(errorCode).toBe(ErrorCode.NONE);
  const member = { memberId, generationId };
  const assignments = [{ memberId, assignment: Buffer.from('all') }];
  const synced = await answerTo(cluster.ask(at, SyncGroup, 3, { groupId: GROUP, ...member, assignments }));
  expect(synced.errorCode).toBe(ErrorCode.NONE);
  return member;
}

async function beat(at: number, member: Member): Promise<number> {
  return (await answerTo(cluster.ask(at, Heartbeat, 3, { groupId: GROUP, ...member }))).errorCode;
}

async function commit(at: number, { memberId, generationId }: Member, committedOffset: number): Promise<number> {
  const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: '' }];
  const body = {
    groupId: GROUP,
    generationIdOrMemberEpoch: generationId,
    memberId,
    topics: [{ name: 't', partitions }],
  };
  const { topics } = await answerTo(cluster.ask(at, OffsetCommit, 7, body));
  return topics[0]?.partitions[0]?.errorCode ?? ErrorCode.UNKNOWN_SERVER_ERROR;
}

/** The offset that a broker tells, or the error. */
async function told(by: number): Promise<{ readonly errorCode: number; readonly offset: number | undefined }> {
  const topics = [{ name: 't', partitionIndexes: [0] }];
  const body = { groupId: GROUP, topics, requireStable: false };
  const { errorCode, topics: answered } = await answerTo(cluster.ask(by, OffsetFetch, 7, body));
  return { errorCode, offset: answered[0]?.partitions[0]?.committedOffset };
}

/** Gives the partition to other replicas, and waits until none but these have it. */
async function move(replicas: readonly number[]): Promise<void> {
  const controller = [...cluster.nodes.keys()].find((id) => cluster.broker(id).services.controller.isActive)!;
  const topics = [{ name: OFFSETS, partitions: [{ partitionIndex: 0, replicas: [...replicas] }] }];
  const answer = await answerTo(cluster.ask(controller, AlterPartitionReassignments, 0, { timeoutMs: 10_000, topics }));
  expect(answer.errorCode).toBe(ErrorCode.NONE);
  const has = (id: number): boolean => cluster.nodes.get(id)!.disk.namesIn('/data').includes(`${OFFSETS}-0`);
  await cluster.until('the move', () => [1, 2, 3].every((id) => has(id) === replicas.includes(id)), 30_000);
  await cluster.until('a leader', () => replicas.includes(cluster.leaderOf(OFFSETS)));
}

it('a coordinator whose partition is moved to others answers nothing any more, and the next has all that it had', async () => {
  const member = await joined(BEFORE);
  expect(await commit(BEFORE, member, 7)).toBe(ErrorCode.NONE);
  expect(await told(BEFORE)).toEqual({ errorCode: ErrorCode.NONE, offset: 7 });
  await move([AFTER, KEPT]);
  const next = cluster.leaderOf(OFFSETS);
  expect(await told(next)).toEqual({ errorCode: ErrorCode.NONE, offset: 7 });
  expect(await beat(next, member)).toBe(ErrorCode.NONE);
  expect(await commit(next, member, 8)).toBe(ErrorCode.NONE);
  expect(await told(BEFORE)).toEqual({ errorCode: ErrorCode.NOT_COORDINATOR, offset: undefined });
  expect(await beat(BEFORE, member)).toBe(ErrorCode.NOT_COORDINATOR);
  expect(await commit(BEFORE, member, 9)).toBe(ErrorCode.NOT_COORDINATOR);
  expect(await told(next)).toEqual({ errorCode: ErrorCode.NONE, offset: 8 });
});

it('a coordinator whose partition is moved away and back has what was committed meanwhile', async () => {
  const member = await joined(BEFORE);
  expect(await commit(BEFORE, member, 7)).toBe(ErrorCode.NONE);
  await move([AFTER]);
  expect(await commit(AFTER, member, 8)).toBe(ErrorCode.NONE);
  await move([BEFORE]);
  await cluster.pass(1000);
  expect(await told(AFTER)).toEqual({ errorCode: ErrorCode.NOT_COORDINATOR, offset: undefined });
  expect(await told(BEFORE)).toEqual({ errorCode: ErrorCode.NONE, offset: 8 });
  expect(await beat(BEFORE, member)).toBe(ErrorCode.NONE);
});
