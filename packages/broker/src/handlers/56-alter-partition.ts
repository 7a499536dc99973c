/**
 * AlterPartition: the leader of a partition tells the controller of changes to its in-sync replicas (KIP-497).
 *
 * - v1 leader recovery state; v2 topic ids, INELIGIBLE_REPLICA in place of OPERATION_NOT_ATTEMPTED; v3 epochs of the members, which a
 *   cluster on ZooKeeper does not look at.
 * - Not the controller: NOT_CONTROLLER; asked in another registration than the present: STALE_BROKER_EPOCH.
 */
import { AlterPartition } from '@millrace/protocol';
import { alterPartition as alter } from '../controller/requests.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const alterPartition = defineHandler(AlterPartition, { minVersion: 0, maxVersion: 3 }, (request, context) => {
  const refusal = context.authorize('ClusterAction', CLUSTER);
  if (refusal !== undefined) return { errorCode: refusal.errorCode, topics: [] };
  return alter(context.broker.controller, request, context.version);
});
