import {
  AlterPartition,
  ControlledShutdown,
  type encodeRequest,
  Fetch,
  LeaderAndIsr,
  StopReplica,
  UpdateMetadata,
} from '@millrace/protocol';
import type { ClientTools, SimulatedClient } from './client.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';
import { type PartitionRef, partitionsOf } from './topics.ts';

const TIMEOUT_MS = 500;
const PAUSE_MS = { least: 10, most: 150 };

/** An epoch of a registration that no broker has any more. */
const BYGONE_BROKER_EPOCH = 0;
/** Epochs of partitions and controllers that nobody has come to, or that all have left behind. */
const LATER_EPOCH = 1_000_000;
const LAST_EPOCH = 2_147_483_647;
/** An offset that no log reaches. */
const NOWHERE = 2 ** 40;
/** Stands for a topic that is deleted. */
const EPOCH_OF_DELETED = -2;
/** The last version that names topics, which is before followers say who they are in another place. */
const FETCH_VERSION = 12;
const ALTER_PARTITION_VERSION = 2;

type Asked<ReqInput> = Parameters<typeof encodeRequest<unknown, unknown, ReqInput, unknown>>[0];

/**
 * Somebody in a cluster who says that he is a broker, or the controller, and lies about its epoch or about what it has: orders to lead, to
 * delete, to believe in another cluster, changes of in-sync replicas, fetches from where no record is, a wish to stop. All of it must be
 * refused and leave no trace, which the checker finds out by the others.
 */
export class Impostor implements SimulatedClient {
  readonly name = 'impostor';
  readonly #tools: ClientTools;
  readonly #router: Router;
  readonly #partitions: readonly PartitionRef[];
  readonly #brokers: readonly number[];
  #isStopped = false;

  constructor(tools: ClientTools) {
    this.#tools = tools;
    this.#router = new Router(this.name, tools);
    this.#partitions = partitionsOf(tools.topics);
    this.#brokers = tools.hosts.map((_, index) => index + 1);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    const deeds = [
      () => this.#orderToLead(),
      () => this.#orderToDelete(),
      () => this.#tellOfAnotherCluster(),
      () => this.#changeInSyncReplicas(),
      () => this.#fetchFromNowhere(),
      () => this.#wishToStop(),
    ];
    while (!this.#isStopped) {
      await clock.sleep(dice.time(PAUSE_MS.least, PAUSE_MS.most));
      try {
        await dice.pick(deeds)();
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        this.#router.forget();
      }
    }
  }

  get #partition(): PartitionRef {
    return this.#tools.dice.pick(this.#partitions);
  }

  get #broker(): number {
    return this.#tools.dice.pick(this.#brokers);
  }

  /** Who commands, as an impostor says: of a term that is over or yet to come, to a broker that has registered anew since. */
  get #commander(): { controllerId: number; controllerEpoch: number; brokerEpoch: number } {
    const controllerEpoch = this.#tools.dice.pick([0, 1, LAST_EPOCH]);
    return { controllerId: this.#broker, controllerEpoch, brokerEpoch: BYGONE_BROKER_EPOCH };
  }

  /** What the impostor says of a partition: that some broker leads it from now on, alone. */
  #stateOf({ index }: PartitionRef) {
    const leader = this.#broker;
    return {
      partitionIndex: index,
      controllerEpoch: LAST_EPOCH,
      leader,
      leaderEpoch: LATER_EPOCH,
      isr: [leader],
      partitionEpoch: LATER_EPOCH,
      zkVersion: LATER_EPOCH,
      replicas: this.#brokers,
    };
  }

  async #orderToLead(): Promise<void> {
    const partition = this.#partition;
    const { name: topicName, id: topicId } = partition.topic;
    const topicStates = [{ topicName, topicId, partitionStates: [this.#stateOf(partition)] }];
    await this.#tellSomebody(LeaderAndIsr, LeaderAndIsr.maxVersion, {
      ...this.#commander,
      topicStates,
      liveLeaders: [],
    });
  }

  async #orderToDelete(): Promise<void> {
    const { topic, index: partitionIndex } = this.#partition;
    const partitionStates = [{ partitionIndex, leaderEpoch: EPOCH_OF_DELETED, deletePartition: true }];
    await this.#tellSomebody(StopReplica, StopReplica.maxVersion, {
      ...this.#commander,
      topicStates: [{ topicName: topic.name, partitionStates }],
    });
  }

  async #tellOfAnotherCluster(): Promise<void> {
    const partition = this.#partition;
    const { name: topicName, id: topicId } = partition.topic;
    const endpoints = [{ host: 'nowhere.test', port: 9092, listener: 'PLAINTEXT', securityProtocol: 0 }];
    await this.#tellSomebody(UpdateMetadata, UpdateMetadata.maxVersion, {
      ...this.#commander,
      topicStates: [{ topicName, topicId, partitionStates: [this.#stateOf(partition)] }],
      liveBrokers: [{ id: this.#broker, rack: null, endpoints }],
    });
  }

  /** Everybody is in sync, says somebody who is no broker any more. */
  async #changeInSyncReplicas(): Promise<void> {
    const { topic, index: partitionIndex } = this.#partition;
    const leaderEpoch = this.#tools.dice.between(0, 5);
    const partitions = [{ partitionIndex, leaderEpoch, newIsr: this.#brokers, partitionEpoch: leaderEpoch }];
    const body = {
      brokerId: this.#broker,
      brokerEpoch: BYGONE_BROKER_EPOCH,
      topics: [{ topicId: topic.id, partitions }],
    };
    await this.#ask(await this.#router.controller(), AlterPartition, ALTER_PARTITION_VERSION, body);
  }

  /** A follower that has more than there is, is of another epoch, or is none. */
  async #fetchFromNowhere(): Promise<void> {
    const { dice } = this.#tools;
    const partition = this.#partition;
    const asked = dice.pick([
      { replicaId: this.#broker, fetchOffset: NOWHERE, currentLeaderEpoch: -1 },
      { replicaId: this.#broker, fetchOffset: NOWHERE, currentLeaderEpoch: LATER_EPOCH },
      { replicaId: this.#brokers.length + 1, fetchOffset: 0, currentLeaderEpoch: -1 },
    ]);
    const { replicaId, ...place } = asked;
    const partitions = [{ partition: partition.index, ...place, logStartOffset: 0, partitionMaxBytes: 1000 }];
    await this.#ask(await this.#router.leaderOf(partition), Fetch, FETCH_VERSION, {
      replicaId,
      maxWaitMs: 0,
      minBytes: 0,
      topics: [{ topic: partition.topic.name, partitions }],
      forgottenTopicsData: [],
    });
  }

  async #wishToStop(): Promise<void> {
    const body = { brokerId: this.#broker, brokerEpoch: BYGONE_BROKER_EPOCH };
    await this.#ask(await this.#router.controller(), ControlledShutdown, ControlledShutdown.maxVersion, body);
  }

  #tellSomebody<ReqInput>(api: Asked<ReqInput>, version: number, body: ReqInput): Promise<void> {
    return this.#ask(this.#router.any(), api, version, body);
  }

  async #ask<ReqInput>(
    requester: ReturnType<Router['any']>,
    api: Asked<ReqInput>,
    version: number,
    body: ReqInput,
  ): Promise<void> {
    await requester.ask(api, version, body, TIMEOUT_MS);
  }
}
