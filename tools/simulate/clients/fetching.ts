import { ErrorCode, Fetch, type FetchResponse } from '@millrace/protocol';
import { NoAnswer, type Requester } from './requester.ts';
import type { Router } from './router.ts';
import { byTopic, type PartitionRef } from './topics.ts';

/** Where a reader stands in a partition. */
export interface Position {
  readonly partition: PartitionRef;
  readonly offset: number;
}

/** How a reader fetches. */
export interface FetchPlan {
  readonly version: number;
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly partitionMaxBytes: number;
  readonly timeoutMs: number;
  readonly readCommitted: boolean;
  /** Where the reader is; from a follower there it reads, where there is one (KIP-392). */
  readonly rackId?: string;
}

/** What came of one partition. */
export interface FetchedPartition {
  readonly position: Position;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly abortedTransactions: readonly { readonly producerId: number; readonly firstOffset: number }[];
  readonly logStartOffset: number;
  readonly records: Buffer | null;
  /** Whom the leader would have it fetched from; -1: nobody else. */
  readonly preferredReadReplica: number;
  /** Whether a follower gave it. */
  readonly isFollowers: boolean;
}

const FIRST_VERSION_WITH_RACKS = 11;
const FIRST_VERSION_WITH_IDS = 13;
const FIRST_VERSION_WITH_SESSIONS = 7;

/** Fetches from several partitions of any leaders, without a session. @throws NoAnswer */
export async function fetchFrom(
  router: Router,
  positions: readonly Position[],
  plan: FetchPlan,
): Promise<FetchedPartition[]> {
  const byLeader = [...(await router.byLeader(positions))];
  const fetched = await Promise.all(byLeader.map(([leader, positions]) => fetchFromOne(leader, positions, plan)));
  let all = fetched.flat();
  // Where nobody has a rack, not even a turn is taken: worlds without them stay what they are.
  if (plan.rackId !== undefined) all = await Promise.all(all.map((answer) => fromPreferred(router, answer, plan)));
  for (const { errorCode } of all) router.noteError(errorCode);
  return all;
}

/** What the follower gives that the leader has named. Where it gives none, the leader is asked the next time, as Java's consumer does. */
async function fromPreferred(router: Router, answer: FetchedPartition, plan: FetchPlan): Promise<FetchedPartition> {
  const follower = answer.preferredReadReplica < 0 ? undefined : router.broker(answer.preferredReadReplica);
  if (follower === undefined) return answer;
  const given = await fetchFromOne(follower, [answer.position], plan).catch((error: unknown) => {
    if (error instanceof NoAnswer) return [];
    throw error;
  });
  const isGiven = given[0]?.errorCode === ErrorCode.NONE || given[0]?.errorCode === ErrorCode.CORRUPT_MESSAGE;
  return given[0] !== undefined && isGiven ? { ...given[0], isFollowers: true } : answer;
}

async function fetchFromOne(
  requester: Requester,
  positions: readonly Position[],
  plan: FetchPlan,
): Promise<FetchedPartition[]> {
  const usesIds = plan.version >= FIRST_VERSION_WITH_IDS;
  const topics = byTopic(positions).map(({ topic, items }) => ({
    ...(usesIds ? { topicId: topic.id } : { topic: topic.name }),
    partitions: items.map(({ partition, offset }) => ({
      partition: partition.index,
      fetchOffset: offset,
      partitionMaxBytes: plan.partitionMaxBytes,
    })),
  }));
  const body = {
    maxWaitMs: plan.maxWaitMs,
    minBytes: plan.minBytes,
    topics,
    ...(plan.version >= 3 ? { maxBytes: plan.maxBytes } : {}),
    ...(plan.version >= 4 && plan.readCommitted ? { isolationLevel: 1 } : {}),
    ...(plan.version >= FIRST_VERSION_WITH_RACKS && plan.rackId !== undefined ? { rackId: plan.rackId } : {}),
    ...(plan.version >= FIRST_VERSION_WITH_SESSIONS ? { sessionId: 0, sessionEpoch: -1 } : {}),
  };
  const answer = await requester.ask(Fetch, plan.version, body, plan.timeoutMs);
  return positions.flatMap((position) => answerOf(answer, position, usesIds) ?? []);
}

function answerOf(answer: FetchResponse, position: Position, usesIds: boolean): FetchedPartition | undefined {
  const { topic, index } = position.partition;
  const found = answer.responses
    .find((response) => (usesIds ? response.topicId === topic.id : response.topic === topic.name))
    ?.partitions.find(({ partitionIndex }) => partitionIndex === index);
  if (found === undefined) return undefined;
  const { errorCode, highWatermark, lastStableOffset, logStartOffset, records } = found;
  const abortedTransactions = found.abortedTransactions ?? [];
  return {
    position,
    errorCode,
    highWatermark,
    lastStableOffset,
    abortedTransactions,
    logStartOffset,
    records,
    preferredReadReplica: found.preferredReadReplica ?? -1,
    isFollowers: false,
  };
}
