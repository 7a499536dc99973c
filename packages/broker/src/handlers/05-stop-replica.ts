/**
 * StopReplica: the controller has this broker give up replicas, and delete their files where it says so.
 *
 * - v1 broker epochs, partitions grouped by topic; v3 leader epochs, deletion per partition; v4 KRaft controllers.
 */
import { StopReplica } from '@millrace/protocol';
import { stopReplicaCommand, stopReplicaResponse } from '../commands/wire.ts';
import { COMMAND_DECODED_BYTES_MAX, defineHandler } from './handler.ts';

export const stopReplica = defineHandler(
  StopReplica,
  {
    minVersion: 1,
    maxVersion: 4,
    decodedBytesMax: COMMAND_DECODED_BYTES_MAX,
    askedFirst: { operation: 'ClusterAction', refused: (errorCode) => ({ errorCode, partitionErrors: [] }) },
  },
  async (request, context) => {
    const { broker, version } = context;
    return stopReplicaResponse(await broker.commands.stopReplica(stopReplicaCommand(request, version)));
  },
);
