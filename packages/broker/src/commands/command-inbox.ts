import { ErrorCode, ZERO_UUID } from '@millrace/protocol';
import {
  type CommandHeader,
  type CommandOutcome,
  LEADER_OF_DELETED,
  type LeaderAndIsrCommand,
  type PartitionState,
  type ReplicaState,
  type StopReplicaCommand,
  type UpdateMetadataCommand,
} from '../cluster/broker-channel.ts';
import type { ClusterImage, TopicImage } from '../cluster/cluster-image.ts';
import { topicNameFault } from '../cluster/topic-name.ts';
import type { ConfigRepository } from '../config/config-repository.ts';
import type { ReplicaManager } from '../replicas/replica-manager.ts';
import type { Logger } from '../shared/logger.ts';

/** Refused names that are told in one line of the log. */
const NAMES_LOGGED_MAX = 10;

interface CommandedPartition {
  readonly topic: string;
  readonly topicId?: string;
  readonly partition: number;
}

type Command = CommandHeader & { readonly partitions: readonly CommandedPartition[] };

/** A command that tells what topics there are. */
type ImageCommand = LeaderAndIsrCommand | UpdateMetadataCommand;

/** The rooms that carry commands out. */
export interface CommandRooms {
  readonly replicas: ReplicaManager;
  readonly cluster: ClusterImage;
  readonly configs: Pick<ConfigRepository, 'forgetTopic' | 'loadTopics'>;
  /** What coordinators keep about topics goes with them. */
  readonly groups: { forgetTopics(topics: ReadonlySet<string>): void };
  /** This broker's registration; -1 before the first. */
  readonly brokerEpoch: () => number;
  readonly logger: Logger;
}

/**
 * Where commands of controllers arrive: those of this broker's own controller, and those of others that came as requests. They are
 * carried out one after the other, and one controller epoch fences all of them.
 */
export class CommandInbox {
  readonly #rooms: CommandRooms;
  #controllerEpoch = -1;
  /** By topic, the id of which a LeaderAndIsr has told while the image still shows another. */
  readonly #newIds = new Map<string, string>();
  /** The command that is being carried out; the next one begins when it is done. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(rooms: CommandRooms) {
    this.#rooms = rooms;
  }

  /** The highest epoch of a controller that has commanded this broker, below which it is commanded by none; -1 before the first. */
  get controllerEpoch(): number {
    return this.#controllerEpoch;
  }

  leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, async (legal) => {
      const { replicas, cluster } = this.#rooms;
      this.#forgetReplaced(legal);
      const outcome = await replicas.leaderAndIsr(legal);
      // UpdateMetadata says the same, but behind this: a client that is refused here and asks who leads would be sent here once more.
      cluster.learn(legal.partitions.map((state) => ({ ...imageOf(state), offlineReplicas: this.#offline(state) })));
      return outcome;
    });
  }

  updateMetadata(command: UpdateMetadataCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, async (legal) => {
      this.#forgetReplaced(legal);
      const { topics, deletedTopics } = this.#rooms.cluster.apply(legal);
      for (const topic of topics) this.#newIds.delete(topic);
      this.#forget(deletedTopics);
      // Whoever is the controller one day must know what a topic allows, replicas here or not.
      const gone = new Set(deletedTopics);
      await this.#rooms.configs.loadTopics([...topics].filter((topic) => !gone.has(topic)));
      return { errorCode: ErrorCode.NONE, partitions: [] };
    });
  }

  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome> {
    return this.#inTurn(command, (legal) => this.#rooms.replicas.stopReplica(legal));
  }

  /** Takes over what another broker knows of leaders while no controller reaches this one. */
  learn(news: readonly PartitionState[]): Promise<void> {
    const learnt = this.#last.then(() => {
      this.#rooms.replicas.resign(news);
      this.#rooms.cluster.learn(news);
    });
    this.#last = learnt.catch(() => undefined);
    return learnt;
  }

  /** Takes topics for deleted that the store has no more; those that were made anew meanwhile stay. */
  forget(topics: readonly TopicImage[]): Promise<void> {
    const forgotten = this.#last.then(() => this.#forget(this.#rooms.cluster.drop(topics)));
    this.#last = forgotten.catch(() => undefined);
    return forgotten;
  }

  #offline({ topic, partition }: ReplicaState): readonly number[] {
    return this.#rooms.cluster.partition(topic, partition)?.offlineReplicas ?? [];
  }

  /**
   * A topic with another id than the one that is known was made anew, and nobody has told of the deletion of the one before. What is kept
   * of that one goes before anything is read or opened of the new one, and once: what is kept of that stays.
   */
  #forgetReplaced({ controllerEpoch, partitions }: ImageCommand): void {
    const { cluster } = this.#rooms;
    const replaced: string[] = [];
    for (const { topic, topicId, leader } of partitions) {
      const known = this.#newIds.get(topic) ?? cluster.topic(topic)?.id ?? ZERO_UUID;
      if (known === topicId || known === ZERO_UUID || topicId === ZERO_UUID) continue;
      // Said of one before, and come late.
      if (leader === LEADER_OF_DELETED || cluster.isDeleted(topicId, controllerEpoch)) continue;
      this.#newIds.set(topic, topicId);
      replaced.push(topic);
    }
    if (replaced.length === 0) return;
    this.#rooms.logger.info({ topics: replaced }, 'Topics were deleted and made anew without this broker being told');
    this.#forget(replaced);
  }

  #forget(topics: readonly string[]): void {
    if (topics.length === 0) return;
    for (const topic of topics) this.#rooms.configs.forgetTopic(topic);
    this.#rooms.groups.forgetTopics(new Set(topics));
  }

  #inTurn<Kind extends Command>(command: Kind, run: (legal: Kind) => Promise<CommandOutcome>): Promise<CommandOutcome> {
    const outcome = this.#last.then(() => {
      const errorCode = this.#refusal(command);
      return errorCode === ErrorCode.NONE ? this.#runLegal(command, run) : { errorCode, partitions: [] };
    });
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }

  /** Names become folders and nodes: what a command says of those that no topic may have is not carried out, and the rest of it is. */
  async #runLegal<Kind extends Command>(
    command: Kind,
    run: (legal: Kind) => Promise<CommandOutcome>,
  ): Promise<CommandOutcome> {
    const isIllegal = ({ topic }: { readonly topic: string }): boolean => topicNameFault(topic) !== undefined;
    const illegal = command.partitions.filter(isIllegal);
    if (illegal.length === 0) return run(command);
    const fields = {
      controllerId: command.controllerId,
      topics: illegal.slice(0, NAMES_LOGGED_MAX).map(({ topic }) => topic),
    };
    this.#rooms.logger.warn(fields, 'Refused what a command says of topics whose names no topic may have');
    const legal = command.partitions.filter((partition) => !isIllegal(partition));
    const { errorCode, partitions } = await run({ ...command, partitions: legal });
    const refused = illegal.map(({ topic, topicId = ZERO_UUID, partition }) => ({
      topic,
      topicId,
      partition,
      errorCode: ErrorCode.INVALID_TOPIC_EXCEPTION,
    }));
    return { errorCode, partitions: [...partitions, ...refused] };
  }

  #refusal({ controllerId, controllerEpoch, brokerEpoch }: CommandHeader): number {
    const own = this.#rooms.brokerEpoch();
    // A higher one is of a registration that went through, though this broker has not heard of it yet (KAFKA-7235).
    if (brokerEpoch >= 0 && brokerEpoch < own) {
      const fields = { controllerId, brokerEpoch, ownEpoch: own };
      this.#rooms.logger.warn(fields, 'Refused a command that was meant for this broker before it registered anew');
      return ErrorCode.STALE_BROKER_EPOCH;
    }
    if (controllerEpoch < this.#controllerEpoch) {
      const fields = { controllerId, epoch: controllerEpoch, newestEpoch: this.#controllerEpoch };
      this.#rooms.logger.warn(fields, 'Refused a command of a controller that has been replaced');
      return ErrorCode.STALE_CONTROLLER_EPOCH;
    }
    this.#controllerEpoch = controllerEpoch;
    return ErrorCode.NONE;
  }
}

/** What of a replica's state every broker knows. */
function imageOf({
  topic,
  topicId,
  partition,
  controllerEpoch,
  leader,
  leaderEpoch,
  isr,
  partitionEpoch,
  replicas,
}: ReplicaState): Omit<PartitionState, 'offlineReplicas'> {
  return { topic, topicId, partition, controllerEpoch, leader, leaderEpoch, isr, partitionEpoch, replicas };
}
