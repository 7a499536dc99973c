import { isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import type { Clock } from '@millrace/ports';
import { decodeController, decodeControllerEpoch, encodeController, paths } from '../store/znodes.ts';
import { ControllerTerm, type ControllerTermOptions } from './controller-term.ts';
import { EventQueue } from './event-queue.ts';
import { type ControllerGuard, ControllerMovedError } from './guarded-writes.ts';

/** How often an election is tried again when somebody else stood at the same moment. */
const ELECTION_ATTEMPTS_MAX = 100;

/** What a broker's controller works with. */
export interface ControllerOptions extends ControllerTermOptions {
  readonly clock: Clock;
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
  #controllerId = -1;
  #stopped = false;
  #forgetSession: (() => void) | undefined;

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
   * @throws MetadataError when the store cannot be used; MalformedNodeError when it holds what nobody can read.
   */
  async start(): Promise<void> {
    this.#forgetSession = this.#store.onSession((state) => {
      if (state === 'expired') this.#endTerm('the session with the metadata store has expired');
    });
    await this.#queue.put(() => this.#elect());
  }

  /** Stands for election again after the broker has registered in a new session. */
  async sessionRenewed(): Promise<void> {
    await this.#queue.put(() => this.#elect());
  }

  /** Gives up the office, so that another broker can take over at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#forgetSession?.();
    await this.#queue.drained();
    const wasActive = this.isActive;
    this.#term?.end();
    this.#term = undefined;
    if (!wasActive || this.#store.sessionState !== 'connected') return;
    await this.#store.delete(paths.controller, 'any').catch((error: unknown) => {
      if (!isMetadataError(error)) throw error;
    });
  }

  async #elect(): Promise<void> {
    if (this.#stopped || this.isActive) return;
    for (let attempt = 0; attempt < ELECTION_ATTEMPTS_MAX; attempt += 1) {
      const incumbent = await this.#incumbent();
      if (incumbent !== undefined) {
        this.#controllerId = incumbent;
        return;
      }
      const elected = await this.#stand();
      if (elected === undefined) continue;
      await this.#begin(elected.epoch, elected.guard);
      return;
    }
    throw new Error(`No controller could be elected in ${ELECTION_ATTEMPTS_MAX} attempts.`);
  }

  /** The controller that holds office; its end calls the next election. */
  async #incumbent(): Promise<number | undefined> {
    const watch = (): void => this.#react('election', () => this.#officeChanged());
    // `exists` sets the watch in both cases; it would miss an election that `get` alone could not watch for.
    if ((await this.#store.exists(paths.controller, { watch })) === undefined) return undefined;
    try {
      return decodeController((await this.#store.get(paths.controller)).data);
    } catch (error) {
      if (isMetadataError(error, 'NO_NODE')) return undefined;
      throw error;
    }
  }

  async #officeChanged(): Promise<void> {
    const incumbent = await this.#incumbent();
    if (incumbent === this.#options.brokerId && this.isActive) return;
    if (this.isActive) this.#endTerm('another controller was elected');
    this.#controllerId = incumbent ?? -1;
    if (incumbent === undefined) await this.#elect();
  }

  /** Takes office in one transaction with the next epoch; undefined when somebody else was faster. */
  async #stand(): Promise<{ epoch: number; guard: ControllerGuard } | undefined> {
    const { brokerId, clock } = this.#options;
    try {
      const { data, stat } = await this.#epochNode();
      const epoch = decodeControllerEpoch(data) + 1;
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
      if (isMetadataError(error, 'NODE_EXISTS', 'BAD_VERSION')) return undefined;
      throw error;
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

  async #begin(epoch: number, guard: ControllerGuard): Promise<void> {
    const { brokerId, logger } = this.#options;
    const term: ControllerTerm = new ControllerTerm(epoch, guard, this.#options, {
      brokersChanged: () => this.#during(term, 'brokers', () => term.brokersChanged()),
      topicsChanged: () => this.#during(term, 'topics', () => term.topicsChanged()),
      partitionsChanged: (topic) => this.#during(term, `partitions of ${topic}`, () => term.partitionsChanged(topic)),
      deletionsChanged: () => this.#during(term, 'deletions', () => term.deletionsChanged()),
      brokerOverflowed: (id) => this.#during(term, `overflow of ${id}`, () => term.reintroduce(id)),
      replicasDeleted: (topics) => this.#during(term, undefined, () => term.replicasDeleted(topics)),
    });
    this.#term = term;
    this.#controllerId = brokerId;
    logger.info({ brokerId, epoch }, 'This broker is the controller');
    try {
      await term.begin();
    } catch (error) {
      if (!this.#endsTerm(error)) throw error;
    }
  }

  /** Carries out an event of a term, if that term has not ended by then. */
  #during(term: ControllerTerm, key: string | undefined, event: () => Promise<void>): void {
    const run = async (): Promise<void> => {
      if (this.#term === term) await event();
    };
    if (key === undefined) this.#watchOver(this.#queue.put(run));
    else this.#react(key, run);
  }

  #react(key: string, event: () => Promise<void>): void {
    if (!this.#stopped) this.#watchOver(this.#queue.putOnce(key, event));
  }

  #watchOver(done: Promise<void>): void {
    done.catch((err: unknown) => {
      if (this.#stopped || this.#endsTerm(err)) return;
      this.#options.logger.error({ err }, 'The controller could not carry out an event');
    });
  }

  /** Whether an error means that this broker is no longer the controller; then it is not, from here on. */
  #endsTerm(error: unknown): boolean {
    if (error instanceof ControllerMovedError) this.#endTerm(error.message);
    return error instanceof ControllerMovedError || isMetadataError(error, 'SESSION_EXPIRED');
  }

  #endTerm(reason: string): void {
    if (this.#term === undefined) return;
    this.#options.logger.warn({ epoch: this.#term.epoch, reason }, 'This broker is no longer the controller');
    this.#term.end();
    this.#term = undefined;
    this.#controllerId = -1;
  }
}
