/**
 * OffsetDelete: removes a group's offsets of topics that nobody in it subscribes to (KIP-496). Answered when durable.
 *
 * 0: the only version.
 */
import { ErrorCode, OffsetDelete } from '@millrace/protocol';
import { noSuchTopic } from '../cluster/topic-name.ts';
import type { TopicPartition } from '../groups/group-offsets.ts';
import { groupResource, topicResource } from '../shared/authorization.ts';
import { eachInTurns } from '../shared/turns.ts';
import { defineHandler } from './handler.ts';

/** A partition as the request names it, with why nothing is deleted, if anything speaks against it. */
interface Asked {
  readonly partitionIndex: number;
  errorCode: number;
}

export const offsetDelete = defineHandler(OffsetDelete, { minVersion: 0, maxVersion: 0 }, async (request, context) => {
  const { cluster, groups } = context.broker;
  const refusal = context.authorize('Delete', groupResource(request.groupId));
  if (refusal !== undefined) return { errorCode: refusal.errorCode, topics: [] };
  const topics: { readonly name: string; readonly partitions: Asked[] }[] = [];
  const known: { readonly place: TopicPartition; readonly asked: Asked }[] = [];
  const look = ({ name, partitions }: (typeof request.topics)[number]): void => {
    const notAllowed = context.authorize('Read', topicResource(name))?.errorCode;
    const all = partitions.map(({ partitionIndex }): Asked => {
      const asked = { partitionIndex, errorCode: notAllowed ?? noSuchTopic(name) };
      if (notAllowed === undefined && cluster.partition(name, partitionIndex) !== undefined) {
        known.push({ place: { topic: name, partition: partitionIndex }, asked });
      }
      return asked;
    });
    topics.push({ name, partitions: all });
  };
  await eachInTurns(request.topics, look, () => context.pause());
  const outcome = await groups.deleteOffsets(
    request.groupId,
    known.map(({ place }) => place),
  );
  if (outcome.errorCode !== ErrorCode.NONE) return { errorCode: outcome.errorCode, topics: [] };
  for (const [index, { asked }] of known.entries()) asked.errorCode = outcome.partitions[index]!;
  return { errorCode: ErrorCode.NONE, topics };
});
