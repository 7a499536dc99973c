/**
 * DescribeGroups: a group's state and members. One that does not exist is shown as `Dead`.
 *
 * 1: throttle time. 3: what the client may do with the group. 4: group instance id. 5: flexible.
 */
import {
  DescribeGroups,
  type DescribeGroupsResponseGroupInput,
  type DescribeGroupsResponseInput,
} from '@millrace/protocol';
import { unknownGroup } from '../groups/description.ts';
import { groupResource } from '../shared/authorization.ts';
import { inTurns } from '../shared/turns.ts';
import { authorizedOperations, OPERATIONS_NOT_ASKED } from './authorized-operations.ts';
import { defineHandler, type RequestContext } from './handler.ts';

export const describeGroups = defineHandler(DescribeGroups, { minVersion: 0, maxVersion: 5 }, (request, context) => {
  const operationsOf = (groupId: string): number =>
    request.includeAuthorizedOperations ? authorizedOperations(context, groupResource(groupId)) : OPERATIONS_NOT_ASKED;
  return inTurns(describeEach(request.groups, operationsOf, context), () => context.pause());
});

/** Each group once, however often it is named: a description may be long, and a name is short. */
function* describeEach(
  groupIds: readonly string[],
  operationsOf: (groupId: string) => number,
  context: RequestContext,
): Generator<void, DescribeGroupsResponseInput> {
  const { broker } = context;
  const groups: DescribeGroupsResponseGroupInput[] = [];
  for (const groupId of new Set(groupIds)) {
    const refusal = context.authorize('Describe', groupResource(groupId));
    groups.push(
      refusal === undefined
        ? { ...broker.groups.describe(groupId), authorizedOperations: operationsOf(groupId) }
        : unknownGroup(groupId, '', refusal.errorCode),
    );
    yield;
  }
  return { groups };
}
