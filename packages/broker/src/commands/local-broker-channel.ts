import { ErrorCode } from '@millrace/protocol';
import type {
  BrokerChannel,
  CommandOutcome,
  LeaderAndIsrCommand,
  StopReplicaCommand,
  UpdateMetadataCommand,
} from '../cluster/broker-channel.ts';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { ConfigRepository } from '../config/config-repository.ts';
import type { ReplicaManager } from '../replicas/replica-manager.ts';
import type { Logger } from '../shared/logger.ts';

/** The rooms that carry the commands out. */
export interface LocalBrokerRooms {
  readonly replicas: ReplicaManager;
  readonly cluster: ClusterImage;
  readonly configs: Pick<ConfigRepository, 'forgetTopic'>;
  /** What coordinators keep about topics goes with them. */
  readonly forgetTopics: (topics: ReadonlySet<string>) => void;
  readonly logger: Logger;
}

/** The controller's way to the broker it runs in. */
export class LocalBrokerChannel implements BrokerChannel {
  readonly #rooms: LocalBrokerRooms;
  #controllerEpoch = -1;
  /** The command that is being carried out; the next one begins when it is done. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(rooms: LocalBrokerRooms) {
    this.#rooms = rooms;
  }

  leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, () => this.#rooms.replicas.leaderAndIsr(command));
  }

  updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, async () => {
      this.#rooms.cluster.apply(command);
      this.#forget(command.deletedTopics);
      return { errorCode: ErrorCode.NONE, partitions: [] };
    });
  }

  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, () => this.#rooms.replicas.stopReplica(command));
  }

  #forget(topics: readonly string[]): void {
    if (topics.length === 0) return;
    for (const topic of topics) this.#rooms.configs.forgetTopic(topic);
    this.#rooms.forgetTopics(new Set(topics));
  }

  #inTurn(
    command: { readonly controllerId: number; readonly controllerEpoch: number },
    run: () => Promise<CommandOutcome>,
  ): Promise<CommandOutcome> {
    const outcome = this.#last.then(() => {
      if (command.controllerEpoch < this.#controllerEpoch) {
        this.#rooms.logger.warn(
          { controllerId: command.controllerId, epoch: command.controllerEpoch, newestEpoch: this.#controllerEpoch },
          'Refused a command of a controller that has been replaced',
        );
        return { errorCode: ErrorCode.STALE_CONTROLLER_EPOCH, partitions: [] };
      }
      this.#controllerEpoch = command.controllerEpoch;
      return run();
    });
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }
}
