import { ignoreNoNode, type Operation } from '@millrace/metadata';
import { ErrorCode } from '@millrace/protocol';
import type { BrokerChannel, CommandOutcome } from '../cluster/broker-channel.ts';
import { decodeIsrChange, decodeLogDirEvent, MalformedNodeError, paths } from '../store/znodes.ts';
import { BrokerCommands, type Commander, type SentCommand } from './broker-commands.ts';
import { ControllerContext, PartitionContext, type RegisteredBroker, type ReplicaRef } from './controller-context.ts';
import type { ControllerGuard } from './guarded-writes.ts';
import { BrokerChanges, readBroker } from './term/broker-changes.ts';
import { TopicDeletion } from './term/deletion.ts';
import { makeFeatureNode } from './term/feature-node.ts';
import { IsrChanges } from './term/isr-changes.ts';
import { Leaders } from './term/leaders.ts';
import { Partitions } from './term/partitions.ts';
import { Reassignments } from './term/reassignments.ts';
import { Replicas } from './term/replicas.ts';
import { StateWriter } from './term/state-writer.ts';
import type { ControllerTermOptions, TermTools } from './term/tools.ts';
import { TopicNodes } from './term/topic-nodes.ts';

/** What the watches and answers of a term set off. The controller puts these into its queue. */
export interface TermEvents {
  brokersChanged(): void;
  brokerModified(broker: number): void;
  /** Commands for a broker were dropped, because too many waited for it. */
  brokerOverflowed(broker: number): void;
  /** A broker has been commanded in a later epoch than this term's. */
  epochRefused(broker: number): void;
  topicsChanged(): void;
  partitionsChanged(topic: string): void;
  /** The node of a state that nobody could read has changed. */
  stateMended(topic: string, partition: number): void;
  deletionsChanged(): void;
  isrChangesNoted(): void;
  logDirEventsNoted(): void;
  reassignmentsRequested(): void;
  preferredElectionRequested(): void;
  /** A broker has answered LeaderAndIsr: by partition, whether its log folder works. */
  leaderAndIsrAnswered(broker: number, outcome: CommandOutcome): void;
  /** Replicas could not be deleted, and shall be tried again after a time. */
  deletionsPutOff(delayMs: number): void;
  /** A broker has answered a StopReplica that deletes files of `partitions`. */
  replicasDeleted(broker: number, partitions: ReadonlySet<PartitionContext>, outcome: CommandOutcome): void;
  /** The same of partitions of which reassignments take replicas away; or it has gone without an answer. */
  replicasLeft(broker: number, partitions: ReadonlySet<PartitionContext>, hasAnswered: boolean): void;
}

/** How long who stops waits for a broker that does not answer; others lead what it led meanwhile. */
const TOLD_MS_MAX = 500;

/**
 * What a broker does as the controller, from its election to its end. One method per event; the caller runs them one at a
 * time. Every write is guarded by the epoch that the election gave, so a controller that has been replaced without knowing
 * cannot change anything.
 */
export class ControllerTerm {
  readonly epoch: number;
  readonly context = new ControllerContext();
  readonly partitions: Partitions;
  readonly replicas: Replicas;
  readonly deletion: TopicDeletion;
  readonly reassignments: Reassignments;
  readonly leaders: Leaders;
  readonly isr: IsrChanges;
  readonly brokers: BrokerChanges;
  readonly #options: ControllerTermOptions;
  readonly #states: StateWriter;
  readonly #tools: TermTools;
  readonly #events: TermEvents;
  readonly #channels = new Map<number, BrokerChannel>();
  /** What the controller's own broker was told, while the term begins. */
  #ownOutcomes: Promise<unknown>[] | undefined = [];
  #carriedOut: Promise<unknown> = Promise.resolve();
  readonly #topics: TopicNodes;
  /** When each broker has answered what it was told last. */
  readonly #answers = new Map<number, Promise<unknown>>();

  constructor(epoch: number, guard: ControllerGuard, options: ControllerTermOptions, events: TermEvents) {
    this.epoch = epoch;
    this.#options = options;
    this.#events = events;
    const { store, logger, brokerId } = options;
    const { context } = this;
    const stateMended = ({ topic, index }: PartitionContext): void => events.stateMended(topic.name, index);
    this.#states = new StateWriter({ store, guard, controllerEpoch: epoch, logger, stateMended });
    const commander: Commander = { controllerId: brokerId, controllerEpoch: epoch };
    const states = this.#states;
    const commands = (): BrokerCommands => new BrokerCommands(context, commander);
    const send = (collected: BrokerCommands): void => this.#send(collected);
    this.#tools = { options, epoch, context, states, logger, commands, send };
    this.partitions = new Partitions(this.#tools);
    this.replicas = new Replicas(this.#tools);
    this.deletion = new TopicDeletion(this.#tools, this.partitions, this.replicas, (delayMs) =>
      events.deletionsPutOff(delayMs),
    );
    this.reassignments = new Reassignments(this.#tools, this.partitions, this.replicas, this.deletion);
    this.leaders = new Leaders(this.#tools, this.partitions);
    this.isr = new IsrChanges(this.#tools, this.partitions);
    this.brokers = new BrokerChanges(this.#tools, this);
    this.#topics = new TopicNodes(this.#tools, ({ type, path }) => {
      if (type === 'changed') events.partitionsChanged(path.slice(paths.topics.length + 1));
    });
  }

  /** How many partitions there are, and how many of these have no leader. */
  get counts(): { topics: number; partitions: number; offlinePartitions: number } {
    let partitions = 0;
    let offlinePartitions = 0;
    for (const { phase, state } of this.context.partitions()) {
      partitions += 1;
      if (phase !== 'online' || state === undefined || state.leader < 0) offlinePartitions += 1;
    }
    return { topics: this.context.topics.size, partitions, offlinePartitions };
  }

  /**
   * Takes office: reads the cluster's state, with watches for what changes, tells all brokers who is there, brings replicas and
   * partitions online, and goes on with what the controller before has begun (`KafkaController.onControllerFailover`).
   */
  async begin(): Promise<void> {
    const deletions = await this.#load();
    const { context } = this;
    // A follower follows only whom it knows to be live, so this comes first.
    const live = this.#tools.commands();
    live.updateMetadata(context.brokers.keys(), []);
    this.#send(live);
    await this.#bringUp();
    await this.reassignments.requestedByNode();
    await this.reassignments.resumeAll();
    await this.deletion.requested(deletions);
    await this.leaders.requestedByNode();
    this.#carriedOut = Promise.all(this.#ownOutcomes ?? []);
    this.#ownOutcomes = undefined;
  }

  /**
   * Resolves when the broker of this controller has carried out what it was told when the term began. The term goes on meanwhile: that
   * broker may have a slow disk, and others go and need to be replaced.
   */
  async carriedOut(): Promise<void> {
    await this.#carriedOut;
  }

  /**
   * Resolves when all brokers have carried out what they were told until now. After a while in any case: one that hangs must not hold up
   * one that stops.
   */
  async told(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.schedule(TOLD_MS_MAX, resolve);
      void Promise.allSettled(this.#answers.values()).then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Nothing is sent any more. */
  end(): void {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  /** Brokers have come or gone, or come back in a new registration. */
  async brokersChanged(): Promise<void> {
    const { brokers } = this.context;
    const now = await this.#readBrokers();
    const come = [...now.keys()].filter((id) => !brokers.has(id));
    const gone = [...brokers.keys()].filter((id) => !now.has(id));
    const back = [...now.keys()].filter((id) => brokers.has(id) && brokers.get(id)?.epoch !== now.get(id)?.epoch);
    if (come.length + gone.length + back.length === 0) return;
    const { clock, logger, onBrokerChange } = this.#options;
    logger.info({ come, gone, back, live: [...now.keys()] }, 'Brokers have come or gone');
    const startMs = clock.monotonic();
    const register = (ids: readonly number[]): void => {
      for (const id of ids) this.#register(id, now.get(id) as RegisteredBroker);
    };
    register(come);
    await this.brokers.come(come);
    // Who comes back has been away: its leaderships move, and its replicas must come into sync anew.
    for (const id of back) this.#unregister(id);
    await this.brokers.go(back);
    register(back);
    await this.brokers.come(back);
    for (const id of gone) this.#unregister(id);
    await this.brokers.go(gone);
    onBrokerChange?.(clock.monotonic() - startMs);
  }

  /** A broker that takes no commands is treated as one that has been away. */
  async brokerOverflowed(id: number): Promise<void> {
    const registered = this.context.brokers.get(id);
    if (registered === undefined) return;
    this.#unregister(id);
    await this.brokers.go([id]);
    this.#register(id, registered);
    await this.brokers.come([id]);
  }

  /** A broker has changed its registration, such as its addresses. */
  async brokerModified(id: number): Promise<void> {
    const known = this.context.brokers.get(id);
    // One whose registration nobody could read, and that has been mended.
    if (known === undefined) return this.brokersChanged();
    const now = await this.#readBroker(id);
    if (now === undefined || now.epoch !== known.epoch) return;
    if (JSON.stringify(now.broker) === JSON.stringify(known.broker)) return;
    this.#unregister(id);
    this.#register(id, now);
    this.#options.logger.info({ broker: id, endpoints: now.broker.endpoints }, 'A broker has changed its addresses');
    const commands = this.#tools.commands();
    commands.updateMetadata(this.context.brokers.keys(), []);
    this.#send(commands);
  }

  /** Topics have come or gone. */
  async topicsChanged(): Promise<void> {
    const watch = (): void => this.#events.topicsChanged();
    const names = new Set(await this.#options.store.children(paths.topics, { watch }));
    const { topics, deletions } = this.context;
    for (const name of topics.keys()) {
      // The nodes of a topic that is being deleted may be gone before its deletion is over.
      if (!names.has(name) && !deletions.has(name)) topics.delete(name);
    }
    await this.#takeUpTopics([...names].filter((name) => !topics.has(name)));
  }

  /**
   * A topic's node has changed: partitions may have been added, or one that nobody could read has been mended. What else changes is the
   * controller's own doing.
   */
  async partitionsChanged(name: string): Promise<void> {
    const { topics, deletions } = this.context;
    if (deletions.has(name)) return;
    const known = topics.get(name);
    if (known === undefined) return this.#takeUpTopics([name]);
    const now = await this.#topics.read(name);
    if (now === undefined) return;
    const added = now.partitions
      .slice(known.partitions.length)
      .map((assignment, at) => new PartitionContext(known, known.partitions.length + at, assignment));
    known.partitions.push(...added);
    await this.#bringNewOnline(added);
    await this.reassignments.resumeHeldUp(name);
  }

  /** The state of a partition that nobody could read is another now. */
  async stateMended(topic: string, index: number): Promise<void> {
    const partition = this.context.partition(topic, index);
    if (partition === undefined || partition.state !== undefined) return;
    // Without its epoch, brokers refuse to delete what is there of it.
    if (this.context.isDeleting(partition)) await this.#states.read([partition]);
    else await this.#bringNewOnline([partition]);
  }

  /** Somebody has asked for the deletion of topics. */
  async deletionsChanged(): Promise<void> {
    const watch = (): void => this.#events.deletionsChanged();
    const names = await this.#options.store.children(paths.deleteTopics, { watch });
    await this.deletion.requested(names.filter((name) => !this.context.deletions.has(name)));
  }

  /** Leaders of brokers older than 2.7, or in a cluster that speaks their protocol, have changed states by themselves. */
  async isrChangesNoted(): Promise<void> {
    const watch = (): void => this.#events.isrChangesNoted();
    const names = await this.#options.store.children(paths.isrChanges, { watch });
    const notes = await this.#readNotes(names.map(paths.isrChange), decodeIsrChange);
    const changed = new Set(
      notes.flat().flatMap(({ topic, partition }) => this.context.partition(topic, partition) ?? []),
    );
    const epochs = new Map(Array.from(changed, (partition) => [partition, partition.leaderEpoch]));
    await this.#states.read(changed);
    const commands = this.#tools.commands();
    commands.updateMetadata(this.context.brokers.keys(), changed);
    this.#send(commands);
    // A broker whose log knows later ones has raised them: whoever leads goes on above that, and is not followed before.
    const raised = [...changed].filter((partition) => partition.leaderEpoch > (epochs.get(partition) ?? -1));
    await this.partitions.leadAnew(raised.filter(({ phase }) => phase === 'online'));
    await this.reassignments.maybeComplete(changed);
    await this.#remove(names.map(paths.isrChange));
  }

  /** Log folders of brokers have failed. */
  async logDirEventsNoted(): Promise<void> {
    const watch = (): void => this.#events.logDirEventsNoted();
    const names = await this.#options.store.children(paths.logDirEvents, { watch });
    const brokers = await this.#readNotes(names.map(paths.logDirEvent), decodeLogDirEvent);
    for (const broker of new Set(brokers)) this.brokers.askForFolders(broker);
    await this.#remove(names.map(paths.logDirEvent));
  }

  async reassignmentsRequested(): Promise<void> {
    await this.#options.store.exists(paths.reassignPartitions, { watch: () => this.#events.reassignmentsRequested() });
    await this.reassignments.requestedByNode();
  }

  async preferredElectionRequested(): Promise<void> {
    const watch = (): void => this.#events.preferredElectionRequested();
    await this.#options.store.exists(paths.preferredElection, { watch });
    await this.leaders.requestedByNode();
  }

  async leaderAndIsrAnswered(broker: number, { partitions }: CommandOutcome): Promise<void> {
    const of = (errorCode: number): PartitionContext[] =>
      partitions
        .filter((each) => each.errorCode === errorCode)
        .flatMap(({ topic, partition }) => this.context.partition(topic, partition) ?? []);
    // A replica that knows the state already is open, and works.
    const working = [...of(ErrorCode.NONE), ...of(ErrorCode.STALE_CONTROLLER_EPOCH)];
    await this.brokers.answered(broker, of(ErrorCode.KAFKA_STORAGE_ERROR), working);
  }

  /**
   * Reads what there is, and resolves with the topics whose deletion is asked for. Side by side, since partitions are without a leader
   * meanwhile; only states come last: who notes that he has changed one has done so before.
   */
  async #load(): Promise<readonly string[]> {
    const { store } = this.#options;
    const { context } = this;
    const [notes, brokers, topics, deletions] = await Promise.all([
      this.#notifications(),
      this.#readBrokers(),
      store.children(paths.topics, { watch: () => this.#events.topicsChanged() }),
      store.children(paths.deleteTopics, { watch: () => this.#events.deletionsChanged() }),
      store.exists(paths.reassignPartitions, { watch: () => this.#events.reassignmentsRequested() }),
      store.exists(paths.preferredElection, { watch: () => this.#events.preferredElectionRequested() }),
      makeFeatureNode(this.#tools),
    ]);
    // What was noted for the controller before is read from the states below anyway.
    await this.#remove(notes);
    for (const [id, broker] of brokers) this.#register(id, broker);
    await this.#topics.load(topics);
    await this.#states.read([...context.topics.values()].flatMap(({ partitions }) => partitions));
    if (this.#options.isDeletionEnabled()) {
      for (const name of deletions) if (context.topics.has(name)) context.deletions.add(name);
    }
    return deletions;
  }

  /** Replicas on live brokers act on the states as they are; then what is gone leaves, and what has no leader gets one. */
  async #bringUp(): Promise<void> {
    const { context, partitions, replicas } = this;
    const all = [...context.topics.values()].flatMap((topic) => topic.partitions);
    const staying = all
      .filter((partition) => !context.isDeleting(partition))
      .flatMap((partition) => partition.replicas.map((broker): ReplicaRef => ({ partition, broker })));
    partitions.initialize(all);
    const bounced = staying.filter((replica) => this.#hasBouncedUnseen(replica));
    const isWeak = ({ partition }: ReplicaRef): boolean =>
      (partition.state?.isr ?? []).some(
        (broker) => context.isLive(broker) && !this.#hasBouncedUnseen({ partition, broker }),
      );
    const weak = bounced.filter(isWeak);
    for (const replica of weak) context.replicaFailed(replica);
    const leaderless = bounced.filter(({ partition, broker }) => partition.leader === broker);
    partitions.takeOffline(leaderless.map(({ partition }) => partition));
    const isOnline = ({ partition, broker }: ReplicaRef): boolean => context.isReplicaOnline(broker, partition);
    replicas.bringOnline(
      staying.filter((each) => isOnline(each) && each.partition.phase !== 'offline'),
      all.filter((partition) => partition.phase === 'offline' && !context.isDeleting(partition)),
    );
    await replicas.takeOffline(staying.filter((each) => !isOnline(each)));
    await partitions.bringAllOnline();
    for (const replica of weak) context.replicaWorks(replica);
    replicas.bringOnline(weak);
    for (const replica of staying) if (isOnline(replica)) replica.partition.replicaPhases.set(replica.broker, 'online');
  }

  /**
   * Whether a replica's broker has registered since the state was written that takes it for in sync: it was away while there was no
   * controller to see it, and may have come back with less than it had, even with an empty disk. So it must come into sync anew where
   * somebody else has everything, and lead in an epoch of its own where it is the last that has. Kafka takes it for in sync as it is.
   */
  #hasBouncedUnseen({ partition: { state }, broker }: ReplicaRef): boolean {
    const registered = this.context.brokers.get(broker);
    if (state === undefined || registered === undefined) return false;
    return (state.leader === broker || state.isr.includes(broker)) && registered.epoch > state.zxid;
  }

  /** Topics that are not known yet, or were left out because nobody could read their nodes. */
  async #takeUpTopics(names: readonly string[]): Promise<void> {
    const loaded = await this.#topics.load(names);
    await this.#bringNewOnline(loaded.flatMap(({ partitions }) => partitions));
  }

  async #bringNewOnline(partitions: readonly PartitionContext[]): Promise<void> {
    if (partitions.length === 0) return;
    // A controller before may have given some of them states already, or nobody could read their nodes for a time.
    await this.#states.read(partitions);
    this.partitions.initialize(partitions);
    const found = partitions.filter(({ state }) => state !== undefined);
    this.replicas.bringOnline(
      found.flatMap((partition) => partition.replicas.map((broker) => ({ partition, broker }))),
    );
    const led = found.filter(({ phase }) => phase === 'online');
    await this.partitions.bringOnline(partitions.filter(({ phase }) => phase !== 'online'));
    await this.partitions.leadAnew(led);
    for (const partition of partitions) {
      for (const broker of partition.replicas) {
        partition.replicaPhases.set(broker, this.context.isReplicaOnline(broker, partition) ? 'online' : 'offline');
      }
    }
  }

  async #readBrokers(): Promise<Map<number, RegisteredBroker>> {
    const watch = (): void => this.#events.brokersChanged();
    const ids = await this.#options.store.children(paths.brokerIds, { watch });
    const read = ids.map(async (name): Promise<[number, RegisteredBroker] | undefined> => {
      const registered = await this.#readBroker(Number(name));
      return registered && [Number(name), registered];
    });
    return new Map((await Promise.all(read)).filter((entry) => entry !== undefined));
  }

  #readBroker(id: number): Promise<RegisteredBroker | undefined> {
    return readBroker(this.#tools, id, () => this.#events.brokerModified(id), this.context.brokers.get(id));
  }

  #register(id: number, registered: RegisteredBroker): void {
    this.context.brokers.set(id, registered);
    const channel = this.#options.openChannel(registered.broker, () => this.#events.brokerOverflowed(id));
    this.#channels.set(id, channel);
  }

  #unregister(id: number): void {
    this.context.brokers.delete(id);
    this.#channels.get(id)?.close();
    this.#channels.delete(id);
    this.#answers.delete(id);
  }

  /** What brokers have noted for the controller before. */
  async #notifications(): Promise<string[]> {
    const { store } = this.#options;
    const [logDirs, isrs] = await Promise.all([
      store.children(paths.logDirEvents, { watch: () => this.#events.logDirEventsNoted() }),
      store.children(paths.isrChanges, { watch: () => this.#events.isrChangesNoted() }),
    ]);
    return [...logDirs.map(paths.logDirEvent), ...isrs.map(paths.isrChange)];
  }

  async #readNotes<T>(nodes: readonly string[], decodeNote: (path: string, data: Buffer) => T): Promise<T[]> {
    const read = nodes.map(async (path): Promise<T | undefined> => {
      const node = await this.#options.store.get(path).catch(ignoreNoNode);
      try {
        return node && decodeNote(path, node.data);
      } catch (err) {
        if (!(err instanceof MalformedNodeError)) throw err;
        this.#options.logger.warn({ err, path }, 'A notification cannot be read and is passed over');
        return undefined;
      }
    });
    return (await Promise.all(read)).filter((note) => note !== undefined);
  }

  async #remove(nodes: readonly string[]): Promise<void> {
    if (nodes.length === 0) return;
    const removal = (path: string): Operation[] => [{ type: 'delete', path, expected: 'any' }];
    await this.#states.writeAll(nodes.map(removal));
  }

  #send(commands: BrokerCommands): void {
    for (const sent of commands.send((id) => this.#channels.get(id))) {
      const noted = sent.outcome.then(
        (outcome) => {
          if (outcome !== undefined) this.#answered(sent, outcome);
          this.#noteLeft(sent, outcome !== undefined);
        },
        (err: unknown) => {
          const { brokerId, command } = sent;
          this.#options.logger.error({ err, broker: brokerId, command }, 'A broker could not carry out a command');
          this.#noteLeft(sent, false);
        },
      );
      // Commands to a broker are carried out in their order, so the last stands for all.
      this.#answers.set(sent.brokerId, noted);
      if (sent.brokerId === this.#options.brokerId) this.#ownOutcomes?.push(noted);
    }
  }

  #noteLeft({ brokerId, deletes }: SentCommand, hasAnswered: boolean): void {
    const left = [...deletes].filter(({ leaving }) => leaving.includes(brokerId));
    if (left.length > 0) this.#events.replicasLeft(brokerId, new Set(left), hasAnswered);
  }

  #answered({ brokerId, command, deletes }: SentCommand, outcome: CommandOutcome): void {
    if (outcome.errorCode !== ErrorCode.NONE) {
      const fields = { broker: brokerId, command, errorCode: outcome.errorCode };
      this.#options.logger.warn(fields, 'A broker has refused a command');
    }
    if (outcome.errorCode === ErrorCode.STALE_CONTROLLER_EPOCH) this.#events.epochRefused(brokerId);
    if (command === 'LeaderAndIsr' && outcome.errorCode === ErrorCode.NONE) {
      const isFailed = outcome.partitions.some(({ errorCode }) => errorCode === ErrorCode.KAFKA_STORAGE_ERROR);
      if (isFailed) this.context.failureAnswered(brokerId);
      if (this.context.hasHadFailures(brokerId)) this.#events.leaderAndIsrAnswered(brokerId, outcome);
    }
    if (command === 'StopReplica' && deletes.size > 0) this.#events.replicasDeleted(brokerId, deletes, outcome);
  }
}

export type { ControllerTermOptions };
