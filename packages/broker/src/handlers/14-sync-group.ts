/**
 * SyncGroup: the leader hands in who does what, and every member gets its share. Answered when the assignment is durable.
 *
 * 1: throttle time. 3: group instance id (KIP-345). 4: flexible. 5: protocol type and name, which must be given (KIP-559).
 */
import { ErrorCode, SyncGroup } from '@millrace/protocol';
import { syncError } from '../groups/results.ts';
import { groupResource } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

const PROTOCOL_REQUIRED_SINCE = 5;

export const syncGroup = defineHandler(SyncGroup, { minVersion: 0, maxVersion: 5 }, (request, context) => {
  const refusal = context.authorize('Read', groupResource(request.groupId));
  if (refusal !== undefined) return syncError(refusal.errorCode);
  const lacksProtocol = request.protocolType === null || request.protocolName === null;
  if (context.version >= PROTOCOL_REQUIRED_SINCE && lacksProtocol) {
    return syncError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
  }
  const synced = context.broker.groups.sync(request);
  // The leader's assignments are copied by now, and the others may wait long for it.
  context.releaseRequest();
  return synced;
});
