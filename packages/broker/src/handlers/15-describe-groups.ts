/**
 * DescribeGroups: a group's state and members. One that does not exist is shown as `Dead`.
 *
 * 1: throttle time. 3: what the client may do with the group. 4: group instance id. 5: flexible.
 */
import { DescribeGroups } from '@millrace/protocol';
import { OPERATIONS_NOT_ASKED } from './authorized-operations.ts';
import { defineHandler } from './handler.ts';

/** Read, delete and describe, as bits of Kafka's AclOperation codes: without ACLs everybody may do all there is. */
const ALL_GROUP_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8);

export const describeGroups = defineHandler(DescribeGroups, { minVersion: 0, maxVersion: 5 }, (request, context) => {
  const authorizedOperations = request.includeAuthorizedOperations ? ALL_GROUP_OPERATIONS : OPERATIONS_NOT_ASKED;
  return {
    groups: request.groups.map((groupId) => ({ ...context.broker.groups.describe(groupId), authorizedOperations })),
  };
});
