import { Broker, type BrokerConfig, type Logger } from '@millrace/broker';
import type { MemoryMetadataStore } from '@millrace/metadata';
import type { RequestHandler } from '@millrace/network';
import type { MemoryDisk } from '@millrace/ports';
import type { Build } from '../build.ts';
import type { Dice } from './dice.ts';
import type { DiskFaults } from './disk-faults.ts';
import { ProcessClock } from './process-clock.ts';
import { ProcessStore } from './process-store.ts';
import type { SimulatedClock } from './simulated-clock.ts';

type Session = ReturnType<MemoryMetadataStore['openSession']>;

/** What a process is started with. */
export interface BrokerProcessOptions {
  readonly build: Build;
  readonly config: BrokerConfig;
  readonly clock: SimulatedClock;
  readonly dice: Dice;
  readonly disk: MemoryDisk;
  readonly faults: DiskFaults;
  readonly session: Session;
  readonly logger: Logger;
  /** No log folder is left that works: the process gives up, as the real one does. */
  readonly onUnusable: () => void;
}

/** One life of the broker: the real core on a simulated machine. It can be killed at any moment that time passes. */
export class BrokerProcess {
  readonly broker: Broker;
  readonly session: Session;
  readonly #options: BrokerProcessOptions;
  readonly #clock: ProcessClock;
  readonly #store: ProcessStore;
  #isDead = false;

  constructor(options: BrokerProcessOptions) {
    const { build, clock, dice, disk, faults, session, config, logger } = options;
    this.#options = options;
    this.session = session;
    this.#clock = new ProcessClock(clock);
    this.#store = new ProcessStore(session);
    disk.fault = faults.hookFor(this.#clock);
    this.broker = new Broker({
      config,
      clock: this.#clock,
      random: dice,
      disk: build.disk?.(disk, { clock, dice }) ?? disk,
      metadataStore: this.#store,
      logger: this.#whileAlive(logger),
      onUnusable: () => {
        if (!this.#isDead) options.onUnusable();
      },
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  start(): Promise<void> {
    return this.broker.start();
  }

  /** What the listeners would call. */
  requestHandler(): RequestHandler {
    const { build, clock, dice } = this.#options;
    const { requestHandler } = this.broker;
    return build.handler?.(requestHandler, { clock, dice }) ?? requestHandler;
  }

  /** `kill -9`: from now on nothing of it does anything. The session with the store is the caller's business. */
  kill(): void {
    this.#isDead = true;
    this.#clock.kill();
    this.#store.kill();
  }

  #whileAlive(logger: Logger): Logger {
    const guard =
      (log: (fields: object, message: string) => void) =>
      (fields: object, message: string): void => {
        if (!this.#isDead) log(fields, message);
      };
    return {
      debug: guard(logger.debug.bind(logger)),
      info: guard(logger.info.bind(logger)),
      warn: guard(logger.warn.bind(logger)),
      error: guard(logger.error.bind(logger)),
    };
  }
}
