/**
 * Heartbeat: a member lives; the answer tells it whether the group rebalances.
 *
 * 1: throttle time. 3: group instance id (KIP-345). 4: flexible.
 */
import { Heartbeat } from '@millrace/protocol';
import { groupResource } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const heartbeat = defineHandler(Heartbeat, { minVersion: 0, maxVersion: 4 }, (request, context) => ({
  errorCode:
    context.authorize('Read', groupResource(request.groupId))?.errorCode ?? context.broker.groups.heartbeat(request),
}));
