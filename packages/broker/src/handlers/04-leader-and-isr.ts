/**
 * LeaderAndIsr: the controller says which partitions this broker leads or follows.
 *
 * - v2 broker epochs, partitions grouped by topic; v3 reassignments; v5 topic ids; v6 leader recovery state; v7 KRaft controllers.
 * - Answered with STALE_BROKER_EPOCH or STALE_CONTROLLER_EPOCH as a whole, and per partition as `ReplicaManager.becomeLeaderOrFollower`.
 */
import { LeaderAndIsr } from '@millrace/protocol';
import { leaderAndIsrCommand, leaderAndIsrResponse } from '../commands/wire.ts';
import { COMMAND_DECODED_BYTES_MAX, defineHandler } from './handler.ts';

export const leaderAndIsr = defineHandler(
  LeaderAndIsr,
  {
    minVersion: 2,
    maxVersion: 7,
    decodedBytesMax: COMMAND_DECODED_BYTES_MAX,
    askedFirst: { operation: 'ClusterAction', refused: (errorCode) => ({ errorCode }) },
  },
  async (request, context) => {
    const { broker, version } = context;
    return leaderAndIsrResponse(await broker.commands.leaderAndIsr(leaderAndIsrCommand(request)), version);
  },
);
