/**
 * ControlledShutdown: a broker asks the controller to move its leaderships to others before it stops.
 *
 * - v1 ordinary request header; v2 broker epochs; v3 flexible.
 * - Not the controller: STALE_CONTROLLER_EPOCH; an older registration: STALE_BROKER_EPOCH; not registered: BROKER_NOT_AVAILABLE without an
 *   epoch, UNKNOWN_SERVER_ERROR with one.
 */
import { ControlledShutdown } from '@millrace/protocol';
import { controlledShutdown as shutDown } from '../controller/requests.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const controlledShutdown = defineHandler(
  ControlledShutdown,
  { minVersion: 1, maxVersion: 3 },
  (request, context) => {
    const refusal = context.authorize('ClusterAction', CLUSTER);
    if (refusal !== undefined) return { errorCode: refusal.errorCode, remainingPartitions: [] };
    return shutDown(context.broker.controller, request);
  },
);
