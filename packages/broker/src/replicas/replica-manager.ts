import type { LogManager, LogMove, MoveRefusal } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import { ErrorCode, ZERO_UUID } from '@millrace/protocol';
import {
  type CommandOutcome,
  EPOCH_OF_DELETED,
  type LeaderAndIsrCommand,
  NO_LEADER,
  type PartitionOutcome,
  type PartitionState,
  type ReplicaState,
  type StoppedReplica,
  type StopReplicaCommand,
} from '../cluster/broker-channel.ts';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { noSuchTopic } from '../cluster/topic-name.ts';
import type { ConfigRepository } from '../config/config-repository.ts';
import type { FetchTarget } from '../fetch-sessions/fetch-target.ts';
import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import type { Counter, Metrics } from '../shared/metrics.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { TurnLine, type TurnLineOptions } from '../shared/turns.ts';
import { AwaitedFollowers } from './awaited-followers.ts';
import type { CoordinatorLog, CoordinatorLogLimits, CoordinatorPartitionListener } from './coordinator-log.ts';
import type { FollowerFetchers } from './follower-fetchers.ts';
import type { IsrChanges } from './isr-changes.ts';
import { IsrReports } from './isr-reports.ts';
import { Partition, type PartitionSurroundings } from './partition.ts';
import { PartitionCoordinatorLog } from './partition-coordinator-log.ts';
import { TrafficCounters } from './partition-traffic.ts';
import { ProduceHold } from './produce-hold.ts';
import type { ReplicationThrottle } from './replication-throttle.ts';
import { ShortageWatch } from './shortage-watch.ts';
import { Shortages } from './shortages.ts';
import type { StorageReports } from './storage-reports.ts';

/** How many partitions are created or opened at once while a command is carried out. */
const OPENING_PARTITIONS_MAX = 16;

/** How long until partitions are tried again that could not be opened: the disk was full, or too many files were open. */
const REOPEN_PAUSE_MS = 1000;

/**
 * How coordinators read what they take over. It comes all at once where a broker has stopped, just when clients find their new leaders:
 * those go first, and half the time is theirs.
 */
const COORDINATOR_TURNS: TurnLineOptions = { turnMsMax: 2, restMs: 2 };

/** As Kafka answers AlterReplicaLogDirs. */
const MOVE_REFUSALS: Readonly<Record<MoveRefusal, number>> = {
  'name-too-long': ErrorCode.INVALID_TOPIC_EXCEPTION,
  'no-such-directory': ErrorCode.LOG_DIR_NOT_FOUND,
  offline: ErrorCode.KAFKA_STORAGE_ERROR,
};

/** What a replica manager works with. */
export interface ReplicaManagerOptions {
  readonly brokerId: number;
  /** In which the broker is registered now; see `SessionKeeper.registration`. */
  readonly registration: () => number;
  readonly cluster: ClusterImage;
  readonly logs: LogManager;
  /** Topics' configs as they are now. */
  readonly configs: Pick<ConfigRepository, 'loadTopics' | 'logConfig'>;
  readonly clock: Clock;
  /** For requests that wait for other replicas. */
  readonly deadlines: Deadlines;
  /** `replica.lag.time.max.ms` */
  readonly lagMsMax: number;
  /** The way of leaders to the controller. */
  readonly isrChanges: IsrChanges;
  /** What fetches from leaders. */
  readonly followers: FollowerFetchers;
  /** What holds replication back while partitions are moved. */
  readonly throttle: { readonly leader: ReplicationThrottle };
  /** See `PartitionSurroundings.onBehind`. */
  readonly onBehind: () => void;
  /** Replicas have come to be offline, or are so no more, of which the controller must hear: it asks for the state of all then. */
  readonly onOnlineChanged: () => void;
  readonly storageReports: StorageReports;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** The replicas on this broker: which partitions it leads, and the way to their logs. */
export class ReplicaManager {
  readonly #options: ReplicaManagerOptions;
  readonly #traffic: TrafficCounters;
  /** By topic; partition N stands at place N. */
  readonly #byTopic = new Map<string, (Partition | undefined)[]>();
  /** Of topics with replicas here. */
  readonly #namesById = new Map<string, string>();
  readonly #coordinators = new Map<string, CoordinatorPartitionListener>();
  /** Those that could not be opened, by name. The controller does not ask twice. */
  readonly #unopened = new Map<string, ReplicaState>();
  /** Those that have taken over a state, but not all that follows from it: something threw in between. */
  readonly #halfDone = new WeakSet<Partition>();
  /** Those whose files could not be deleted, by name. The controller asks again for those of deleted topics alone. */
  readonly #undeleted = new Map<string, StoppedReplica>();
  readonly #reopening = new Deadline(() => {
    this.#tryAgain().catch((err: unknown) => {
      this.#options.logger.error({ err }, 'Partitions could not be tried again: this is a defect of the broker');
      this.#tryAgainLater();
    });
  });
  readonly #lagCheck = new Deadline(() => this.#checkFollowers());
  readonly #isrShrinks: Counter;
  readonly #isrExpands: Counter;
  readonly #isrReports: IsrReports;
  readonly #commandListeners = new Set<() => void>();
  /** What records wait for while this broker hands over. */
  readonly produceHold: ProduceHold;
  /** Followers from whom partitions that are led here have yet to hear. */
  readonly awaited: AwaitedFollowers;
  #commandCount = 0;
  /** What is being done to replicas, by a command or by trying again; the next begins when it is done. */
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #isHandingOver = false;
  readonly #surroundings: PartitionSurroundings;
  readonly #shortages: Shortages;
  readonly #shortageWatch: ShortageWatch;
  /** What coordinators read of their logs, in turns. */
  readonly #turns: TurnLine;

  constructor(options: ReplicaManagerOptions) {
    this.#options = options;
    this.#traffic = new TrafficCounters(options.metrics);
    const { clock, deadlines, lagMsMax, isrChanges, cluster, metrics } = options;
    this.#turns = new TurnLine(clock, COORDINATOR_TURNS);
    this.produceHold = new ProduceHold(clock);
    this.awaited = new AwaitedFollowers(clock);
    this.#isrReports = new IsrReports(options.logger);
    const isrChanged = (name: string, verb: string): Counter =>
      metrics.counter(name, `Times that in-sync replicas of a partition led here ${verb}`);
    this.#isrShrinks = isrChanged('kafka_server_replicamanager_isrshrinks_total', 'left');
    this.#isrExpands = isrChanged('kafka_server_replicamanager_isrexpands_total', 'joined');
    const isAlive = (id: number): boolean => cluster.brokers.has(id);
    this.#shortages = new Shortages({ brokerId: options.brokerId, logs: options.logs, isAlive });
    const guard = new Guard(options.logger);
    this.#shortageWatch = new ShortageWatch({
      shortages: this.#shortages,
      deadlines,
      guard,
      logger: options.logger,
      reports: options.storageReports,
      isHere: (partition) => this.#byTopic.get(partition.topic)?.[partition.partition] === partition,
      onGivenUp: options.onOnlineChanged,
    });
    this.#surroundings = {
      clock,
      deadlines,
      guard,
      logger: options.logger,
      lagMsMax,
      isrChanges,
      isAlive,
      onBehind: options.onBehind,
      onShort: (partition, lastedMs) => this.#shortageWatch.noted(partition, lastedMs),
      onIsrCommitted: (partition, before, now) => this.#isrCommitted(partition, before, now),
    };
  }

  /** What holds replication back while partitions are moved. */
  get throttle(): ReplicaManagerOptions['throttle'] {
    return this.#options.throttle;
  }

  /** All replicas here. */
  get partitions(): Iterable<Partition> {
    return this.#all();
  }

  /** The folders that hold the logs, and whether they still work. */
  get logDirs(): readonly { readonly path: string; readonly isOnline: boolean }[] {
    return this.#options.logs
      .describe()
      .map(({ folder, failure }) => ({ path: folder, isOnline: failure === undefined }));
  }

  /** Size and free room, in bytes, of the volume that a folder of `logDirs` lies on; undefined where nobody can tell. */
  volumeOf(path: string): Promise<{ totalBytes: number; usableBytes: number } | undefined> {
    return this.#options.logs.volumeOf(path);
  }

  /** Logs on their way into a folder of `logDirs` from another. */
  movesInto(path: string): readonly LogMove[] {
    return this.#options.logs.moves.filter(({ logDir }) => logDir === path);
  }

  /** Has a replica's log moved to a folder of `logDirs`, or made there when the replica comes. Gives the error code that this is answered with. */
  async moveLog(topic: string, partition: number, path: string): Promise<number> {
    const refusal = await this.#options.logs.move(topic, partition, path);
    if (refusal !== undefined) return MOVE_REFUSALS[refusal];
    const found = this.find(topic, partition);
    if (!isRefusal(found)) return ErrorCode.NONE;
    return found.errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER ? ErrorCode.REPLICA_NOT_AVAILABLE : found.errorCode;
  }

  /** The replica by name, or why there is none to be had. */
  find(topic: string, partition: number): Partition | Refusal {
    const found = this.#byTopic.get(topic)?.[partition];
    if (found !== undefined) return found;
    const isElsewhere = this.#options.cluster.partition(topic, partition) !== undefined;
    return Refusal.of(isElsewhere ? ErrorCode.NOT_LEADER_OR_FOLLOWER : noSuchTopic(topic));
  }

  /** The replica, for a request that must reach its leader and believes in an epoch (-1: in none); or why it is refused here. */
  leaderOf(topic: string, partition: number, currentLeaderEpoch: number): Partition | Refusal {
    const found = this.find(topic, partition);
    if (isRefusal(found)) return found;
    const refusal = found.leaderError(currentLeaderEpoch);
    return refusal === ErrorCode.NONE ? found : Refusal.of(refusal);
  }

  /** The replica that a fetch asks for by name or by id, or why there is none to be had. */
  lookUp(target: FetchTarget): Partition | Refusal {
    if (target.topicId === '') return this.find(target.topic, target.partition);
    // A replica is told of before the rest of the cluster is, so its own id counts before the image does.
    const name = this.#namesById.get(target.topicId) ?? this.#options.cluster.topicById(target.topicId)?.name;
    if (name === undefined) return Refusal.of(ErrorCode.UNKNOWN_TOPIC_ID);
    const found = this.find(name, target.partition);
    // A topic that was made anew under its name is known under its new id before its old replicas are gone, or after.
    const isOther = !isRefusal(found) && found.topicId !== target.topicId;
    return isOther ? Refusal.of(ErrorCode.INCONSISTENT_TOPIC_ID) : found;
  }

  /** The log of a coordinator's topic; `listener` hears of elections from now on. */
  coordinatorLog(topic: string, limits: CoordinatorLogLimits, listener: CoordinatorPartitionListener): CoordinatorLog {
    this.#coordinators.set(topic, listener);
    for (const partition of this.#byTopic.get(topic) ?? []) {
      if (partition?.isLeader === true) listener.onElected(partition.partition, partition.leaderEpoch);
    }
    const { registration } = this.#options;
    const find = (partition: number) => this.find(topic, partition);
    return new PartitionCoordinatorLog(topic, limits, registration, this.#turns, find);
  }

  /** Takes over the changed configs of a topic, or of all. */
  updateLogConfigs(topic: string | undefined): void {
    const partitions = topic === undefined ? this.#all() : (this.#byTopic.get(topic) ?? []);
    for (const partition of partitions) {
      partition?.log.updateConfig(this.#options.configs.logConfig(partition.topic));
    }
  }

  /** See `BrokerChannel.leaderAndIsr`. */
  leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome> {
    return this.#inTurn(() => this.#leaderAndIsr(command));
  }

  async #leaderAndIsr(command: LeaderAndIsrCommand): Promise<CommandOutcome> {
    const { configs, cluster } = this.#options;
    const refusalOf = (state: ReplicaState): number => {
      // Said before its topic was deleted, and come late: nobody would ever remove what is made of it.
      if (cluster.isDeleted(state.topicId, command.controllerEpoch)) return ErrorCode.UNKNOWN_TOPIC_ID;
      // Not as one that is here and knows it already, of which a controller takes that it works.
      return this.#isPast(state) ? ErrorCode.FENCED_LEADER_EPOCH : ErrorCode.NONE;
    };
    const byRefusal = Map.groupBy(command.partitions, refusalOf);
    const timely = byRefusal.get(ErrorCode.NONE) ?? [];
    byRefusal.delete(ErrorCode.NONE);
    await configs.loadTopics(timely.map(({ topic }) => topic));
    const partitions = await this.#takeAll(timely);
    this.#confirm(timely, command.brokerEpoch);
    for (const [errorCode, refused] of byRefusal) {
      for (const { topic, topicId, partition } of refused) partitions.push({ topic, topicId, partition, errorCode });
    }
    this.#commandCount += 1;
    for (const listener of [...this.#commandListeners]) listener();
    this.produceHold.end();
    return { errorCode: ErrorCode.NONE, partitions };
  }

  /**
   * Whether a state of a replica that is not here was left behind while it was: said before it was given up by StopReplica, and come late.
   * Made of it, it would lead or follow in an epoch that this broker has already left.
   */
  #isPast({ topic, topicId, partition, leaderEpoch }: ReplicaState): boolean {
    const isHere = this.#byTopic.get(topic)?.[partition] !== undefined;
    const known = this.#options.cluster.partition(topic, partition);
    if (isHere || this.#unopened.has(`${topic}-${partition}`)) return false;
    return known?.topicId === topicId && topicId !== ZERO_UUID && leaderEpoch < known.leaderEpoch;
  }

  /** Whoever is told once more what it knows may count on it, in the registration for which it is told. */
  #confirm(states: readonly ReplicaState[], registration: number): void {
    for (const { topic, topicId, partition: index, leaderEpoch } of states) {
      const partition = this.#byTopic.get(topic)?.[index];
      if (partition?.topicId === topicId && partition.leaderEpoch === leaderEpoch) partition.confirm(registration);
    }
  }

  /** How many commands were carried out that may have brought partitions or epochs. */
  get commandCount(): number {
    return this.#commandCount;
  }

  /** Calls `listener` after every command that may have brought partitions or epochs; the returned function ends that. */
  onCommand(listener: () => void): () => void {
    this.#commandListeners.add(listener);
    return () => void this.#commandListeners.delete(listener);
  }

  /** Leads partitions no more of which another broker knows a later epoch, so that whoever waits here looks for who leads. */
  resign(news: readonly PartitionState[]): void {
    for (const { topic, topicId, partition: index, leaderEpoch } of news) {
      const partition = this.#byTopic.get(topic)?.[index];
      if (partition === undefined || partition.topicId !== topicId || !partition.isLeader) continue;
      if (leaderEpoch <= partition.leaderEpoch) continue;
      this.#resign(partition);
    }
  }

  /**
   * This broker is about to stop: what it is left out of it does not begin to follow, for that would only interrupt how it follows what it
   * is still in sync with, which leaders wait for.
   */
  beginHandOver(): void {
    this.#isHandingOver = true;
  }

  /** Leads no partition with several replicas any more, so that nobody waits here for followers that will not come. */
  resignReplicated(): void {
    for (const partition of this.partitions) {
      if (partition.isLeader && partition.replicas.length > 1) this.#resign(partition);
    }
  }

  #resign(partition: Partition): void {
    partition.resign();
    this.#tellCoordinator(partition, true);
  }

  /** See `BrokerChannel.stopReplica`. */
  stopReplica(command: StopReplicaCommand): Promise<CommandOutcome> {
    return this.#inTurn(() => this.#stopReplica(command));
  }

  async #stopReplica(command: StopReplicaCommand): Promise<CommandOutcome> {
    const outcomes: PartitionOutcome[] = [];
    for (const stopped of command.partitions) {
      const { topic, partition } = stopped;
      const errorCode = await this.#stop(stopped);
      outcomes.push({ topic, topicId: ZERO_UUID, partition, errorCode });
    }
    return { errorCode: ErrorCode.NONE, partitions: outcomes };
  }

  /** Takes no more requests for any partition, and wakes who waits. Coordinators have stopped before; the logs stay open. */
  close(): void {
    this.#isClosed = true;
    this.#coordinators.clear();
    this.#unopened.clear();
    this.#undeleted.clear();
    this.#options.deadlines.cancel(this.#reopening);
    this.#options.deadlines.cancel(this.#lagCheck);
    this.#shortageWatch.close();
    this.awaited.clear();
    for (const partition of this.#all()) partition.close();
    this.#byTopic.clear();
  }

  async #takeAll(wanted: Iterable<ReplicaState>): Promise<PartitionOutcome[]> {
    const outcomes: PartitionOutcome[] = [];
    const states = wanted[Symbol.iterator]();
    // Each worker takes the next state until there is none, so that no more than the bound are under way.
    const workers = Array.from({ length: OPENING_PARTITIONS_MAX }, async () => {
      for (let next = states.next(); next.done !== true; next = states.next()) {
        outcomes.push(await this.#take(next.value));
      }
    });
    await Promise.all(workers);
    return outcomes;
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const outcome = this.#last.then(run);
    this.#last = outcome.catch(() => undefined);
    return outcome;
  }

  /**
   * Tries those again that could not be opened, or deleted, a few at a time, so that commands have their turn in between. What the
   * controller said of them since then has replaced what it had said.
   */
  async #tryAgain(): Promise<void> {
    for (const name of [...this.#undeleted.keys()]) {
      await this.#inTurn(async () => {
        const stopped = this.#undeleted.get(name);
        // One that the controller wants again meanwhile is made anew, and its old files go before that.
        if (stopped !== undefined) await this.#delete(stopped);
      });
    }
    const names = [...this.#unopened.keys()];
    for (let from = 0; from < names.length; from += OPENING_PARTITIONS_MAX) {
      await this.#inTurn(() => this.#reopen(names.slice(from, from + OPENING_PARTITIONS_MAX)));
    }
  }

  #tryAgainLater(): void {
    if (!this.#reopening.pending && !this.#isClosed) this.#options.deadlines.set(this.#reopening, REOPEN_PAUSE_MS);
  }

  async #reopen(names: readonly string[]): Promise<void> {
    const states = names.flatMap((name) => this.#unopened.get(name) ?? []);
    await this.#takeAll(states);
    const opened = states.filter(({ topic, partition }) => !this.#unopened.has(`${topic}-${partition}`)).length;
    if (opened === 0) return;
    this.#options.logger.info({ opened, tried: states.length }, 'Partitions could be opened after all');
    this.#options.onOnlineChanged();
  }

  async #take(state: ReplicaState): Promise<PartitionOutcome> {
    const { topic, topicId, partition: index } = state;
    const answer = (errorCode: number): PartitionOutcome => ({ topic, topicId, partition: index, errorCode });
    const name = `${topic}-${index}`;
    this.#undeleted.delete(name);
    try {
      const partition = this.#byTopic.get(topic)?.[index] ?? (await this.#open(state));
      this.#unopened.delete(name);
      // Whatever the epoch: so the controller learns which replicas lie on folders that have failed.
      if (partition.log.state === 'failed') return answer(ErrorCode.KAFKA_STORAGE_ERROR);
      if (partition.topicId !== topicId) return answer(ErrorCode.INCONSISTENT_TOPIC_ID);
      const wasGivenUp = this.#shortages.hasGivenUp(name);
      const errorCode = await this.#apply(partition, state);
      if (!wasGivenUp) return answer(errorCode);
      const isHeldBack = await this.#shortages.holdsBack(state);
      // Where it follows it would come into sync with a leader that has nothing new, which then waits for it again.
      await this.#options.followers.remove(partition);
      if (!isHeldBack && partition.following !== undefined) this.#options.followers.add(partition);
      return answer(isHeldBack ? this.#heldBack(name, state) : errorCode);
    } catch (error) {
      const isKnown = this.#unopened.has(name);
      this.#unopened.set(name, state);
      this.#tryAgainLater();
      const fields = { err: error, topic, partition: index };
      if (!isKnown) this.#options.logger.error(fields, 'A partition could not be opened, and will be tried again');
      return answer(ErrorCode.KAFKA_STORAGE_ERROR);
    }
  }

  /** Offline for the controller, and tried again by itself. Whoever it makes leader meanwhile, it is not this broker. */
  #heldBack(name: string, state: ReplicaState): number {
    const { brokerId } = this.#options;
    this.#unopened.set(name, state.leader === brokerId ? { ...state, leader: NO_LEADER } : state);
    this.#tryAgainLater();
    return ErrorCode.KAFKA_STORAGE_ERROR;
  }

  async #apply(partition: Partition, state: ReplicaState): Promise<number> {
    const isHalfDone = this.#halfDone.has(partition);
    if (!isHalfDone && partition.isPast(state.leaderEpoch)) return ErrorCode.STALE_CONTROLLER_EPOCH;
    const { brokerId, followers, deadlines, lagMsMax } = this.#options;
    if (!state.replicas.includes(brokerId)) return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (state.replicas.length > 1 && !this.#lagCheck.pending) deadlines.set(this.#lagCheck, lagMsMax / 2);
    // A coordinator that was not told that it led no more is told now.
    const wasLeader = partition.isLeader || isHalfDone;
    this.#halfDone.add(partition);
    // What a follower does to its log ends before anybody counts on where that ends.
    await followers.remove(partition);
    partition.applyState(state);
    if (partition.isLeader && state.replicas.length > 1) this.awaited.began(partition);
    this.#tellCoordinator(partition, wasLeader);
    const isLeftOut = this.#isHandingOver && !state.isr.includes(brokerId);
    if (partition.following !== undefined && !isLeftOut) followers.add(partition);
    this.#halfDone.delete(partition);
    return ErrorCode.NONE;
  }

  #checkFollowers(): void {
    let hasFollowers = false;
    for (const partition of this.#all()) {
      if (!partition.isLeader || partition.replicas.length === 1) continue;
      partition.checkFollowers();
      hasFollowers = true;
    }
    if (hasFollowers) this.#options.deadlines.set(this.#lagCheck, this.#options.lagMsMax / 2);
  }

  #isrCommitted({ topic, partition }: Partition, before: readonly number[], isr: readonly number[]): void {
    this.#isrReports.committed({ topic, partition, before, isr });
    (isr.length < before.length ? this.#isrShrinks : this.#isrExpands).add(1);
  }

  async #open(state: ReplicaState): Promise<Partition> {
    const { topic, topicId, partition: index } = state;
    const { logs } = this.#options;
    let log = await logs.getOrCreate(topic, index, { topicId, isNew: state.isNew });
    if (log.topicId !== undefined && log.topicId !== topicId) {
      // Its topic was deleted and made anew while this broker was away, and nothing in the log belongs to the new one. Or its
      // partition.metadata is damaged, and all of it does: as in Kafka, nothing is deleted for what one small file says.
      this.#options.logger.error(
        { topic, partition: index, topicId, formerTopicId: log.topicId, folder: log.folder },
        'The log belongs to another topic of this name, as its partition.metadata says; its folder is set aside as stray',
      );
      await logs.setAside(topic, index);
      log = await logs.getOrCreate(topic, index, { topicId, isNew: true });
    }
    // A power loss may have taken the small file, or half of it. Without it the log would pass for that of a later topic of this name.
    if (log.topicId === undefined) await logs.correctTopicId(log, topicId);
    const identity = { topic, topicId, partition: index, brokerId: this.#options.brokerId };
    const partition = new Partition(identity, log, this.#surroundings, this.#traffic.of(topic));
    const partitions = this.#byTopic.get(topic);
    this.#namesById.set(topicId, topic);
    if (partitions === undefined) this.#byTopic.set(topic, sparse(index, partition));
    else partitions[index] = partition;
    // A change that came while the log was being opened found no partition to tell (KAFKA-8813).
    log.updateConfig(this.#options.configs.logConfig(topic));
    return partition;
  }

  #tellCoordinator(partition: Partition, wasLeader: boolean): void {
    const listener = this.#coordinators.get(partition.topic);
    if (listener === undefined) return;
    // Where it led before, what the coordinator has in memory is what the log holds, and only the epoch is new to it.
    if (partition.isLeader) listener.onElected(partition.partition, partition.leaderEpoch);
    else if (wasLeader && !partition.isLeader) listener.onResigned(partition.partition, partition.leaderEpoch);
  }

  /** Whether a replica of this topic has been told of what comes after a StopReplica. */
  #isLate({ topic, partition, leaderEpoch }: StoppedReplica): boolean {
    const found = this.#byTopic.get(topic)?.[partition] ?? this.#unopened.get(`${topic}-${partition}`);
    if (found === undefined) return false;
    // One of a later topic of the name is not meant.
    if (leaderEpoch === EPOCH_OF_DELETED) return !this.#options.cluster.isGone(topic, found.topicId);
    // -1 stands for a controller that tells no epochs (StopReplica of Kafka before 2.6).
    return leaderEpoch >= 0 && leaderEpoch < found.leaderEpoch;
  }

  async #stop(stopped: StoppedReplica): Promise<number> {
    const { topic, partition: index, deletePartition: deletesFiles } = stopped;
    if (this.#isLate(stopped)) return ErrorCode.FENCED_LEADER_EPOCH;
    // One that could not be opened is stopped because of that, and opened all the same as soon as it can be.
    if (deletesFiles) {
      this.#unopened.delete(`${topic}-${index}`);
      this.#shortages.forget(`${topic}-${index}`);
    }
    const partitions = this.#byTopic.get(topic);
    const partition = partitions?.[index];
    if (partition !== undefined) {
      await this.#options.followers.remove(partition);
      this.#coordinators.get(topic)?.onResigned(index, partition.leaderEpoch);
      partition.close();
      // It stays known that it lies on a folder that has failed, and requests are told so, as by Kafka's offline partitions.
      if (partition.log.state === 'failed' && !deletesFiles) return ErrorCode.NONE;
      delete partitions?.[index];
      if (partitions?.every((each) => each === undefined)) {
        this.#byTopic.delete(topic);
        this.#namesById.delete(partition.topicId);
      }
    }
    return deletesFiles ? this.#delete(stopped) : ErrorCode.NONE;
  }

  async #delete(stopped: StoppedReplica): Promise<number> {
    const { topic, partition } = stopped;
    const name = `${topic}-${partition}`;
    try {
      await this.#options.logs.delete(topic, partition);
      this.#undeleted.delete(name);
      return ErrorCode.NONE;
    } catch (err) {
      if (!this.#undeleted.has(name)) {
        const fields = { err, topic, partition };
        this.#options.logger.error(fields, 'The files of a partition could not be deleted, which will be tried again');
      }
      this.#undeleted.set(name, stopped);
      this.#tryAgainLater();
      return ErrorCode.KAFKA_STORAGE_ERROR;
    }
  }

  *#all(): Generator<Partition> {
    for (const partitions of this.#byTopic.values()) {
      for (const partition of partitions) if (partition !== undefined) yield partition;
    }
  }
}

function sparse(index: number, partition: Partition): (Partition | undefined)[] {
  const partitions: (Partition | undefined)[] = [];
  partitions[index] = partition;
  return partitions;
}
