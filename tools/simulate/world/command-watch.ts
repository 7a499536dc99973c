import type { RequestHandler } from '@millrace/network';
import {
  type Api,
  decodeRequestHeader,
  decodeResponseFrame,
  ErrorCode,
  LeaderAndIsr,
  type LeaderAndIsrRequest,
  type LeaderAndIsrResponse,
  Reader,
  StopReplica,
  UpdateMetadata,
  type UpdateMetadataRequest,
} from '@millrace/protocol';
import type { Anomaly } from '../checker/violation.ts';
import type { SimulatedBroker } from './simulated-broker.ts';

type Protest = (anomaly: Anomaly, partition: string | null, message: string) => void;

/** What every command of a controller has, and every answer to one. */
type CommandApi = Api<{ readonly controllerEpoch: number }, { readonly errorCode: number }, never, never>;

const COMMANDS: ReadonlyMap<number, CommandApi> = new Map(
  [LeaderAndIsr, StopReplica, UpdateMetadata].map((api) => [api.key, api as unknown as CommandApi]),
);

/**
 * Sees what controllers send to a broker before it does, and what it answers:
 * - who is told that he leads has been told to lead before, since a controller sends LeaderAndIsr first: `command-order`;
 * - who has done what one controller told does nothing that an earlier one tells: `zombie-command`.
 */
export function watchingCommands(handler: RequestHandler, process: SimulatedBroker, protest: Protest): RequestHandler {
  const { brokerId } = process.broker.services;
  let newest = -1;
  /** By topic id and partition, the newest epoch of a LeaderAndIsr that the broker said it could not carry out there. */
  const told = new Map<string, number>();
  return {
    handle(frame, connection, admission) {
      const api = COMMANDS.get(frame.readInt16BE(0));
      if (api === undefined) return handler.handle(frame, connection, admission);
      const { apiVersion, bodyOffset } = decodeRequestHeader(frame);
      // A copy: handlers may take the frame's memory over.
      const request = api.request.decode(new Reader(Buffer.from(frame), bodyOffset), apiVersion);
      const early =
        api.key === UpdateMetadata.key ? earlyLeaderships(request as UpdateMetadataRequest, process, told) : [];
      const { controllerEpoch } = request;
      const newestBefore = newest;
      const answered = Promise.resolve(handler.handle(frame, connection, admission));
      return answered.then((answer) => {
        if (answer === null) return answer;
        const { body } = decodeResponseFrame(api, apiVersion, Buffer.concat(answer).subarray(4));
        // What was refused, as one meant for the broker before it registered anew, has told it nothing; nor had what came before.
        if (body.errorCode !== 0) return answer;
        for (const { partition, message } of early) protest('command-order', partition, message);
        newest = Math.max(newest, controllerEpoch);
        if (api.key === LeaderAndIsr.key) {
          noteFailed(request as unknown as LeaderAndIsrRequest, body as unknown as LeaderAndIsrResponse, told);
        }
        if (controllerEpoch < newestBefore) {
          const message = `broker ${brokerId} does what controller ${controllerEpoch} says, and has heard from ${newestBefore}`;
          protest('zombie-command', null, message);
        }
        return answer;
      });
    },
    connectionClosed: (connection) => handler.connectionClosed?.(connection),
  };
}

/** A replica that could not take its state over has been told of it all the same, and its controller knows. */
function noteFailed(
  { topicStates }: LeaderAndIsrRequest,
  { topics }: LeaderAndIsrResponse,
  told: Map<string, number>,
): void {
  const failed = new Set(
    topics.flatMap(({ topicId, partitionErrors }) =>
      partitionErrors
        .filter(({ errorCode }) => errorCode === ErrorCode.KAFKA_STORAGE_ERROR)
        .map(({ partitionIndex }) => `${topicId}-${partitionIndex}`),
    ),
  );
  for (const { topicId, partitionStates } of topicStates) {
    for (const { partitionIndex, leaderEpoch } of partitionStates) {
      const key = `${topicId}-${partitionIndex}`;
      if (failed.has(key)) told.set(key, Math.max(leaderEpoch, told.get(key) ?? -1));
    }
  }
}

/** Leaderships of this broker that a request tells everybody of, and that itself has not been told of. */
function earlyLeaderships(
  request: UpdateMetadataRequest,
  { broker }: SimulatedBroker,
  told: ReadonlyMap<string, number>,
): { readonly partition: string; readonly message: string }[] {
  const { replicas, brokerId, cluster } = broker.services;
  if (request.controllerEpoch < cluster.controllerEpoch) return [];
  return request.topicStates.flatMap(({ topicName, topicId, partitionStates }) =>
    partitionStates.flatMap(({ partitionIndex, leader, leaderEpoch }) => {
      if (leader !== brokerId || (told.get(`${topicId}-${partitionIndex}`) ?? -1) >= leaderEpoch) return [];
      const replica = [...replicas.partitions].find(
        ({ topic, partition }) => topic === topicName && partition === partitionIndex,
      );
      if (replica === undefined || replica.log.state === 'failed' || replica.leaderEpoch >= leaderEpoch) return [];
      const message = `broker ${brokerId} is told that it leads in epoch ${leaderEpoch}, and was told nothing later than ${replica.leaderEpoch} as a replica`;
      return [{ partition: `${topicName}-${partitionIndex}`, message }];
    }),
  );
}
