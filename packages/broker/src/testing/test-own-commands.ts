import type { CommandHeader } from '../cluster/broker-channel.ts';
import { interBrokerVersions } from '../cluster/inter-broker-versions.ts';
import { CommandQueue } from '../commands/command-queue.ts';
import { ControllerLink } from '../commands/controller-link.ts';
import { LocalChannel } from '../commands/local-channel.ts';
import { leaderAndIsrRequest, stopReplicaRequest, updateMetadataRequest } from '../commands/wire.ts';
import type { Said } from './test-replicas.ts';

/**
 * Notes what controllers tell their own brokers and are asked by them, which goes past the network here and over it at Kafka, as it would be
 * said there; and has them tell others each command by itself, as Kafka does: which of them are joined depends on how fast they are answered.
 * Of all clusters of this thread, until what is returned is called.
 */
export function hearOwnCommands(release: string, hear: (said: Said) => void): () => void {
  const versions = interBrokerVersions(release);
  if (versions === undefined) throw new Error(`Brokers do not speak ${release}`);
  const { leaderAndIsr, updateMetadata, stopReplica } = LocalChannel.prototype;
  const note = ({ controllerId: id }: CommandHeader, api: string, version: number, body: unknown): void =>
    hear({ from: id, to: id, api, version, body });
  LocalChannel.prototype.leaderAndIsr = function (command) {
    const version = versions.leaderAndIsr;
    note(command, 'LeaderAndIsr', version, leaderAndIsrRequest(command, 'PLAINTEXT', version));
    return leaderAndIsr.call(this, command);
  };
  LocalChannel.prototype.updateMetadata = function (command) {
    note(command, 'UpdateMetadata', versions.updateMetadata, updateMetadataRequest(command));
    return updateMetadata.call(this, command);
  };
  LocalChannel.prototype.stopReplica = function (command) {
    note(command, 'StopReplica', versions.stopReplica, stopReplicaRequest(command));
    return stopReplica.call(this, command);
  };
  const { ask } = ControllerLink.prototype;
  ControllerLink.prototype.ask = function (api, body, own) {
    const heard: typeof own = (request, version) => {
      // Both that are asked of a controller so say who asks.
      const { brokerId: id } = request as { readonly brokerId: number };
      hear({ from: id, to: id, api: api.name, version, body: request });
      return own(request, version);
    };
    return ask.call(this, api as never, body as never, heard as never) as never;
  };
  const { joinable } = CommandQueue.prototype;
  CommandQueue.prototype.joinable = () => -1;
  return () => {
    CommandQueue.prototype.joinable = joinable;
    Object.assign(LocalChannel.prototype, { leaderAndIsr, updateMetadata, stopReplica });
    ControllerLink.prototype.ask = ask;
  };
}
