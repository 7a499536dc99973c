import { Broker, type BrokerConfig, type Logger } from '@millrace/broker';
import type { RequestHandler } from '@millrace/network';
import type { MemoryDisk } from '@millrace/ports';
import type { Build } from '../build.ts';
import type { Dice } from './dice.ts';
import type { DiskFaults } from './disk-faults.ts';
import type { EnsembleSession } from './ensemble.ts';
import { Gate } from './gate.ts';
import type { Network } from './network.ts';
import { ProcessClock } from './process-clock.ts';
import { ProcessStore } from './process-store.ts';
import type { SimulatedClock } from './simulated-clock.ts';
import { simulatedPeers } from './simulated-peers.ts';

/** What a process is started with. */
export interface BrokerProcessOptions {
  readonly build: Build;
  readonly config: BrokerConfig;
  readonly clock: SimulatedClock;
  readonly dice: Dice;
  readonly disk: MemoryDisk;
  readonly faults: DiskFaults;
  readonly session: EnsembleSession;
  readonly logger: Logger;
  readonly host: string;
  /** The network that leads to its peers. */
  readonly network: Network;
  /** No log folder is left that works: the process gives up, as the real one does. */
  readonly onUnusable: () => void;
}

/** One life of the broker: the real core on a simulated machine. It can be killed at any moment that time passes. */
export class BrokerProcess {
  readonly broker: Broker;
  readonly session: EnsembleSession;
  readonly #options: BrokerProcessOptions;
  readonly #gate = new Gate();
  readonly #clock: ProcessClock;

  constructor(options: BrokerProcessOptions) {
    const { build, clock, dice, disk, faults, session, config, logger } = options;
    this.#options = options;
    this.session = session;
    this.#clock = new ProcessClock(clock, this.#gate);
    disk.fault = faults.hookFor(this.#gate);
    this.broker = new Broker({
      config,
      clock: this.#clock,
      random: dice,
      disk: build.disk?.(disk, { clock, dice }) ?? disk,
      metadataStore: new ProcessStore(session, this.#gate),
      logger: this.#whileAlive(logger),
      peers: simulatedPeers({ host: options.host, network: options.network, clock: this.#clock, gate: this.#gate }),
      onUnusable: () => {
        if (!this.isDead) options.onUnusable();
      },
    });
  }

  get isDead(): boolean {
    return this.#gate.isClosed;
  }

  start(): Promise<void> {
    return this.broker.start();
  }

  /** What the listeners would call. */
  requestHandler(): RequestHandler {
    const { build, clock, dice } = this.#options;
    const { requestHandler } = this.broker;
    const handler = build.handler?.(requestHandler, { clock, dice }) ?? requestHandler;
    return gated(handler, this.#gate);
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
