import { ErrorCode } from '@millrace/protocol';
import type { Logger } from '../logger.ts';
import type { ReplicaManager } from '../replicas/replica-manager.ts';
import type {
  BrokerChannel,
  CommandOutcome,
  LeaderAndIsrCommand,
  StopReplicaCommand,
  UpdateMetadataCommand,
} from './broker-channel.ts';
import type { ClusterImage } from './cluster-image.ts';

/** The controller's way to the broker it runs in. */
export class LocalBrokerChannel implements BrokerChannel {
  readonly #replicas: ReplicaManager;
  readonly #cluster: ClusterImage;
  readonly #logger: Logger;
  #controllerEpoch = -1;
  /** The command that is being carried out; the next one begins when it is done. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(replicas: ReplicaManager, cluster: ClusterImage, logger: Logger) {
    this.#replicas = replicas;
    this.#cluster = cluster;
    this.#logger = logger;
  }

  leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, () => this.#replicas.leaderAndIsr(command));
  }

  updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, async () => {
      this.#cluster.apply(command);
      return { errorCode: ErrorCode.NONE, partitions: [] };
    });
  }

  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, () => this.#replicas.stopReplica(command));
  }

  #inTurn(
    command: { readonly controllerId: number; readonly controllerEpoch: number },
    run: () => Promise<CommandOutcome>,
  ): Promise<CommandOutcome> {
    const outcome = this.#last.then(() => {
      if (command.controllerEpoch < this.#controllerEpoch) {
        this.#logger.warn(
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
