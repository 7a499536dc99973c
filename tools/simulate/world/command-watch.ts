import type { RequestHandler } from '@millrace/network';
import {
  type Api,
  decodeRequestHeader,
  decodeResponseFrame,
  LeaderAndIsr,
  Reader,
  StopReplica,
  UpdateMetadata,
  type UpdateMetadataRequest,
} from '@millrace/protocol';
import type { Anomaly } from '../checker/violation.ts';
import type { BrokerProcess } from './broker-process.ts';

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
export function watchingCommands(handler: RequestHandler, process: BrokerProcess, protest: Protest): RequestHandler {
  const { brokerId } = process.broker.services;
  let newest = -1;
  return {
    handle(frame, connection, admission) {
      const api = COMMANDS.get(frame.readInt16BE(0));
      if (api === undefined) return handler.handle(frame, connection, admission);
      const { apiVersion, bodyOffset } = decodeRequestHeader(frame);
      // A copy: handlers may take the frame's memory over.
      const request = api.request.decode(new Reader(Buffer.from(frame), bodyOffset), apiVersion);
      if (api.key === UpdateMetadata.key) lookAtOrder(request as UpdateMetadataRequest, process, protest);
      const { controllerEpoch } = request;
      const newestBefore = newest;
      const answered = Promise.resolve(handler.handle(frame, connection, admission));
      return answered.then((answer) => {
        if (answer === null) return answer;
        const { body } = decodeResponseFrame(api, apiVersion, Buffer.concat(answer).subarray(4));
        if (body.errorCode !== 0) return answer;
        newest = Math.max(newest, controllerEpoch);
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

function lookAtOrder(request: UpdateMetadataRequest, { broker }: BrokerProcess, protest: Protest): void {
  const { replicas, brokerId, cluster } = broker.services;
  if (request.controllerEpoch < cluster.controllerEpoch) return;
  for (const { topicName, partitionStates } of request.topicStates) {
    for (const { partitionIndex, leader, leaderEpoch } of partitionStates) {
      if (leader !== brokerId) continue;
      const replica = [...replicas.partitions].find(
        ({ topic, partition }) => topic === topicName && partition === partitionIndex,
      );
      if (replica === undefined || replica.log.state === 'failed' || replica.leaderEpoch >= leaderEpoch) continue;
      const message = `broker ${brokerId} is told that it leads in epoch ${leaderEpoch}, and was told nothing later than ${replica.leaderEpoch} as a replica`;
      protest('command-order', `${topicName}-${partitionIndex}`, message);
    }
  }
}
