import { type BrokerConfig, type Logger, parseBrokerConfig } from '@millrace/broker';
import type { Operation, OperationResult } from '@millrace/metadata';
import { type CrashKeeps, MemoryDisk } from '@millrace/ports';
import type { Build } from '../build.ts';
import type { Anomaly } from '../checker/violation.ts';
import { watchingCommands } from './command-watch.ts';
import type { Dice } from './dice.ts';
import { DiskFaults, type PlannedFault } from './disk-faults.ts';
import type { Ensemble } from './ensemble.ts';
import type { Crash } from './fault-plan.ts';
import type { Network } from './network.ts';
import { isMetadataDamaged, ownMetadataFolder, restoreOwnMetadata } from './own-metadata.ts';
import type { WallClock } from './process-clock.ts';
import type { PlannedThrow } from './saboteur.ts';
import { SimulatedBroker } from './simulated-broker.ts';
import type { SimulatedClock } from './simulated-clock.ts';

/** What a machine is set up with. */
export interface MachineOptions {
  readonly build: Build;
  /** The broker's id. */
  readonly id: number;
  /** The name that the others know it by. */
  readonly host: string;
  /** Undefined for a broker that keeps its metadata itself. */
  readonly ensemble: Ensemble | undefined;
  readonly settings: Readonly<Record<string, string>>;
  readonly clock: SimulatedClock;
  readonly dice: Dice;
  /** Every way to the broker; by the first of them brokers reach one another. */
  readonly networks: readonly [Network, ...Network[]];
  /** Whether a machine whose disk has failed may be reset. */
  readonly mayLosePower: boolean;
  /** Told of every transaction that the metadata store has applied. */
  readonly applied: (operations: readonly Operation[], results: readonly OperationResult[]) => void;
  /** Told of commands that no controller may send, or no broker carry out; undefined where there is but one broker. */
  readonly badCommand: ((anomaly: Anomaly, partition: string | null, message: string) => void) | undefined;
  readonly logger: Logger;
  note(message: string): void;
  /** The broker's own metadata are not what they were, and nobody has touched them. */
  metadataLost(message: string): void;
  /** An error has ended the process. */
  escaped(message: string): void;
  /** A process serves requests, and nobody has asked it anything yet. */
  started(): void;
}

/** How long the supervisor waits before it starts a broker again that has failed by itself. */
const RESTART_MS = 200;

/** How long a broker may take to stop in order before the supervisor kills it. */
const STOP_MS_MAX = 20_000;

/** The machine that the broker runs on, with its disk and what starts the broker again: the part of the world that crashes. */
export class Machine {
  readonly faults: DiskFaults;
  readonly #options: MachineOptions;
  readonly #config: BrokerConfig;
  #disk: MemoryDisk;
  #process: SimulatedBroker | undefined;
  #isServing = false;
  #isHealing = false;
  #isKeptDown = false;
  #lives = 0;
  crashes = 0;
  powerLosses = 0;
  restarts = 0;
  failedStarts = 0;
  metadataRestorations = 0;
  #metadataFlips = 0;
  readonly #wallClock: WallClock = { offsetMs: 0 };

  constructor(options: MachineOptions) {
    this.#options = options;
    const { clock, dice, id, host } = options;
    const settings = {
      ...options.settings,
      ...options.build.settings,
      'broker.id': String(id),
      listeners: `PLAINTEXT://${host}:9092`,
    };
    const { config, problems } = parseBrokerConfig(settings);
    if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '));
    this.#config = config;
    this.#disk = new MemoryDisk(() => clock.now());
    this.faults = new DiskFaults(clock, dice.for('disk'), (fault, call) => this.#struck(fault, call.path));
  }

  get id(): number {
    return this.#options.id;
  }

  get host(): string {
    return this.#options.host;
  }

  /** The process that serves requests; undefined while there is none. */
  get serving(): SimulatedBroker | undefined {
    return this.#isServing ? this.#process : undefined;
  }

  /** The log folders. */
  get folders(): readonly string[] {
    return this.#config.logDirs;
  }

  get disk(): MemoryDisk {
    return this.#disk;
  }

  /** Starts the broker unless it runs, or is kept down, and goes on trying until it serves. */
  powerOn(): void {
    if (this.#process === undefined && !this.#isKeptDown) void this.#start();
  }

  /** The process dies, or the machine with it, and stays away until all heals. */
  keepDown(crash: Crash): void {
    this.#isKeptDown = true;
    this.crash(crash);
  }

  /** The process dies, or the machine with it. */
  crash(crash: Crash): void {
    const process = this.#process;
    if (process === undefined) return;
    this.crashes += 1;
    if (crash.keeps !== 'all') this.powerLosses += 1;
    this.#end(process, crash);
    this.#options.clock.schedule(crash.downMs, () => this.powerOn());
  }

  /** The broker is stopped in order and started again. */
  async restart(downMs: number): Promise<void> {
    const process = this.#process;
    if (process === undefined || !this.#isServing) return;
    const { clock, networks, host, note } = this.#options;
    this.restarts += 1;
    note('the broker is stopped in order');
    const tooLong = clock.schedule(STOP_MS_MAX, () => {
      note('the broker does not stop, and is killed');
      this.crash({ keeps: 'all', downMs, tellsClients: true, sessionMs: 0 });
    });
    await process.broker.handOver();
    if (this.#process !== process) return;
    this.#isServing = false;
    process.broker.finishWaits();
    for (const network of networks) network.serve(host, undefined);
    for (const network of networks) network.cutFrom(host);
    await process.broker.stop().catch((error: unknown) => note(`the broker has not stopped in order: ${error}`));
    tooLong.cancel();
    if (this.#process !== process) return;
    this.#process = undefined;
    await process.closeSession().catch((error: unknown) => note(`the metadata store could not be closed: ${error}`));
    process.kill();
    this.#disk = this.#disk.crash('all');
    note('the broker has stopped');
    clock.schedule(downMs, () => this.powerOn());
  }

  /**
   * SIGSTOP, and SIGCONT after a time. The metadata store takes the session for dead when it has not heard of it for as long as
   * the session may be silent.
   */
  pause(durationMs: number): void {
    const process = this.#process;
    if (process === undefined) return;
    const { clock, note } = this.#options;
    note(`the broker is paused for ${durationMs.toFixed(0)} ms`);
    process.pause();
    const silenceMs = this.#config.zookeeperSessionTimeoutMs;
    if (durationMs > silenceMs) {
      clock.schedule(silenceMs, () => {
        if (!process.isDead) process.expireSession();
      });
    }
    clock.schedule(durationMs, () => {
      if (process.isDead) return;
      note('the broker goes on');
      process.resume();
    });
  }

  /** The metadata store has not heard of the broker for too long. */
  expireSession(): void {
    this.#process?.expireSession();
  }

  /** The connection to the metadata ensemble is lost for a time; a write at which that happens was applied or not. */
  loseStore(when: 'now' | 'before' | 'after', durationMs: number): void {
    this.#options.note(`the way to the metadata is lost ${WAYS_LOST[when]}, for ${durationMs.toFixed(0)} ms`);
    this.#process?.loseStore(when, durationMs);
  }

  /** The clock jumps, or is set right again (0). Nothing else of it changes. */
  setClock(offsetMs: number): void {
    this.#options.note(`the clock is ${offsetMs} ms off`);
    this.#wallClock.offsetMs = offsetMs;
  }

  /** The ensemble's server that this broker is connected to is behind the others. */
  lagStore(durationMs: number): void {
    this.#options.note(`the metadata are read from a server that is behind, for ${durationMs.toFixed(0)} ms`);
    this.#process?.lagStore(durationMs);
  }

  /** Something that the broker does throws in the middle. */
  sabotage(planned: PlannedThrow): void {
    if (this.#isServing) this.#process?.sabotage(planned);
  }

  /** From now on nothing goes wrong by itself, and the broker comes back if it is down. */
  heal(): void {
    this.#isHealing = true;
    this.#isKeptDown = false;
    this.faults.heal();
    this.#wallClock.offsetMs = 0;
    this.#process?.resume();
    this.#process?.spare();
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    this.powerOn();
  }

  /** What has failed stays offline until the broker starts anew. */
  replaceFailedFolders(): void {
    const folders = this.serving?.broker.services.replicas.logDirs ?? [];
    if (folders.every(({ isOnline }) => isOnline)) return;
    this.crash({ keeps: 'all', downMs: RESTART_MS, tellsClients: true, sessionMs: 0 });
  }

  /** Flips one bit in a file of the broker's own metadata store; returns the file, undefined where there is none. */
  flipMetadataBit(): string | undefined {
    const { dice } = this.#options;
    const files = this.#disk.filesBelow(ownMetadataFolder(this.#config)).filter(({ sizeBytes }) => sizeBytes > 0);
    if (files.length === 0) return undefined;
    const { path, sizeBytes } = dice.pick(files);
    this.#disk.flipBit(path, dice.nextInt(sizeBytes), dice.nextInt(8));
    this.#metadataFlips += 1;
    return path;
  }

  /** Leaves so much room on the disk, or any amount. */
  leaveRoom(bytes: number): void {
    this.#disk.capacityBytes = this.#disk.usedBytes + bytes;
  }

  async #start(): Promise<void> {
    const { build, clock, dice, ensemble, host, networks, logger, note, started } = this.#options;
    const life = ++this.#lives;
    const process: SimulatedBroker = new SimulatedBroker({
      build,
      config: this.#config,
      clock,
      wallClock: this.#wallClock,
      dice: dice.for(`life ${life}`),
      disk: this.#disk,
      faults: this.faults,
      ensemble,
      host,
      network: networks[0],
      applied: this.#options.applied,
      logger,
      onUnusable: () => this.#giveUp(process, 'no log folder is left that works'),
      onSabotage: (what) => note(`${what} throws on purpose`),
      onEscaped: (error, place) => {
        this.#options.escaped(`${String(error)} got out of what a ${place} had called`);
        this.#giveUp(process, `an error ends it: ${String(error)}`);
      },
    });
    this.#process = process;
    note(`the broker starts (life ${life})`);
    try {
      await process.start();
    } catch (error) {
      if (process.isDead) return;
      this.failedStarts += 1;
      if (ensemble === undefined && isMetadataDamaged(error)) return this.#restoreMetadata(process, error);
      this.#giveUp(process, `it cannot start: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    if (process.isDead) return;
    this.#isServing = true;
    note('the broker serves');
    const own = process.requestHandler();
    const handler =
      this.#options.badCommand === undefined ? own : watchingCommands(own, process, this.#options.badCommand);
    for (const network of networks) network.serve(host, handler);
    started();
  }

  /** The operator reads what the start has said, and does it. */
  async #restoreMetadata(process: SimulatedBroker, error: unknown): Promise<void> {
    const { clock, dice, note } = this.#options;
    const message = error instanceof Error ? error.message : String(error);
    note(`the metadata are restored: ${message}`);
    if (this.#metadataFlips === 0) this.#options.metadataLost(message);
    this.metadataRestorations += 1;
    this.#end(process, { keeps: 'all', downMs: RESTART_MS, tellsClients: true, sessionMs: 0 });
    this.#disk.capacityBytes = Number.POSITIVE_INFINITY;
    await restoreOwnMetadata(this.#config, { disk: this.#disk, clock, random: dice });
    clock.schedule(RESTART_MS, () => this.powerOn());
  }

  /** The process ends by itself; the machine goes on, or is reset by somebody who does not trust it any more. */
  #giveUp(process: SimulatedBroker, why: string): void {
    const { clock, dice, mayLosePower, note } = this.#options;
    note(`the broker gives up: ${why}`);
    // Not within a call of the broker, which is about to return.
    clock.schedule(0, () => {
      if (process.isDead) return;
      const isReset = mayLosePower && !this.#isHealing && dice.chance(30);
      const crash: Crash = {
        keeps: isReset ? dice.pick(['none', 'some']) : 'all',
        downMs: RESTART_MS,
        tellsClients: true,
        sessionMs: 0,
      };
      this.#end(process, crash);
      clock.schedule(crash.downMs, () => this.powerOn());
    });
  }

  #end(process: SimulatedBroker, { keeps, tellsClients, sessionMs }: Crash): void {
    const { clock, dice, host, networks, note } = this.#options;
    note(keeps === 'all' ? 'the broker is killed' : `the power fails; of what was not synced, ${keeps} is kept`);
    process.kill();
    this.#process = undefined;
    this.#isServing = false;
    for (const network of networks) network.brokerDied(host, tellsClients);
    const kept: CrashKeeps = keeps === 'some' ? dice : keeps;
    const { capacityBytes } = this.#disk;
    this.#disk = this.#disk.crash(kept);
    this.#disk.capacityBytes = capacityBytes;
    if (sessionMs === 0) process.sessionDied();
    else clock.schedule(sessionMs, () => process.sessionDied());
  }

  #struck(fault: PlannedFault, path: string): void {
    this.#options.note(`the disk fails: ${fault.code} on ${fault.kind} of ${path}`);
  }
}

const WAYS_LOST = {
  now: 'now',
  before: 'at the next write, which does not arrive',
  after: 'behind the next write',
} as const;
