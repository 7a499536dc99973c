/**
 * AddPartitionsToTxn: the partitions that a transaction writes to; the first begin it.
 *
 * - v0-3 come from producers: if one partition is bad, the others are not attempted.
 * - v4 and 5 come from brokers, for several transactions at once (KIP-890): to add, or only to ask whether partitions are in it.
 */
import {
  AddPartitionsToTxn,
  type AddPartitionsToTxnRequest,
  type AddPartitionsToTxnResponseInput,
  ErrorCode,
} from '@millrace/protocol';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { CLUSTER, topicResource, transactionalIdResource } from '../shared/authorization.ts';
import type { PartitionsByTopic } from '../transactions/transaction.ts';
import { fencedFor } from './fenced.ts';
import { defineHandler, type RequestContext } from './handler.ts';

/** From here on brokers ask. */
const BATCHED_SINCE = 4;

type Topics = AddPartitionsToTxnRequest['v3AndBelowTopics'];
type Transaction = AddPartitionsToTxnRequest['transactions'][number];
type CodeOf = (topic: string, partition: number) => number;

export const addPartitionsToTxn = defineHandler(
  AddPartitionsToTxn,
  { minVersion: 0, maxVersion: 5 },
  async (request, context): Promise<AddPartitionsToTxnResponseInput> => {
    if (context.version < BATCHED_SINCE) {
      const codeOf = await addForProducer(request, context);
      return { resultsByTopicV3AndBelow: resultsOf(request.v3AndBelowTopics, codeOf) };
    }
    const refusal = context.authorize('ClusterAction', CLUSTER);
    if (refusal !== undefined) return { errorCode: refusal.errorCode };
    // Together: each may wait for a write, which they can share.
    const added = request.transactions.map(async (transaction) => {
      const { transactionalId, topics } = transaction;
      const codeOf = await addForBroker(transaction, context);
      return { transactionalId, topicResults: resultsOf(topics, codeOf) };
    });
    return { resultsByTransaction: await Promise.all(added) };
  },
);

async function addForProducer(request: AddPartitionsToTxnRequest, context: RequestContext): Promise<CodeOf> {
  const topics = request.v3AndBelowTopics;
  const transactionalId = request.v3AndBelowTransactionalId;
  const refusal = context.authorize('Write', transactionalIdResource(transactionalId));
  if (refusal !== undefined) return () => refusal.errorCode;
  const bad = badPartitions(topics, context);
  if (bad.size > 0) return (topic, partition) => bad.get(topic)?.get(partition) ?? ErrorCode.OPERATION_NOT_ATTEMPTED;
  const asker = {
    transactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
  };
  const outcome = await context.broker.transactions.coordinator.addPartitions(asker, byTopic(topics));
  const errorCode = fencedFor(context, outcome);
  return () => errorCode;
}

async function addForBroker(transaction: Transaction, context: RequestContext): Promise<CodeOf> {
  const { transactionalId, producerId, producerEpoch, topics, verifyOnly } = transaction;
  const { coordinator } = context.broker.transactions;
  const asker = { transactionalId, producerId, producerEpoch };
  if (verifyOnly) {
    const codes = coordinator.verify(asker, byTopic(topics));
    return (topic, partition) => codes.get(topic)?.get(partition) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
  }
  const bad = badPartitions(topics, context, false);
  if (bad.size > 0) return (topic, partition) => bad.get(topic)?.get(partition) ?? ErrorCode.OPERATION_NOT_ATTEMPTED;
  // A broker asks again, and what it asks for others stands behind this in its line.
  const errorCode = await coordinator.addPartitions(asker, byTopic(topics), false);
  return () => errorCode;
}

/** Partitions that no transaction may have, with the reason. Producers may not write to internal topics; brokers know what they do. */
function badPartitions(topics: Topics, context: RequestContext, isProducer = true): Map<string, Map<number, number>> {
  const bad = new Map<string, Map<number, number>>();
  for (const { name, partitions } of topics) {
    const mayNot =
      isProducer && (isInternalTopic(name) || context.authorize('Write', topicResource(name)) !== undefined);
    for (const partition of partitions) {
      const isUnknown = context.broker.cluster.partition(name, partition) === undefined;
      if (!mayNot && !isUnknown) continue;
      const codes = bad.get(name) ?? new Map<number, number>();
      codes.set(partition, mayNot ? ErrorCode.TOPIC_AUTHORIZATION_FAILED : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
      bad.set(name, codes);
    }
  }
  return bad;
}

function byTopic(topics: Topics): PartitionsByTopic {
  const partitions = new Map<string, Set<number>>();
  for (const topic of topics) {
    const known = partitions.get(topic.name) ?? new Set<number>();
    for (const partition of topic.partitions) known.add(partition);
    partitions.set(topic.name, known);
  }
  return partitions;
}

function resultsOf(topics: Topics, codeOf: CodeOf) {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: codeOf(name, partitionIndex),
    })),
  }));
}
