/**
 * WriteTxnMarkers: a coordinator has markers written into the partitions that this broker leads; an administrator ends hanging
 * transactions with it (KIP-664). Each marker is an append of its own, answered when it is replicated.
 *
 * v1 flexible; v2 whether the epoch was raised for the marker (`transaction.version`, KAFKA-19999). Asked for by those who may alter the cluster, or act in it (KIP-1037).
 */
import { ErrorCode, WriteTxnMarkers, type WriteTxnMarkersRequest } from '@millrace/protocol';
import { CLUSTER } from '../shared/authorization.ts';
import { type Pause, startInTurns } from '../shared/turns.ts';
import { defineHandler } from './handler.ts';

type RequestedMarker = WriteTxnMarkersRequest['markers'][number];
type Write = (topic: string, partition: number) => Promise<number>;

/** From this `transaction.version` on the epoch is raised with each transaction. */
const RAISED_SINCE = 2;

export const writeTxnMarkers = defineHandler(
  WriteTxnMarkers,
  { minVersion: 0, maxVersion: 2 },
  async (request, context) => {
    const { transactions, logger } = context.broker;
    const isAllowed = context.isAllowed('Alter', CLUSTER);
    const refusal = isAllowed ? undefined : context.authorize('ClusterAction', CLUSTER);
    const answer = (marker: RequestedMarker) => {
      const { producerId, producerEpoch, transactionResult: isCommit, coordinatorEpoch } = marker;
      const write = async (topic: string, partition: number): Promise<number> => {
        if (refusal !== undefined) return refusal.errorCode;
        try {
          const isRaised = marker.transactionVersion >= RAISED_SINCE;
          const asked = { producerId, producerEpoch, isCommit, coordinatorEpoch, isRaised };
          return await transactions.markers.write(topic, partition, asked);
        } catch (err) {
          logger.error({ err, topic, partition, producerId }, 'A marker could not be written');
          return ErrorCode.UNKNOWN_SERVER_ERROR;
        }
      };
      return writeAll(marker, write, () => context.pause());
    };
    return { markers: await startInTurns(request.markers, answer, () => context.pause()) };
  },
);

async function writeAll({ producerId, topics }: RequestedMarker, write: Write, pause: Pause) {
  const writeOf = async ({ name, partitionIndexes }: RequestedMarker['topics'][number]) => {
    const writeTo = async (partitionIndex: number) => ({
      partitionIndex,
      errorCode: await write(name, partitionIndex),
    });
    return { name, partitions: await startInTurns(partitionIndexes, writeTo, pause) };
  };
  return { producerId, topics: await startInTurns(topics, writeOf, pause) };
}
