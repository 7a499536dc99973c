/**
 * DeleteGroups: removes groups without members, and their offsets. Answered when that is durable.
 *
 * 1: throttle time honoured by clients. 2: flexible.
 */
import { DeleteGroups } from '@millrace/protocol';
import { defineHandler } from './handler.ts';

export const deleteGroups = defineHandler(DeleteGroups, { minVersion: 0, maxVersion: 2 }, async (request, context) => {
  const groupIds = [...new Set(request.groupsNames)];
  const outcomes = await context.broker.groups.deleteGroups(groupIds);
  return { throttleTimeMs: 0, results: groupIds.map((groupId, index) => ({ groupId, errorCode: outcomes[index]! })) };
});
