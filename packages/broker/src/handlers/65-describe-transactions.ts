/** DescribeTransactions: what the coordinator of a transaction knows of it (KIP-664). Topics that who asks may not see are left out. */
import { DescribeTransactions, ErrorCode } from '@millrace/protocol';
import { topicResource, transactionalIdResource } from '../shared/authorization.ts';
import { isRefusal } from '../shared/refusal.ts';
import { TransactionState } from '../transactions/transaction.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const describeTransactions = defineHandler(
  DescribeTransactions,
  { minVersion: 0, maxVersion: 0 },
  async (request, context) => {
    const transactionStates = [];
    for (const transactionalId of request.transactionalIds) {
      const rest = context.pause();
      if (rest !== undefined) await rest;
      transactionStates.push(describe(transactionalId, context));
    }
    return { transactionStates };
  },
);

function describe(transactionalId: string, context: RequestContext) {
  const refusal = context.authorize('Describe', transactionalIdResource(transactionalId));
  const found = refusal ?? context.broker.transactions.coordinator.describe(transactionalId);
  if (isRefusal(found)) {
    return {
      errorCode: found.errorCode,
      transactionalId,
      transactionState: '',
      transactionTimeoutMs: 0,
      transactionStartTimeMs: 0,
      producerId: 0,
      producerEpoch: 0,
      topics: [],
    };
  }
  const { image } = found;
  const visible = [...image.partitions].filter(([topic]) => context.isAllowed('Describe', topicResource(topic)));
  return {
    errorCode: ErrorCode.NONE,
    transactionalId,
    transactionState: image.state,
    transactionTimeoutMs: image.timeoutMs,
    transactionStartTimeMs: image.state === TransactionState.EMPTY ? -1 : image.startMs,
    producerId: image.producerId,
    producerEpoch: image.epoch,
    topics: visible.map(([topic, partitions]) => ({ topic, partitions: [...partitions] })),
  };
}
