/**
 * AddOffsetsToTxn: a transaction will commit offsets of a group, so the group's partition of `__consumer_offsets` belongs to it. The
 * group itself is not told yet.
 *
 * v3 flexible; v4 TRANSACTION_ABORTABLE.
 */
import { AddOffsetsToTxn, ErrorCode } from '@millrace/protocol';
import { OFFSETS_TOPIC } from '../cluster/internal-topics.ts';
import { groupResource, transactionalIdResource } from '../shared/authorization.ts';
import { partitionOf } from '../shared/java-hash.ts';
import { fencedFor } from './fenced.ts';
import { defineHandler } from './handler.ts';

export const addOffsetsToTxn = defineHandler(
  AddOffsetsToTxn,
  { minVersion: 0, maxVersion: 4 },
  async (request, context) => {
    const { transactionalId, producerId, producerEpoch, groupId } = request;
    const refusal =
      context.authorize('Write', transactionalIdResource(transactionalId)) ??
      context.authorize('Read', groupResource(groupId));
    if (refusal !== undefined) return { errorCode: refusal.errorCode };
    const { cluster, topicAdmin, transactions, coordinatorTopics } = context.broker;
    // Producers come here before anybody has looked for the group.
    if (cluster.topic(OFFSETS_TOPIC) === undefined) await topicAdmin.autoCreate([OFFSETS_TOPIC]);
    const count = await coordinatorTopics.find(OFFSETS_TOPIC);
    if (count === undefined) return { errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE };
    const asker = { transactionalId, producerId, producerEpoch };
    const added = new Map([[OFFSETS_TOPIC, new Set([partitionOf(groupId, count)])]]);
    const errorCode = await transactions.coordinator.addPartitions(asker, added);
    return { errorCode: fencedFor(context, errorCode) };
  },
);
