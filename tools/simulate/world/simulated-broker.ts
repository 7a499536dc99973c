import { Broker, type BrokerConfig, type Logger } from '@millrace/broker';
import type { Operation, OperationResult, TreeMetadataStore } from '@millrace/metadata';
import { FaultyMetadataStore } from '@millrace/metadata/internal';
import type { RequestHandler } from '@millrace/network';
import type { MemoryDisk } from '@millrace/ports';
import type { Build } from '../build.ts';
import type { Dice } from './dice.ts';
import type { DiskFaults } from './disk-faults.ts';
import type { Ensemble } from './ensemble.ts';
import { Gate } from './gate.ts';
import type { Network } from './network.ts';
import { openOwnMetadata } from './own-metadata.ts';
import { ProcessClock, type WallClock } from './process-clock.ts';
import { ProcessStore } from './process-store.ts';
import { type PlannedThrow, Saboteur, type ThrowPlace } from './saboteur.ts';
import type { SimulatedClock } from './simulated-clock.ts';
import { simulatedPeers } from './simulated-peers.ts';
import { Unanswered } from './unanswered.ts';

/** What a process is started with. */
export interface SimulatedBrokerOptions {
  readonly build: Build;
  readonly config: BrokerConfig;
  readonly clock: SimulatedClock;
  /** How far the machine's calendar is off. */
  readonly wallClock: WallClock;
  readonly dice: Dice;
  readonly disk: MemoryDisk;
  readonly faults: DiskFaults;
  /** The ensemble that keeps the metadata; undefined for a broker that keeps its own, on its disk. */
  readonly ensemble: Ensemble | undefined;
  /** Told of every transaction that the metadata store has applied. */
  readonly applied: (operations: readonly Operation[], results: readonly OperationResult[]) => void;
  readonly logger: Logger;
  readonly host: string;
  /** The network that leads to its peers. */
  readonly network: Network;
  /** No log folder is left that works: the process gives up, as the real one does. */
  readonly onUnusable: () => void;
  /** An error got out of what the process was called for, which ends the real one. */
  readonly onEscaped: (error: unknown, place: ThrowPlace) => void;
  /** The process' own code throws somewhere. */
  readonly onSabotage: (what: string) => void;
}

/** One life of the broker: the real core on a simulated machine. It can be killed at any moment that time passes. */
export class SimulatedBroker {
  readonly #options: SimulatedBrokerOptions;
  readonly #gate = new Gate();
  readonly #clock: ProcessClock;
  readonly #saboteur: Saboteur;
  /** What it was asked, and has not answered. */
  readonly unanswered: Unanswered;
  #broker: Broker | undefined;
  #session: TreeMetadataStore | undefined;
  /** The way to an ensemble, on which things go wrong; a store of the broker's own has none. */
  #way: FaultyMetadataStore | undefined;
  #lossMs = 0;

  constructor(options: SimulatedBrokerOptions) {
    const { clock, disk, faults, wallClock } = options;
    this.#options = options;
    this.unanswered = new Unanswered(() => clock.monotonic());
    this.#saboteur = new Saboteur((what) => options.onSabotage(what));
    this.#clock = new ProcessClock(clock, this.#gate, wallClock, (run) => this.#call('timer', run));
    disk.fault = faults.hookFor(this.#gate, this.#saboteur);
  }

  /** There once it has begun to start. */
  get broker(): Broker {
    if (this.#broker === undefined) throw new Error('The broker has not begun to start.');
    return this.#broker;
  }

  get isDead(): boolean {
    return this.#gate.isClosed;
  }

  async start(): Promise<void> {
    const { build, clock, dice, disk, config, logger, ensemble } = this.#options;
    const onUnusable = (): void => {
      if (!this.isDead) this.#options.onUnusable();
    };
    const own =
      ensemble === undefined
        ? await openOwnMetadata(config, {
            disk: build.metadataDisk?.(disk) ?? disk,
            clock: this.#clock,
            onFailed: onUnusable,
          })
        : undefined;
    const session = own ?? ensemble?.openSession();
    if (session === undefined) return;
    this.#session = session;
    const reached = own ?? this.#wayTo(session);
    const tools = { clock, dice };
    const store = new ProcessStore(reached, {
      gate: this.#gate,
      applied: own === undefined ? () => {} : this.#options.applied,
      saboteur: this.#saboteur,
      call: (run) => this.#call('watch', run),
    });
    const peers = simulatedPeers({
      host: this.#options.host,
      network: this.#options.network,
      clock: this.#clock,
      gate: this.#gate,
    });
    this.#broker = new Broker({
      config,
      clock: this.#saboteur.clock(this.#clock),
      random: this.#saboteur.random(dice),
      disk: build.disk?.(disk, tools) ?? disk,
      metadataStore: build.store?.(store, tools) ?? store,
      ownsMetadata: own !== undefined,
      logger: this.#saboteur.logger(this.#whileAlive(logger)),
      peers: this.#saboteur.peers(build.peers?.(peers, tools) ?? peers),
      onUnusable,
    });
    await this.#broker.start();
    // As the real process does: once it serves, a full disk is waited for.
    if (own !== undefined) own.sitsOutShortages = true;
  }

  /** Ends the session in order, and the store with it where it is the broker's own. */
  async closeSession(): Promise<void> {
    await (this.#way ?? this.#session)?.close();
  }

  /** The connection to the ensemble is lost: at once, or at the next write, which has been applied or not; and comes back after a time. */
  loseStore(when: 'now' | 'before' | 'after', durationMs: number): void {
    this.#lossMs = durationMs;
    if (when === 'now') this.#way?.cut();
    else this.#way?.cutAtNextWrite(when);
  }

  /** The ensemble's server is behind the others for a time. */
  lagStore(durationMs: number): void {
    const way = this.#way;
    way?.lag();
    this.#options.clock.schedule(durationMs, () => {
      if (!this.isDead) void way?.catchUp();
    });
  }

  /** The store has not heard of the process for too long. */
  expireSession(): void {
    // Where the disk does not take the end of the session, the store has failed, and says so by itself.
    this.#session?.expireSession().catch(() => undefined);
  }

  /** What becomes of the session of a process that is dead: an ensemble notices after a time, and its own store died with it. */
  sessionDied(): void {
    if (this.#options.ensemble !== undefined) void this.#session?.close();
  }

  /** What the listeners would call. */
  requestHandler(): RequestHandler {
    const { build, clock, dice } = this.#options;
    const { requestHandler } = this.broker;
    const handler = build.handler?.(requestHandler, { clock, dice }) ?? requestHandler;
    const guarded: RequestHandler = {
      handle: (...request) => this.#saboteur.from('request', () => handler.handle(...request)),
      connectionClosed: (connection) => this.#call('request', () => handler.connectionClosed?.(connection)),
    };
    return this.unanswered.watching(gated(guarded, this.#gate));
  }

  /** The process' own code throws somewhere in what it does next. */
  sabotage(planned: PlannedThrow): void {
    this.#saboteur.plan(planned);
  }

  /** Nothing of it throws any more that was planned. */
  spare(): void {
    this.#saboteur.disarm();
  }

  /** What calls the process stands behind it with nothing: an error that gets there ends it. */
  #call(place: ThrowPlace, run: () => void): void {
    try {
      this.#saboteur.from(place, run);
    } catch (error) {
      this.#options.onEscaped(error, place);
    }
  }

  /** SIGSTOP: nothing reaches it, and it does nothing, until it is resumed. */
  pause(): void {
    this.#gate.pause();
  }

  /** SIGCONT: what has come meanwhile comes now. */
  resume(): void {
    this.#gate.resume();
  }

  /** `kill -9`: from now on nothing of it does anything. The session with the store is the caller's business. */
  kill(): void {
    this.#gate.close();
  }

  #wayTo(session: TreeMetadataStore): FaultyMetadataStore {
    this.#way = new FaultyMetadataStore(session, {
      expire: () => session.expireSession(),
      freeze: () => session.freeze(),
      applied: this.#options.applied,
    });
    const way = this.#way;
    way.onSession((state) => {
      if (state !== 'disconnected') return;
      this.#options.clock.schedule(this.#lossMs, () => {
        if (!this.isDead) void way.mend();
      });
    });
    return way;
  }

  #whileAlive(logger: Logger): Logger {
    const guard =
      (log: (fields: object, message: string) => void) =>
      (fields: object, message: string): void => {
        if (!this.isDead) log(fields, message);
      };
    return {
      debug: guard(logger.debug.bind(logger)),
      info: guard(logger.info.bind(logger)),
      warn: guard(logger.warn.bind(logger)),
      error: guard(logger.error.bind(logger)),
    };
  }
}

/** Requests that reach a paused process are handled when it goes on, in their order. */
function gated(handler: RequestHandler, gate: Gate): RequestHandler {
  return {
    handle(frame, connection, admission) {
      if (!gate.isPaused) return handler.handle(frame, connection, admission);
      return new Promise((resolve, reject) => {
        gate.pass(() => {
          try {
            resolve(handler.handle(frame, connection, admission));
          } catch (error) {
            reject(error);
          }
        });
      });
    },
    connectionClosed: (connection) => gate.pass(() => handler.connectionClosed?.(connection)),
  };
}
