import { isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import type { Timer } from '@millrace/ports';
import { BrokerFault } from '../shared/errors.ts';
import { EPOCH_LEAP } from '../store/adopt-logs.ts';
import {
  decodeController,
  decodeControllerEpoch,
  encodeController,
  MalformedNodeError,
  paths,
} from '../store/znodes.ts';
import { ControllerTerm, type ControllerTermOptions } from './controller-term.ts';
import { EventQueue } from './event-queue.ts';
import { type ControllerGuard, ControllerMovedError } from './guarded-writes.ts';

/** How often an election is tried again when somebody else stood at the same moment. */
const ELECTION_ATTEMPTS_MAX = 100;

/** How long after an event that failed, or an election that could not be held, the broker stands again. */
const RETRY_MS = 1000;

/** How often a controller leaps above epochs that brokers remember: one that refuses for another reason must not keep it from its work. */
const LEAPS_MAX = 3;

/** How long after taking office leaderships are looked at for the first time (`KafkaController`). */
const FIRST_REBALANCE_MS = 5000;

/** What a broker's controller works with. */
export type ControllerOptions = ControllerTermOptions;

/** An office that this broker has won. */
interface Office {
  readonly epoch: number;
  readonly guard: ControllerGuard;
}

/**
 * A broker's part in the election of the controller, and the controller itself while it is this broker: it follows what
 * changes in the metadata store (brokers, topics, requests for deletion), elects leaders, writes partitions' states, and tells
 * brokers what to lead and what to know. Everything runs through one queue of events.
 */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #store: MetadataStore;
  readonly #queue = new EventQueue();
  #term: ControllerTerm | undefined;
  #guard: ControllerGuard | undefined;
  #controllerId = -1;
  #stopped = false;
  #forgetSession: (() => void) | undefined;
  /** Topics that may have a leader out of sync since a moment ago. */
  readonly #uncleanTopics = new Set<string>();
  /** How often it has leapt since it was elected. */
  #leaps = 0;
  #rebalance: Timer | undefined;
  #retry: Timer | undefined;
  #deletions: Timer | undefined;

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /** Whether this broker is the controller. */
  get isActive(): boolean {
    return this.#term !== undefined;
  }

  /** The controller's broker id as far as this broker knows from the store; -1 while there is none. */
  get controllerId(): number {
    return this.#controllerId;
  }

  /** The epoch of this broker's term; -1 while it is not the controller. */
  get epoch(): number {
    return this.#term?.epoch ?? -1;
  }

  /** How many events wait for the controller or are being carried out. */
  get queueLength(): number {
    return this.#queue.length;
  }

  /** What the active controller counts; zeros elsewhere. */
  get counts(): ControllerTerm['counts'] {
    return this.#term?.counts ?? { topics: 0, partitions: 0, offlinePartitions: 0 };
  }

  /**
   * Stands for election. Resolves when another broker is the controller, or when this one is and has brought everything
   * online. The broker must have registered before.
   * @throws MetadataError when the store cannot be used
   */
  async start(): Promise<void> {
    this.#forgetSession = this.#store.onSession((state) => {
      if (state === 'expired') this.#endTerm('the session with the metadata store has expired');
    });
    await this.sessionRenewed();
  }

  /** Stands for election (again), as {@link Controller.start} does, after the broker has registered in a new session. */
  async sessionRenewed(): Promise<void> {
    await this.#queue.put(() => this.#elect());
    await this.#term?.carriedOut();
  }

  /**
   * Does nothing more. The office is free when the session ends, together with the broker's registration: a successor that is elected
   * before takes this broker for one that stays.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#forgetSession?.();
    this.#retry?.cancel();
    await this.#queue.drained();
    this.#endTerm('the broker stops');
  }

  /**
   * Carries out what another broker or a client asks of the controller, in its turn among the events.
   * @returns undefined when this broker is not the controller, or is no longer by the time when it is done
   */
  async inTerm<T>(request: (term: ControllerTerm) => Promise<T>): Promise<T | undefined> {
    const asked = this.#term;
    if (asked === undefined || this.#stopped) return undefined;
    try {
      return await this.#queue.put(async () => (this.#term === asked ? request(asked) : undefined));
    } catch (error) {
      if (!this.#endsTerm(error)) await this.#failed(error);
      return undefined;
    }
  }

  /**
   * A topic, or every topic that sets nothing else, may have a leader elected out of sync from now on: what has none gets one, where a
   * replica lives (`KafkaController.enableTopicUncleanLeaderElection`). Does nothing where another broker is the controller, which hears of
   * the same config.
   */
  uncleanElectionAllowed(topic?: string): void {
    const term = this.#term;
    if (term === undefined) return;
    if (topic === undefined) {
      this.#during(term, 'unclean', async () => void (await term.partitions.bringAllOnline()));
      return;
    }
    // One event for all topics whose configs are set at once, however many there are.
    this.#uncleanTopics.add(topic);
    this.#during(term, 'unclean topics', async () => {
      const topics = new Set(this.#uncleanTopics);
      this.#uncleanTopics.clear();
      await term.partitions.bringAllOnline(topics);
    });
  }

  /** @param isVacant somebody has just looked, and left a watch */
  async #elect(isVacant = false): Promise<void> {
    if (this.#stopped || this.isActive) return;
    for (let attempt = 0; attempt < ELECTION_ATTEMPTS_MAX; attempt += 1) {
      const incumbent = isVacant && attempt === 0 ? undefined : await this.#incumbent();
      if (incumbent !== undefined) {
        this.#controllerId = incumbent;
        return;
      }
      const office = await this.#stand();
      if (office === 'unreadable') return;
      if (office === undefined) continue;
      this.#leaps = 0;
      await this.#begin(office);
      return;
    }
    const message = `No controller could be elected in ${ELECTION_ATTEMPTS_MAX} attempts; another election follows`;
    this.#electAgainLater(new BrokerFault('BROKER_NO_CONTROLLER', message, { retriable: true }));
  }

  /** The controller that holds office; its end calls the next election. */
  async #incumbent(): Promise<number | undefined> {
    const watch = (): void => this.#react('election', () => this.#officeChanged());
    // `exists` sets the watch in both cases; it would miss an election that `get` alone could not watch for.
    if ((await this.#store.exists(paths.controller, { watch })) === undefined) return undefined;
    try {
      const { data, stat } = await this.#store.get(paths.controller);
      const isMine = stat.ephemeralOwner === this.#store.sessionId;
      // An office of this session that was never taken up, or not given back: it would stay vacant for ever.
      if (isMine && !this.isActive) {
        await this.#store.delete(paths.controller, { exactly: stat.version });
        return undefined;
      }
      // Whoever holds it knows, whatever somebody else has written into it.
      return isMine ? this.#options.brokerId : this.#holderIn(data);
    } catch (error) {
      if (isMetadataError(error, 'NO_NODE', 'BAD_VERSION', 'CONNECTION_LOSS')) return undefined;
      throw error;
    }
  }

  /** -1 where nobody can read who it is: the office is held, and its end or its mending is told. */
  #holderIn(data: Buffer): number {
    try {
      return decodeController(data);
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      this.#options.logger.error({ err }, 'Nobody can read who the controller is');
      return -1;
    }
  }

  async #officeChanged(): Promise<void> {
    const incumbent = await this.#incumbent();
    if (incumbent === this.#options.brokerId && this.isActive) return;
    if (this.isActive) this.#endTerm('another controller was elected');
    this.#controllerId = incumbent ?? -1;
    if (incumbent === undefined) await this.#elect(true);
  }

  /** Takes office in one transaction with the next epoch; undefined when somebody else was faster. Where nobody can read the epoch, it waits. */
  async #stand(): Promise<Office | 'unreadable' | undefined> {
    const { brokerId, clock, rememberedEpoch } = this.#options;
    try {
      const { data, stat } = await this.#epochNode();
      // Of a store that was put back from a copy, brokers that run on remember more, and are commanded in no epoch below.
      const epoch = Math.max(decodeControllerEpoch(data), rememberedEpoch?.() ?? -1) + 1;
      const operations: Operation[] = [
        {
          type: 'create',
          path: paths.controller,
          data: encodeController(brokerId, clock.now()),
          options: { ephemeral: true },
        },
        {
          type: 'set',
          path: paths.controllerEpoch,
          data: Buffer.from(String(epoch)),
          expected: { exactly: stat.version },
        },
      ];
      await this.#store.multi(operations);
      return { epoch, guard: { path: paths.controllerEpoch, version: stat.version + 1 } };
    } catch (error) {
      // A transaction whose answer was lost may have been applied: then the office is found to be this session's, and is given back.
      if (isMetadataError(error, 'NODE_EXISTS', 'BAD_VERSION', 'CONNECTION_LOSS')) return undefined;
      if (!(error instanceof MalformedNodeError)) throw error;
      // Partitions keep the leaders that they have.
      this.#electAgainLater(error);
      return 'unreadable';
    }
  }

  async #epochNode(): ReturnType<MetadataStore['get']> {
    try {
      return await this.#store.get(paths.controllerEpoch);
    } catch (error) {
      if (!isMetadataError(error, 'NO_NODE')) throw error;
      await this.#store.create(paths.controllerEpoch, Buffer.from('0'));
      return this.#store.get(paths.controllerEpoch);
    }
  }

  async #begin({ epoch, guard }: Office): Promise<void> {
    const { brokerId, logger } = this.#options;
    const term: ControllerTerm = new ControllerTerm(epoch, guard, this.#options, {
      brokersChanged: () => this.#during(term, 'brokers', () => term.brokersChanged()),
      brokerModified: (id) => this.#during(term, `broker ${id}`, () => term.brokerModified(id)),
      epochRefused: (id) => this.#during(term, 'epoch', () => this.#leap(term, id)),
      brokerOverflowed: (id) => this.#during(term, `overflow of ${id}`, () => term.brokerOverflowed(id)),
      topicsChanged: () => this.#during(term, 'topics', () => term.topicsChanged()),
      partitionsChanged: (topic) => this.#during(term, `partitions of ${topic}`, () => term.partitionsChanged(topic)),
      stateMended: (topic, partition) =>
        this.#during(term, `state of ${topic}-${partition}`, () => term.stateMended(topic, partition)),
      deletionsChanged: () => this.#during(term, 'deletions', () => term.deletionsChanged()),
      isrChangesNoted: () => this.#during(term, 'isr changes', () => term.isrChangesNoted()),
      logDirEventsNoted: () => this.#during(term, 'log dirs', () => term.logDirEventsNoted()),
      reassignmentsRequested: () => this.#during(term, 'reassignments', () => term.reassignmentsRequested()),
      preferredElectionRequested: () => this.#during(term, 'preferred', () => term.preferredElectionRequested()),
      leaderAndIsrAnswered: (id, outcome) =>
        this.#during(term, undefined, () => term.leaderAndIsrAnswered(id, outcome)),
      deletionsPutOff: (delayMs) => this.#scheduleDeletions(term, delayMs),
      replicasDeleted: (id, partitions, outcome) =>
        this.#during(term, undefined, () => term.deletion.stopped(id, partitions, outcome)),
      replicasLeft: (id, partitions, hasAnswered) =>
        this.#during(term, undefined, () => term.reassignments.left(id, partitions, hasAnswered)),
    });
    this.#term = term;
    this.#guard = guard;
    this.#controllerId = brokerId;
    logger.info({ brokerId, epoch }, 'This broker is the controller');
    try {
      await term.begin();
      this.#scheduleRebalance(term, FIRST_REBALANCE_MS);
    } catch (error) {
      if (!this.#endsTerm(error)) await this.#failed(error);
    }
  }

  /**
   * Goes on in a later epoch where a broker refuses this one. Either another has been elected, which the guard shows; or the store was put back
   * from a copy under brokers that run on and remember more than it does: they would take nothing from anybody for as long as they run. The
   * office is not left meanwhile, so that nobody takes it who would be refused as well.
   */
  async #leap(term: ControllerTerm, brokerId: number): Promise<void> {
    const guard = this.#guard;
    if (guard === undefined || this.#leaps === LEAPS_MAX) return;
    this.#leaps += 1;
    const epoch = Math.max(term.epoch, this.#options.rememberedEpoch?.() ?? -1) + EPOCH_LEAP;
    try {
      await this.#store.set(guard.path, Buffer.from(String(epoch)), { exactly: guard.version });
    } catch (error) {
      if (!isMetadataError(error, 'BAD_VERSION', 'NO_NODE')) throw error;
      throw new ControllerMovedError('another controller was elected, whose epoch a broker knows');
    }
    this.#options.logger.warn(
      { broker: brokerId, refused: term.epoch, epoch },
      'The metadata store was behind the controller epoch that a broker remembers, as if it had been put back from a copy; the controller goes on in a later one',
    );
    this.#endTerm('it goes on in a later epoch');
    await this.#begin({ epoch, guard: { ...guard, version: guard.version + 1 } });
  }

  /** Carries out an event of a term, if that term has not ended by then. */
  #during(term: ControllerTerm, key: string | undefined, event: () => Promise<void>): void {
    const run = async (): Promise<void> => {
      if (this.#term === term) await event();
    };
    if (key === undefined) this.#watchOver(this.#queue.put(run));
    // Of this term alone: a watch of a term before tells of the same change, does nothing, and must not stand for this one's.
    else this.#react(`${term.epoch} ${key}`, run);
  }

  #react(key: string, event: () => Promise<void>): void {
    if (!this.#stopped) this.#watchOver(this.#queue.putOnce(key, event));
  }

  #watchOver(done: Promise<void>): void {
    done.catch(async (error: unknown) => {
      if (this.#stopped || this.#endsTerm(error)) return;
      await this.#failed(error);
    });
  }

  /**
   * An event has failed, and with it the watch that set it off is spent: who goes on would be blind from here on. So the controller
   * gives up its office, and whoever is elected next reads everything anew.
   */
  async #failed(error: unknown): Promise<void> {
    if (this.#stopped) return;
    this.#options.logger.error({ err: error }, 'The controller could not carry out an event; it gives up its office');
    await this.#resign('an event failed');
    this.#electAgainLater(undefined);
  }

  #electAgainLater(err: unknown): void {
    if (this.#stopped) return;
    if (err !== undefined) this.#options.logger.error({ err }, `No election was held; the next is in ${RETRY_MS} ms`);
    this.#retry?.cancel();
    this.#retry = this.#options.clock.schedule(RETRY_MS, () => this.#react('retry', () => this.#elect()));
  }

  /** Ends the term, and frees the office unless somebody else has been elected meanwhile. */
  async #resign(reason: string): Promise<void> {
    const guard = this.#guard;
    if (this.#term === undefined || guard === undefined) return;
    this.#endTerm(reason);
    if (this.#store.sessionState !== 'connected') return;
    const operations: Operation[] = [
      { type: 'check', path: guard.path, expected: { exactly: guard.version } },
      { type: 'delete', path: paths.controller, expected: 'any' },
    ];
    await this.#store.multi(operations).catch((error: unknown) => {
      if (!isMetadataError(error)) throw error;
    });
  }

  /** Whether an error means that this broker is no longer the controller; then it is not, from here on. */
  #endsTerm(error: unknown): boolean {
    if (error instanceof ControllerMovedError) {
      this.#endTerm(error.message);
      // What it was replaced by it learns by the watch, or by looking once more.
      this.#react('election', () => this.#officeChanged());
    }
    return error instanceof ControllerMovedError || isMetadataError(error, 'SESSION_EXPIRED', 'STORE_CLOSED');
  }

  #endTerm(reason: string): void {
    if (this.#term === undefined) return;
    this.#options.logger.warn({ epoch: this.#term.epoch, reason }, 'This broker is no longer the controller');
    this.#rebalance?.cancel();
    this.#deletions?.cancel();
    this.#deletions = undefined;
    this.#uncleanTopics.clear();
    this.#term.end();
    this.#term = undefined;
    this.#guard = undefined;
    this.#controllerId = -1;
  }

  #scheduleDeletions(term: ControllerTerm, delayMs: number): void {
    if (this.#term !== term || this.#stopped) return;
    this.#deletions ??= this.#options.clock.schedule(delayMs, () => {
      this.#deletions = undefined;
      this.#during(term, 'deletions put off', () => term.deletion.retry());
    });
  }

  #scheduleRebalance(term: ControllerTerm, delayMs: number): void {
    const { clock, rebalance } = this.#options;
    if (this.#term !== term || this.#stopped) return;
    this.#rebalance = clock.schedule(delayMs, () => {
      const { isEnabled, intervalMs, imbalancePercentMax } = rebalance();
      this.#during(term, 'rebalance', async () => {
        if (isEnabled) await term.leaders.rebalance(imbalancePercentMax);
        this.#scheduleRebalance(term, intervalMs);
      });
    });
  }
}
