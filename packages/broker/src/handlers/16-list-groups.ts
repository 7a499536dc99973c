/**
 * ListGroups: the groups that this broker coordinates.
 *
 * 1: throttle time. 3: flexible. 4: only groups in some states, and the state in the response (KIP-518).
 * 5: only groups of some types, and the type in the response (KIP-848).
 */
import { ListGroups } from '@millrace/protocol';
import { CLUSTER, groupResource } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const listGroups = defineHandler(ListGroups, { minVersion: 0, maxVersion: 5 }, (request, context) => {
  const mayList = context.isAllowed('Describe', CLUSTER);
  const isShown = (groupId: string): boolean => context.isAllowed('Describe', groupResource(groupId));
  const { errorCode, groups } = context.broker.groups.list(request.statesFilter, request.typesFilter);
  return {
    errorCode,
    groups: groups
      .filter(({ groupId }) => mayList || isShown(groupId))
      .map(({ groupId, protocolType, state, type }) => ({
        groupId,
        protocolType,
        groupState: state,
        groupType: type,
      })),
  };
});
