/**
 * OffsetCommit: keeps how far a group has read. Answered when the offsets are durable.
 *
 * Without a generation and a member (an administrator resetting offsets, a consumer that only keeps its offsets here) it is
 * accepted as long as the group has no members. The topics must exist; an offset need not.
 *
 * 0: no member, no generation, and the offsets go to the metadata store (see old-offsets.ts). 1: both, and a timestamp per partition. 2: a retention time instead (until 4).
 * 3: throttle time. 5: no retention time: the broker's `offsets.retention.minutes` holds (KIP-211).
 * 6: leader epoch (KIP-320). 7: group instance id (KIP-345). 8: flexible. 9: new error codes of KIP-848 groups.
 */
import { ErrorCode, OffsetCommit, type OffsetCommitRequest, type OffsetCommitResponseInput } from '@millrace/protocol';
import { noSuchTopic } from '../cluster/topic-name.ts';
import type { OffsetCommit as Commit } from '../groups/group-offsets.ts';
import { groupResource, topicResource } from '../shared/authorization.ts';
import { inTurns } from '../shared/turns.ts';
import { answerEachPartition } from './each-partition.ts';
import { defineHandler } from './handler.ts';
import { commitToStore } from './old-offsets.ts';

export const offsetCommit = defineHandler(OffsetCommit, { minVersion: 0, maxVersion: 9 }, async (request, context) => {
  if (context.version === 0) return commitToStore(request, context);
  const { clock, groups } = context.broker;
  const refusal = context.authorize('Read', groupResource(request.groupId));
  if (refusal !== undefined) return refused(request, refusal.errorCode);
  const refusals = new Map<string, number>();
  const nowMs = clock.now();
  const expireTimestampMs = request.retentionTimeMs < 0 ? -1 : nowMs + request.retentionTimeMs;
  const offsets: Commit[] = [];
  const lookup = context.broker.topicLookup.forRequest();
  for (const { name, partitions } of request.topics) {
    const notAllowed = context.authorize('Read', topicResource(name));
    if (notAllowed !== undefined) {
      refusals.set(name, notAllowed.errorCode);
      continue;
    }
    for (const partition of partitions) {
      const rest = context.pause();
      if (rest !== undefined) await rest;
      const found = lookup.errorOf(name, partition.partitionIndex);
      const errorCode = typeof found === 'number' ? found : await found;
      if (errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE) refusals.set(name, errorCode);
      if (errorCode !== ErrorCode.NONE) continue;
      offsets.push({
        topic: name,
        partition: partition.partitionIndex,
        offset: partition.committedOffset,
        leaderEpoch: partition.committedLeaderEpoch,
        metadata: partition.committedMetadata ?? '',
        commitTimestampMs: partition.commitTimestamp < 0 ? nowMs : partition.commitTimestamp,
        expireTimestampMs,
      });
    }
  }
  const { groupId, generationIdOrMemberEpoch: generationId, memberId, groupInstanceId } = request;
  const outcomes =
    offsets.length === 0
      ? []
      : await groups.commitOffsets({ groupId, generationId, memberId, groupInstanceId, offsets });
  let next = 0;
  const answers = answerEachPartition(
    request.topics,
    ({ partitions }) => partitions,
    ({ name }, { partitionIndex }) => {
      // The outcomes stand in the order in which the known partitions were met.
      const commit = offsets[next];
      const isKnown = commit !== undefined && commit.topic === name && commit.partition === partitionIndex;
      if (!isKnown) return { partitionIndex, errorCode: refusals.get(name) ?? noSuchTopic(name) };
      next += 1;
      return { partitionIndex, errorCode: outcomes[next - 1]! };
    },
    ({ name }, partitions) => ({ name, partitions }),
  );
  return { topics: await inTurns(answers, () => context.pause()) };
});

function refused({ topics }: OffsetCommitRequest, errorCode: number): OffsetCommitResponseInput {
  return {
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  };
}
