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
import { noSuchTopic } from '../cluster/topic-name.ts';
import { CLUSTER, topicResource, transactionalIdResource } from '../shared/authorization.ts';
import { andThen, inTurns, startInTurns } from '../shared/turns.ts';
import type { PartitionsByTopic } from '../transactions/transaction.ts';
import { answerEachPartition } from './each-partition.ts';
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
      return { resultsByTopicV3AndBelow: await resultsOf(request.v3AndBelowTopics, codeOf, context) };
    }
    const refusal = context.authorize('ClusterAction', CLUSTER);
    if (refusal !== undefined) return { errorCode: refusal.errorCode };
    // Together: each may wait for a write, which they can share. What need not wait makes no promise: there may be very many.
    const add = (transaction: Transaction) => {
      const { transactionalId, topics } = transaction;
      const results = andThen(addForBroker(transaction, context), (codeOf) => resultsOf(topics, codeOf, context));
      return andThen(results, (topicResults) => ({ transactionalId, topicResults }));
    };
    return { resultsByTransaction: await startInTurns(request.transactions, add, () => context.pause()) };
  },
);

async function addForProducer(request: AddPartitionsToTxnRequest, context: RequestContext): Promise<CodeOf> {
  const topics = request.v3AndBelowTopics;
  const transactionalId = request.v3AndBelowTransactionalId;
  const refusal = context.authorize('Write', transactionalIdResource(transactionalId));
  if (refusal !== undefined) return () => refusal.errorCode;
  const bad = await badPartitions(topics, context, true);
  if (bad.size > 0) return (topic, partition) => bad.get(topic)?.get(partition) ?? ErrorCode.OPERATION_NOT_ATTEMPTED;
  const asker = {
    transactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
  };
  const outcome = await context.broker.transactions.coordinator.addPartitions(asker, await byTopic(topics, context));
  const errorCode = fencedFor(context, outcome);
  return () => errorCode;
}

function addForBroker(transaction: Transaction, context: RequestContext): CodeOf | Promise<CodeOf> {
  const { transactionalId, producerId, producerEpoch, topics, verifyOnly } = transaction;
  const { coordinator } = context.broker.transactions;
  const asker = { transactionalId, producerId, producerEpoch };
  if (verifyOnly) {
    return andThen(byTopic(topics, context), (wanted) => {
      const codes = coordinator.verify(asker, wanted);
      return (topic, partition) => codes.get(topic)?.get(partition) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    });
  }
  return andThen(badPartitions(topics, context, false), (bad): CodeOf | Promise<CodeOf> => {
    if (bad.size > 0) return (topic, partition) => bad.get(topic)?.get(partition) ?? ErrorCode.OPERATION_NOT_ATTEMPTED;
    // A broker asks again, and what it asks for others stands behind this in its line.
    const added = andThen(byTopic(topics, context), (wanted) => coordinator.addPartitions(asker, wanted, false));
    return andThen(added, (errorCode) => () => errorCode);
  });
}

type Codes = Map<string, Map<number, number>>;

/** Partitions that no transaction may have, with the reason. Producers may not write to internal topics; brokers know what they do. */
function badPartitions(topics: Topics, context: RequestContext, isProducer: boolean): Codes | Promise<Codes> {
  const atFirstSight = inTurns(refusedPartitions(topics, context, isProducer), () => context.pause());
  return andThen(atFirstSight, (bad) => (bad.size === 0 ? bad : withoutFound(bad, context)));
}

/** Leaves out those that are there after all, though this broker has not been told of them. */
async function withoutFound(bad: Codes, context: RequestContext): Promise<Codes> {
  const lookup = context.broker.topicLookup.forRequest();
  for (const [name, codes] of bad) {
    for (const [partition, code] of codes) {
      if (code !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) continue;
      const found = await lookup.errorOf(name, partition);
      if (found === ErrorCode.NONE) codes.delete(partition);
      else codes.set(partition, found);
      const rest = context.pause();
      if (rest !== undefined) await rest;
    }
    if (codes.size === 0) bad.delete(name);
  }
  return bad;
}

function* refusedPartitions(topics: Topics, context: RequestContext, isProducer: boolean): Generator<void, Codes> {
  const bad: Codes = new Map();
  for (const { name, partitions } of topics) {
    const mayNot =
      isProducer &&
      (isInternalTopic(name) || context.authorize('Write', topicResource(name), () => partitions.length) !== undefined);
    for (const partition of partitions) {
      yield;
      const isUnknown = context.broker.cluster.partition(name, partition) === undefined;
      if (!mayNot && !isUnknown) continue;
      const codes = bad.get(name) ?? new Map<number, number>();
      codes.set(partition, mayNot ? ErrorCode.TOPIC_AUTHORIZATION_FAILED : noSuchTopic(name));
      bad.set(name, codes);
    }
  }
  return bad;
}

function byTopic(topics: Topics, context: RequestContext): PartitionsByTopic | Promise<PartitionsByTopic> {
  return inTurns(setsOf(topics), () => context.pause());
}

function* setsOf(topics: Topics): Generator<void, Map<string, Set<number>>> {
  const sets = new Map<string, Set<number>>();
  for (const topic of topics) {
    const known = sets.get(topic.name) ?? new Set<number>();
    for (const partition of topic.partitions) known.add(partition);
    sets.set(topic.name, known);
    yield;
  }
  return sets;
}

function resultsOf(topics: Topics, codeOf: CodeOf, context: RequestContext) {
  const results = answerEachPartition(
    topics,
    ({ partitions }) => partitions,
    ({ name }, partitionIndex) => ({ partitionIndex, partitionErrorCode: codeOf(name, partitionIndex) }),
    ({ name }, resultsByPartition) => ({ name, resultsByPartition }),
  );
  return inTurns(results, () => context.pause());
}
