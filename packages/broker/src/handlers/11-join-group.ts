/**
 * JoinGroup: a member wants to take part in a group's next generation. Answered when all members have joined, or at once
 * where nothing changes.
 *
 * 0: the session timeout is the rebalance timeout too. 1: a rebalance timeout of its own (KIP-62). 2: throttle time.
 * 4: a dynamic member is first given its id (KIP-394). 5: group instance id (KIP-345). 6: flexible.
 * 7: protocol type in the response (KIP-559), and a protocol name that may be null. 8: a reason (KIP-800).
 * 9: the leader may be told to skip the assignment (KIP-814).
 */
import { JoinGroup, type JoinGroupResponseInput } from '@millrace/protocol';
import { type JoinResult, joinError } from '../groups/results.ts';
import { groupResource } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

const MEMBER_ID_REQUIRED_SINCE = 4;
const NULLABLE_PROTOCOL_NAME_SINCE = 7;
const SKIP_ASSIGNMENT_SINCE = 9;

export const joinGroup = defineHandler(JoinGroup, { minVersion: 0, maxVersion: 9 }, async (request, context) => {
  const { version } = context;
  const refusal = context.authorize('Read', groupResource(request.groupId));
  if (refusal !== undefined) return answerIn(version, joinError(request.memberId, refusal.errorCode));
  const joined = context.broker.groups.join({
    groupId: request.groupId,
    memberId: request.memberId,
    groupInstanceId: request.groupInstanceId,
    requireKnownMemberId: version >= MEMBER_ID_REQUIRED_SINCE,
    supportsSkippingAssignment: version >= SKIP_ASSIGNMENT_SINCE,
    clientId: context.clientId ?? '',
    // With the slash that Java puts before an address without a name: tools show it as it is.
    clientHost: `/${context.connection.clientHost}`,
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: version === 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs,
    protocolType: request.protocolType,
    protocols: request.protocols,
    reason: request.reason,
  });
  // What a group keeps of a request it has copied, and a rebalance may take minutes.
  context.releaseRequest();
  return answerIn(version, await joined);
});

function answerIn(version: number, result: JoinResult): JoinGroupResponseInput {
  if (version >= NULLABLE_PROTOCOL_NAME_SINCE) return result;
  return { ...result, protocolName: result.protocolName ?? '' };
}
