/**
 * AllocateProducerIds: a broker asks the controller for a block of producer ids (KIP-730).
 *
 * - Not the controller: NOT_CONTROLLER; not registered: BROKER_ID_NOT_REGISTERED; another registration than the present: STALE_BROKER_EPOCH.
 * - Brokers of ours take their blocks from the store themselves; brokers of Kafka from 3.0 on ask here. Both use the same node.
 */
import { AllocateProducerIds, type AllocateProducerIdsResponseInput, ErrorCode } from '@millrace/protocol';
import { registrationError } from '../controller/requests.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const allocateProducerIds = defineHandler(
  AllocateProducerIds,
  { minVersion: 0, maxVersion: 0 },
  async ({ brokerId, brokerEpoch }, context) => {
    const { broker } = context;
    const refused = (errorCode: number): AllocateProducerIdsResponseInput => ({
      errorCode,
      producerIdStart: 0,
      producerIdLen: 0,
    });
    const refusal = context.authorize('ClusterAction', CLUSTER);
    if (refusal !== undefined) return refused(refusal.errorCode);
    const errorCode = await broker.controller.inTerm(async ({ context }) =>
      context.brokers.has(brokerId)
        ? registrationError(context, brokerId, brokerEpoch)
        : ErrorCode.BROKER_ID_NOT_REGISTERED,
    );
    if (errorCode === undefined) return refused(ErrorCode.NOT_CONTROLLER);
    if (errorCode !== ErrorCode.NONE) return refused(errorCode);
    const { first, last } = await broker.producerIds.takeBlock(brokerId);
    return { errorCode: ErrorCode.NONE, producerIdStart: first, producerIdLen: last - first + 1 };
  },
);
