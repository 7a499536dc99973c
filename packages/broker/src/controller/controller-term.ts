import { isMetadataError, type MetadataStore, type Operation, type Watcher } from '@millrace/metadata';
import type { Random } from '@millrace/ports';
import type { BrokerChannel, LiveBroker } from '../cluster/broker-channel.ts';
import type { Logger } from '../shared/logger.ts';
import { randomUuid } from '../shared/uuid.ts';
import {
  decodeBroker,
  decodePartitionState,
  decodeTopic,
  encodePartitionState,
  encodeTopic,
  type LeaderAndIsr,
  paths,
} from '../store/znodes.ts';
import { BrokerCommands, type Commander } from './broker-commands.ts';
import {
  ControllerContext,
  type PartitionContext,
  type PartitionRef,
  partitionsOf,
  type RegisteredBroker,
  type StoredState,
  type TopicContext,
} from './controller-context.ts';
import { type ControllerGuard, writeGuarded } from './guarded-writes.ts';
import { type ElectedState, electForNew, electForOffline } from './leader-election.ts';
import { deletionOperations } from './topic-removal.ts';

/** What a term works with. */
export interface ControllerTermOptions {
  readonly brokerId: number;
  readonly store: MetadataStore;
  readonly random: Random;
  readonly logger: Logger;
  /** Opens the way to a broker for as long as it is registered as it is now. */
  readonly openChannel: (broker: LiveBroker, onOverflow: () => void) => BrokerChannel;
  /** `delete.topic.enable`. */
  readonly isDeletionEnabled: () => boolean;
  /** `unclean.leader.election.enable` of a topic. */
  readonly allowsUncleanElection: (topic: string) => boolean;
}

/** What the watches of a term set off. The controller puts these into its queue. */
export interface TermEvents {
  brokersChanged(): void;
  topicsChanged(): void;
  partitionsChanged(topic: string): void;
  deletionsChanged(): void;
  /** A broker did not take its commands, and those that waited were dropped. */
  brokerOverflowed(brokerId: number): void;
  /** All live replicas of these topics are gone. */
  replicasDeleted(topics: readonly string[]): void;
}

/**
 * What a broker does as the controller, from its election to its end. One method per event; the caller runs them one at a
 * time. Every write is guarded by the epoch that the election gave, so a controller that has been replaced without knowing
 * cannot change anything.
 */
export class ControllerTerm {
  readonly epoch: number;
  readonly #options: ControllerTermOptions;
  readonly #store: MetadataStore;
  readonly #guard: ControllerGuard;
  readonly #events: TermEvents;
  readonly #commander: Commander;
  readonly #context = new ControllerContext();
  /** By broker, each for the registration with that epoch. */
  readonly #channels = new Map<number, { epoch: number; channel: BrokerChannel }>();
  readonly #watchBrokers: Watcher;
  readonly #watchTopics: Watcher;
  readonly #watchTopic: Watcher;
  readonly #watchDeletions: Watcher;

  constructor(epoch: number, guard: ControllerGuard, options: ControllerTermOptions, events: TermEvents) {
    this.epoch = epoch;
    this.#guard = guard;
    this.#options = options;
    this.#store = options.store;
    this.#events = events;
    this.#commander = { controllerId: options.brokerId, controllerEpoch: epoch };
    this.#watchBrokers = () => events.brokersChanged();
    this.#watchTopics = () => events.topicsChanged();
    this.#watchDeletions = () => events.deletionsChanged();
    this.#watchTopic = ({ type, path }) => {
      if (type === 'changed') events.partitionsChanged(path.slice(paths.topics.length + 1));
    };
  }

  /** How many partitions there are, and how many of these have no leader. */
  get counts(): { topics: number; partitions: number; offlinePartitions: number } {
    let partitions = 0;
    let offlinePartitions = 0;
    for (const { context } of this.#context.partitions()) {
      partitions += 1;
      if (context.state === undefined || context.state.leader < 0) offlinePartitions += 1;
    }
    return { topics: this.#context.topics.size, partitions, offlinePartitions };
  }

  /**
   * Reads the cluster's state, having set the watches first, elects leaders where there are none, and tells all brokers.
   * Resolves when the broker of this controller has carried out what it was told.
   */
  async begin(): Promise<void> {
    const brokers = await this.#readBrokers();
    for (const [id, broker] of brokers) this.#context.brokers.set(id, broker);
    const topicNames = await this.#store.children(paths.topics, { watch: this.#watchTopics });
    const deletions = await this.#store.children(paths.deleteTopics, { watch: this.#watchDeletions });
    await this.#loadTopics(topicNames);
    await this.#loadStates([...this.#context.topics.values()]);
    for (const topic of deletions) this.#context.deletions.add(topic);

    const commands = this.#commands();
    await this.#electLeaders(commands, (state) => state === undefined || this.#hasRestarted(state));
    for (const id of this.#context.brokers.keys()) commands.introduce(id, this.#context.partitions());
    commands.liveBrokersChanged();
    const isDone = this.#send(commands);
    this.#deleteTopics(deletions);
    await isDone;
  }

  /** Brokers have come or gone. */
  async brokersChanged(): Promise<void> {
    const now = await this.#readBrokers();
    const { brokers } = this.#context;
    const gone = [...brokers].filter(([id, { epoch }]) => now.get(id)?.epoch !== epoch).map(([id]) => id);
    const come = [...now].filter(([id, { epoch }]) => brokers.get(id)?.epoch !== epoch).map(([id]) => id);
    brokers.clear();
    for (const [id, broker] of now) brokers.set(id, broker);
    if (gone.length === 0 && come.length === 0) return;
    this.#options.logger.info({ gone, come, live: [...now.keys()] }, 'Brokers have come or gone');
    for (const id of gone) this.#channelTo(id);

    const commands = this.#commands();
    commands.liveBrokersChanged();
    await this.#electLeaders(commands, (state) => state === undefined || this.#hasRestarted(state));
    await this.#shrinkIsr(commands);
    for (const id of come) commands.introduce(id, this.#context.partitions());
    this.#send(commands);
    // Topics whose deletion waited for a broker.
    if (come.length > 0) this.#deleteTopics(this.#context.deletions);
  }

  /** Topics have come or gone. */
  async topicsChanged(): Promise<void> {
    const names = new Set(await this.#store.children(paths.topics, { watch: this.#watchTopics }));
    for (const name of this.#context.topics.keys()) if (!names.has(name)) this.#context.topics.delete(name);
    const created = [...names].filter((name) => !this.#context.topics.has(name));
    if (created.length === 0) return;
    await this.#loadTopics(created);
    await this.#bringOnline(created);
  }

  /** A topic's list of partitions has changed. */
  async partitionsChanged(topic: string): Promise<void> {
    await this.#loadTopics([topic]);
    await this.#bringOnline([topic]);
  }

  /** The deletion of topics has been asked for. */
  async deletionsChanged(): Promise<void> {
    const names = await this.#store.children(paths.deleteTopics, { watch: this.#watchDeletions });
    const refused = names.filter((name) => !this.#context.topics.has(name) || !this.#options.isDeletionEnabled());
    if (refused.length > 0) await this.#write(refused.map(deleteRequestRemoval));
    const asked = names.filter((name) => !refused.includes(name) && !this.#context.deletions.has(name));
    for (const name of asked) this.#context.deletions.add(name);
    this.#deleteTopics(asked);
  }

  /** All replicas of topics are gone, so their nodes go too. */
  async replicasDeleted(names: readonly string[]): Promise<void> {
    // A broker may have been told twice, and a topic whose nodes are gone may have been made anew since.
    const topics = names.filter((name) => this.#context.deletions.has(name));
    if (topics.length === 0) return;
    for (const topic of topics) await this.#write(await deletionOperations(this.#store, topic));
    for (const topic of topics) {
      this.#context.topics.delete(topic);
      this.#context.deletions.delete(topic);
    }
    this.#options.logger.info({ topics }, 'Deleted topics');
  }

  /** Sends nothing more. */
  end(): void {
    for (const { channel } of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  #channelTo(id: number): BrokerChannel | undefined {
    const registered = this.#context.brokers.get(id);
    const known = this.#channels.get(id);
    if (known !== undefined && known.epoch === registered?.epoch) return known.channel;
    known?.channel.close();
    this.#channels.delete(id);
    if (registered === undefined) return undefined;
    const channel = this.#options.openChannel(registered.broker, () => this.#events.brokerOverflowed(id));
    this.#channels.set(id, { epoch: registered.epoch, channel });
    return channel;
  }

  /** A broker has missed commands: it is told all that it must know. */
  async reintroduce(brokerId: number): Promise<void> {
    const commands = this.#commands();
    commands.introduce(brokerId, this.#context.partitions());
    void this.#send(commands);
  }

  #commands(): BrokerCommands {
    return new BrokerCommands(this.#context, this.#commander);
  }

  #write(groups: Iterable<readonly Operation[]>): ReturnType<typeof writeGuarded> {
    return writeGuarded(this.#store, this.#guard, groups);
  }

  async #readBrokers(): Promise<Map<number, RegisteredBroker>> {
    const ids = await this.#store.children(paths.brokerIds, { watch: this.#watchBrokers });
    const read = ids.map(async (name): Promise<[number, RegisteredBroker] | undefined> => {
      const id = Number(name);
      const node = await this.#store.get(paths.brokerId(id)).catch(ignoreNoNode);
      return node && [id, { broker: decodeBroker(id, node.data), epoch: node.stat.czxid }];
    });
    return new Map((await Promise.all(read)).filter((entry) => entry !== undefined));
  }

  /** Reads the assignments of topics. Partitions that are known keep their state. */
  async #loadTopics(names: readonly string[]): Promise<void> {
    const read = names.map(async (name) => {
      const node = await this.#store.get(paths.topic(name), { watch: this.#watchTopic }).catch(ignoreNoNode);
      if (node === undefined) return;
      const { topicId, replicas } = decodeTopic(name, node.data);
      const id = topicId ?? (await this.#giveId(name, replicas, node.stat.version));
      const known = this.#context.topics.get(name);
      const before = known?.id === id ? known.partitions : [];
      const partitions = replicas.map(
        (each, index): PartitionContext => ({ replicas: each, state: before[index]?.state }),
      );
      this.#context.topics.set(name, { name, id, partitions });
    });
    await Promise.all(read);
  }

  /** Topics that Kafka made before 2.8 have no id. */
  async #giveId(topic: string, replicas: readonly (readonly number[])[], version: number): Promise<string> {
    const id = randomUuid(this.#options.random);
    const data = encodeTopic(id, replicas);
    await this.#write([[{ type: 'set', path: paths.topic(topic), data, expected: { exactly: version } }]]);
    return id;
  }

  async #loadStates(topics: readonly TopicContext[]): Promise<void> {
    const reads: Promise<void>[] = [];
    for (const topic of topics) for (const ref of partitionsOf(topic)) reads.push(this.#loadState(ref));
    await Promise.all(reads);
  }

  async #loadState({ topic, partition, context }: PartitionRef): Promise<void> {
    const path = paths.partitionState(topic.name, partition);
    const node = await this.#store.get(path).catch(ignoreNoNode);
    if (node === undefined) return;
    const { version, mzxid } = node.stat;
    context.state = { ...decodePartitionState(path, node.data), version, zxid: mzxid };
  }

  /** Whether the broker has registered since a state was written that names it leader. */
  #hasRestarted({ leader, zxid }: StoredState): boolean {
    const broker = this.#context.brokers.get(leader);
    return broker === undefined || broker.epoch > zxid;
  }

  /** Elects the first leaders of partitions that have none, writes their states and tells everybody. */
  async #bringOnline(topicNames: readonly string[]): Promise<void> {
    const commands = this.#commands();
    const topics = topicNames.flatMap((name) => this.#context.topics.get(name) ?? []);
    await this.#createStates(topics, commands);
    this.#send(commands);
  }

  async #createStates(topics: readonly TopicContext[], commands: BrokerCommands): Promise<void> {
    const created: PartitionRef[] = [];
    const groups: Operation[][] = [];
    const states: LeaderAndIsr[] = [];
    const firstOf = new Set<TopicContext>();
    for (const topic of topics) {
      // The node above the partitions' own exists as soon as one of these has a state.
      if (topic.partitions.every((partition) => partition.state === undefined)) firstOf.add(topic);
      for (const ref of partitionsOf(topic)) {
        if (ref.context.state !== undefined) continue;
        const elected = electForNew(ref.context.replicas, this.#context.isLive);
        if (elected === undefined) continue;
        const state: LeaderAndIsr = { ...elected, leaderEpoch: 0, controllerEpoch: this.epoch };
        groups.push(stateCreation(ref, state, firstOf.delete(topic)));
        created.push(ref);
        states.push(state);
      }
    }
    if (created.length === 0) return;
    await this.#write(groups);
    const zxid = this.#context.newestEpoch;
    for (const [index, ref] of created.entries()) {
      ref.context.state = { ...(states[index] as LeaderAndIsr), version: 0, zxid };
      commands.changed(ref, { isNew: true });
    }
  }

  /** Elects first leaders, and new leaders where `isNeeded` says so of the present state. */
  async #electLeaders(commands: BrokerCommands, isNeeded: (state: StoredState | undefined) => boolean): Promise<void> {
    const topics = [...this.#context.topics.values()].filter((topic) => !this.#context.deletions.has(topic.name));
    await this.#createStates(topics, commands);
    const elections: [PartitionRef, ElectedState][] = [];
    for (const ref of this.#context.partitions()) {
      const { state, replicas } = ref.context;
      if (state === undefined || !isNeeded(state)) continue;
      const allowsUnclean = this.#options.allowsUncleanElection(ref.topic.name);
      const elected = electForOffline(replicas, state.isr, this.#context.isLive, allowsUnclean);
      if (elected.leader === state.leader && elected.leader < 0) continue;
      if (elected.unclean) {
        const fields = { topic: ref.topic.name, partition: ref.partition, leader: elected.leader };
        this.#options.logger.warn(fields, 'Elected a leader that was not in sync; records may be lost');
      }
      elections.push([ref, elected]);
    }
    await this.#changeStates(elections, commands);
  }

  /** Takes brokers that are gone out of the in-sync replicas of partitions that others lead. */
  async #shrinkIsr(commands: BrokerCommands): Promise<void> {
    const changes: [PartitionRef, ElectedState][] = [];
    for (const ref of this.#context.partitions()) {
      const { state } = ref.context;
      if (state === undefined || state.leader < 0) continue;
      const isr = state.isr.filter((broker) => broker === state.leader || this.#context.isLive(broker));
      if (isr.length < state.isr.length) changes.push([ref, { leader: state.leader, isr }]);
    }
    await this.#changeStates(changes, commands);
  }

  async #changeStates(changes: readonly [PartitionRef, ElectedState][], commands: BrokerCommands): Promise<void> {
    if (changes.length === 0) return;
    const next = changes.map(
      ([{ context }, elected]): LeaderAndIsr => ({
        leader: elected.leader,
        isr: elected.isr,
        leaderEpoch: (context.state?.leaderEpoch ?? -1) + 1,
        controllerEpoch: this.epoch,
      }),
    );
    const groups = changes.map(([ref], index): Operation[] => [
      {
        type: 'set',
        path: paths.partitionState(ref.topic.name, ref.partition),
        data: encodePartitionState(next[index] as LeaderAndIsr),
        expected: { exactly: ref.context.state?.version ?? 0 },
      },
    ]);
    const results = await this.#write(groups);
    for (const [index, [ref]] of changes.entries()) {
      const result = results[index];
      if (result?.type !== 'set') continue;
      const { version, mzxid } = result.stat;
      ref.context.state = { ...(next[index] as LeaderAndIsr), version, zxid: mzxid };
      commands.changed(ref, { isNew: false });
    }
  }

  /** Puts commands on their way; resolves when the broker of this controller has carried out its own. */
  async #send(commands: BrokerCommands): Promise<void> {
    const own: Promise<unknown>[] = [];
    for (const { brokerId, command, outcome } of commands.send((id) => this.#channelTo(id))) {
      const noted = outcome.then(
        (answered) => {
          if (answered === undefined) return;
          const { errorCode, partitions } = answered;
          const failed = partitions.filter((partition) => partition.errorCode !== 0);
          if (errorCode === 0 && failed.length === 0) return;
          this.#options.logger.error(
            { brokerId, command, errorCode, failed: failed.slice(0, 10) },
            'A broker could not carry out a command',
          );
        },
        (err: unknown) => this.#options.logger.error({ err, brokerId, command }, 'A broker did not answer a command'),
      );
      if (brokerId === this.#options.brokerId) own.push(noted);
    }
    await Promise.all(own);
  }

  /** Has the replicas of topics deleted. Topics with replicas on brokers that are down wait for these. */
  #deleteTopics(names: Iterable<string>): void {
    const gone = [...names].filter((name) => !this.#context.topics.has(name));
    const topics = [...names].flatMap((name) => this.#context.topics.get(name) ?? []);
    if (topics.length === 0 && gone.length === 0) return;
    const commands = this.#commands();
    commands.deletedTopics(topics);
    void this.#send(commands);
    const isReachable = (topic: TopicContext): boolean =>
      topic.partitions.every((partition) => partition.replicas.every(this.#context.isLive));
    const deletable = topics.filter(isReachable);
    void this.#stopReplicas(deletable).then((failed) => {
      const deleted = deletable.map((topic) => topic.name).filter((name) => !failed.has(name));
      if (deleted.length + gone.length > 0) this.#events.replicasDeleted([...gone, ...deleted]);
    });
  }

  /** Resolves with the names of topics that a broker could not delete; they stay marked for deletion. */
  async #stopReplicas(topics: readonly TopicContext[]): Promise<Set<string>> {
    const failed = new Set<string>();
    const ofBroker = new Map<
      number,
      { topic: string; partition: number; leaderEpoch: number; deletePartition: boolean }[]
    >();
    for (const topic of topics) {
      for (const { partition, context } of partitionsOf(topic)) {
        for (const replica of context.replicas) {
          const entry = { topic: topic.name, partition, leaderEpoch: -2, deletePartition: true };
          const entries = ofBroker.get(replica);
          if (entries === undefined) ofBroker.set(replica, [entry]);
          else entries.push(entry);
        }
      }
    }
    const failAll = (partitions: readonly { topic: string }[]): void => {
      for (const { topic } of partitions) failed.add(topic);
    };
    const stops = Array.from(ofBroker, async ([brokerId, partitions]) => {
      try {
        const brokerEpoch = this.#context.brokers.get(brokerId)?.epoch ?? -1;
        const command = { ...this.#commander, brokerEpoch, partitions };
        const outcome = await this.#channelTo(brokerId)?.stopReplica(command);
        if (outcome === undefined || outcome.errorCode !== 0) failAll(partitions);
        else failAll(outcome.partitions.filter((partition) => partition.errorCode !== 0));
      } catch (err) {
        this.#options.logger.error({ err, brokerId }, 'A broker did not answer StopReplica');
        failAll(partitions);
      }
    });
    await Promise.all(stops);
    if (failed.size > 0) this.#options.logger.warn({ topics: [...failed] }, 'Topics could not be deleted yet');
    return failed;
  }
}

function stateCreation({ topic, partition }: PartitionRef, state: LeaderAndIsr, isFirst: boolean): Operation[] {
  const empty = Buffer.alloc(0);
  const operations: Operation[] = [
    { type: 'create', path: paths.partition(topic.name, partition), data: empty },
    { type: 'create', path: paths.partitionState(topic.name, partition), data: encodePartitionState(state) },
  ];
  if (isFirst) operations.unshift({ type: 'create', path: paths.partitions(topic.name), data: empty });
  return operations;
}

function deleteRequestRemoval(topic: string): Operation[] {
  return [{ type: 'delete', path: paths.deleteTopic(topic), expected: 'any' }];
}

function ignoreNoNode(error: unknown): undefined {
  if (isMetadataError(error, 'NO_NODE')) return undefined;
  throw error;
}
