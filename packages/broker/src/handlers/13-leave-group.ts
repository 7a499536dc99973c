/**
 * LeaveGroup: members go, at their own wish or (static ones, by instance id) at an administrator's.
 *
 * 0: one member. 1: throttle time. 3: several, each with an error code of its own (KIP-345). 4: flexible.
 * 5: a reason (KIP-800).
 */
import { ErrorCode, LeaveGroup } from '@millrace/protocol';
import { groupResource } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

const BATCHED_SINCE = 3;

export const leaveGroup = defineHandler(LeaveGroup, { minVersion: 0, maxVersion: 5 }, (request, context) => {
  const { groups } = context.broker;
  const refusal = context.authorize('Read', groupResource(request.groupId));
  if (refusal !== undefined) return { errorCode: refusal.errorCode, members: [] };
  if (context.version < BATCHED_SINCE) {
    const leaving = { memberId: request.memberId, groupInstanceId: null, reason: null };
    const { errorCode, members } = groups.leave(request.groupId, [leaving]);
    return { errorCode: errorCode === ErrorCode.NONE ? members[0]! : errorCode };
  }
  const { errorCode, members } = groups.leave(request.groupId, request.members);
  return {
    errorCode,
    members: members.map((memberError, index) => {
      const { memberId, groupInstanceId } = request.members[index]!;
      return { memberId, groupInstanceId, errorCode: memberError };
    }),
  };
});
