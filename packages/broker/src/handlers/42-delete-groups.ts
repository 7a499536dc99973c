/**
 * DeleteGroups: removes groups without members, and their offsets. Answered when that is durable.
 *
 * 1: throttle time honoured by clients. 2: flexible.
 */
import { DeleteGroups, ErrorCode } from '@millrace/protocol';
import { groupResource } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const deleteGroups = defineHandler(DeleteGroups, { minVersion: 0, maxVersion: 2 }, async (request, context) => {
  const groupIds = [...new Set(request.groupsNames)];
  const refusals = groupIds.map((groupId) => context.authorize('Delete', groupResource(groupId)));
  const allowed = groupIds.filter((_groupId, index) => refusals[index] === undefined);
  const outcomes = await context.broker.groups.deleteGroups(allowed);
  const outcomeOf = new Map(allowed.map((groupId, index) => [groupId, outcomes[index]!]));
  const errorOf = (groupId: string, index: number): number =>
    refusals[index]?.errorCode ?? outcomeOf.get(groupId) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
  return {
    throttleTimeMs: 0,
    results: groupIds.map((groupId, index) => ({ groupId, errorCode: errorOf(groupId, index) })),
  };
});
