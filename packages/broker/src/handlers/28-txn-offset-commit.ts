/**
 * TxnOffsetCommit: offsets of a group that count when the transaction commits. The coordinator of the transaction is asked before the
 * first of a transaction, as with records.
 *
 * - v2 leader epochs; v3 flexible, and who the member is (KIP-447); v4 TRANSACTION_ABORTABLE; v5 the group's partition is added to the
 *   transaction here.
 * - v0-1 clients do not know COORDINATOR_LOAD_IN_PROGRESS here, and are told COORDINATOR_NOT_AVAILABLE (KAFKA-7296).
 */
import { ErrorCode, TxnOffsetCommit, type TxnOffsetCommitRequest } from '@millrace/protocol';
import type { OffsetCommit } from '../groups/group-offsets.ts';
import { groupResource, topicResource, transactionalIdResource } from '../shared/authorization.ts';
import { inTurns } from '../shared/turns.ts';
import { answerEachPartition } from './each-partition.ts';
import { defineHandler, type RequestContext } from './handler.ts';

const LOADING_SINCE = 2;
const ABORTABLE_SINCE = 4;
const ADDED_HERE_SINCE = 5;

export const txnOffsetCommit = defineHandler(
  TxnOffsetCommit,
  { minVersion: 0, maxVersion: 5 },
  async (request, context) => {
    const refusal =
      context.authorize('Write', transactionalIdResource(request.transactionalId)) ??
      context.authorize('Read', groupResource(request.groupId));
    const codes = refusal === undefined ? await commit(request, context) : () => refusal.errorCode;
    const answers = answerEachPartition(
      request.topics,
      ({ partitions }) => partitions,
      ({ name }, { partitionIndex }) => ({
        partitionIndex,
        errorCode: errorFor(context, codes(name, partitionIndex)),
      }),
      ({ name }, partitions) => ({ name, partitions }),
    );
    return { topics: await inTurns(answers, () => context.pause()) };
  },
);

async function commit(
  request: TxnOffsetCommitRequest,
  context: RequestContext,
): Promise<(topic: string, partition: number) => number> {
  const { clock, groups, topicLookup, transactions } = context.broker;
  const lookup = topicLookup.forRequest();
  const { groupId, generationId, memberId, groupInstanceId, transactionalId, producerId, producerEpoch } = request;
  const codes = new Map<string, Map<number, number>>();
  const note = (topic: string, partition: number, errorCode: number): void => {
    const known = codes.get(topic);
    if (known === undefined) codes.set(topic, new Map([[partition, errorCode]]));
    else known.set(partition, errorCode);
  };
  const offsets: OffsetCommit[] = [];
  for (const { name, partitions } of request.topics) {
    const refusal = context.authorize('Read', topicResource(name));
    for (const partition of partitions) {
      const rest = context.pause();
      if (rest !== undefined) await rest;
      const { partitionIndex } = partition;
      const found = refusal?.errorCode ?? lookup.errorOf(name, partitionIndex);
      const errorCode = typeof found === 'number' ? found : await found;
      if (errorCode !== ErrorCode.NONE) {
        note(name, partitionIndex, errorCode);
      } else {
        offsets.push({
          topic: name,
          partition: partitionIndex,
          offset: partition.committedOffset,
          leaderEpoch: partition.committedLeaderEpoch,
          metadata: partition.committedMetadata ?? '',
          commitTimestampMs: clock.now(),
          expireTimestampMs: -1,
        });
      }
    }
  }
  if (offsets.length > 0) {
    const asker = { transactionalId, producerId, producerEpoch };
    const demand = context.version >= ADDED_HERE_SINCE ? 'add' : 'verify';
    const { errorCode, guard } = await transactions.verifyOffsets(groupId, asker, demand);
    const producer = { producerId, producerEpoch, guard };
    const outcomes =
      errorCode === ErrorCode.NONE
        ? await groups.commitTransactional({ groupId, generationId, memberId, groupInstanceId, offsets, producer })
        : offsets.map(() => errorCode);
    for (const [index, { topic, partition }] of offsets.entries()) note(topic, partition, outcomes[index] as number);
  }
  return (topic, partition) => codes.get(topic)?.get(partition) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

function errorFor({ version }: RequestContext, errorCode: number): number {
  switch (errorCode) {
    case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
    // The log was cut, or a marker came, while the transaction was asked for: whoever comes again is asked for anew, and told what holds then.
    // Java's producer takes INVALID_TXN_STATE here for its end.
    case ErrorCode.INVALID_TXN_STATE:
      return version < LOADING_SINCE ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    case ErrorCode.TRANSACTION_ABORTABLE:
      return version < ABORTABLE_SINCE ? ErrorCode.INVALID_TXN_STATE : errorCode;
    case ErrorCode.PRODUCER_FENCED:
      return ErrorCode.INVALID_PRODUCER_EPOCH;
    case ErrorCode.NETWORK_EXCEPTION:
      return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    default:
      return errorCode;
  }
}
