import { type ChildProcess, fork } from 'node:child_process';
import type { BrokerEndpoint, Logger } from '@millrace/broker';
import type { Clock, Timer } from '@millrace/ports';
import type { StartErrorCode } from '../start-error.ts';
import type { MemberSettings } from './member-settings.ts';
import type { FromMember, ToMember } from './messages.ts';
import { RestartPauses } from './restart-pauses.ts';

/** How long brokers may take to stop before they are killed. */
const STOP_MS_MAX = 30_000;

/** The members' program: beside this file in a checkout's folder above, beside the chunk that this is part of when built. */
const MEMBER_PROGRAM = import.meta.url.endsWith('.ts')
  ? new URL('../cluster-member.ts', import.meta.url)
  : new URL('./cluster-member.js', import.meta.url);

/** What a supervisor works with. */
export interface SupervisorOptions {
  readonly members: readonly MemberSettings[];
  readonly configFile: string | undefined;
  /** Where the cluster's page is served, once that is known. */
  readonly sitePort: () => number | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told at once when a broker's process has ended, whatever comes then. */
  readonly onEnded?: ((brokerId: number) => void) | undefined;
  /** Starts a broker's process. Default: a process of its own, which the messages move. */
  readonly spawn?: ((env: NodeJS.ProcessEnv) => ChildProcess) | undefined;
}

/** A broker that serves. */
export interface ReadyMember {
  readonly brokerId: number;
  readonly endpoints: readonly BrokerEndpoint[];
  readonly httpPort: number | undefined;
}

/** Why a broker could not be started at all. */
export interface MemberFailure {
  readonly brokerId: number;
  readonly message: string;
  readonly code: StartErrorCode;
}

/** Starts the brokers of a local cluster as processes of their own, and starts those again that end by themselves. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #members: Member[];

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#members = options.members.map((settings) => new Member(settings, options));
  }

  /** Resolves when all brokers serve. @throws MemberStartError when one of them cannot */
  async start(): Promise<readonly ReadyMember[]> {
    for (const member of this.#members) member.start();
    return Promise.all(this.#members.map((member) => member.firstReady));
  }

  /** The processes' ids, by broker; of those that run. */
  get processIds(): ReadonlyMap<number, number> {
    return new Map(
      this.#members.flatMap(({ brokerId, processId }) => (processId === undefined ? [] : [[brokerId, processId]])),
    );
  }

  /** The brokers that have told that they serve, and have not ended since. */
  get serving(): readonly ReadyMember[] {
    return this.#members.flatMap(({ serves }) => serves ?? []);
  }

  /** Stops all brokers in order; those that do not end in time are killed. */
  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop()));
  }

  get brokers(): number {
    return this.#options.members.length;
  }
}

/** A broker of a local cluster cannot be started. */
export class MemberStartError extends Error {
  override readonly name = 'MemberStartError';
  readonly code = 'START_FAILED';
  readonly retriable = false;
  readonly failure: MemberFailure;

  /** @param tries how often it was tried */
  constructor(failure: MemberFailure, tries: number) {
    const often = tries === 1 ? '' : ` after ${tries} tries`;
    const hint = failure.code === 'START_METADATA_UNREACHABLE' ? TOO_BUSY : '';
    const reason = hint === '' ? failure.message : sentence(failure.message);
    super(`Broker ${failure.brokerId} cannot be started${often}: ${reason}${hint}`);
    this.failure = failure;
  }
}

/** The metadata is kept on the same machine, so that nothing but slowness keeps a broker from it. */
const TOO_BUSY = ' Start again when this machine has less to do, or with fewer brokers';

/** As a sentence: some messages end as one already. */
function sentence(message: string): string {
  return /[.?!]$/.test(message) ? message : `${message}.`;
}

/** One broker's process, and the next when that one ends. */
class Member {
  readonly brokerId: number;
  readonly firstReady: Promise<ReadyMember>;
  readonly #settings: MemberSettings;
  readonly #options: SupervisorOptions;
  #isReady!: (member: ReadyMember) => void;
  #cannot!: (error: MemberStartError) => void;
  #process: ChildProcess | undefined;
  #failure: MemberFailure | undefined;
  readonly #pauses: RestartPauses;
  #serves: ReadyMember | undefined;
  #hasServed = false;
  #isStopping = false;
  #restart: Timer | undefined;

  constructor(settings: MemberSettings, options: SupervisorOptions) {
    this.brokerId = settings.brokerId;
    this.#settings = settings;
    this.#options = options;
    this.#pauses = new RestartPauses(options.clock);
    this.firstReady = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      this.#cannot = reject;
    });
  }

  get processId(): number | undefined {
    return this.#process?.pid;
  }

  /** What it has told when it began to serve; undefined before, and from its end until the next process has. */
  get serves(): ReadyMember | undefined {
    return this.#serves;
  }

  start(): void {
    const { env, configFile, sitePort, spawn = spawnMember } = this.#options;
    this.#failure = undefined;
    const child = spawn(env);
    this.#process = child;
    child.on('message', (message: FromMember) => {
      const { overrides, brokerId } = this.#settings;
      if (message.type === 'loaded') {
        send(child, { type: 'start', brokerId, configFile, overrides, sitePort: sitePort() });
      } else this.#told(message);
    });
    child.once('exit', (exitCode, signal) => this.#ended(exitCode, signal));
    child.on('error', (err) =>
      this.#options.logger.error({ err, brokerId: this.brokerId }, 'A broker could not be started'),
    );
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#restart?.cancel();
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const kill = this.#options.clock.schedule(STOP_MS_MAX, () => {
        this.#options.logger.warn({ brokerId: this.brokerId }, 'A broker does not stop, and is killed');
        child.kill('SIGKILL');
      });
      child.once('exit', () => {
        kill.cancel();
        resolve();
      });
      send(child, { type: 'stop' });
    });
  }

  #told(message: Exclude<FromMember, { type: 'loaded' }>): void {
    const { brokerId } = this;
    if (message.type === 'failed') {
      this.#failure = { brokerId, message: message.message, code: message.code };
      return;
    }
    if (this.#hasServed) this.#options.logger.info({ brokerId }, `Broker ${brokerId} serves again`);
    this.#hasServed = true;
    this.#pauses.served();
    this.#serves = { brokerId, endpoints: message.endpoints, httpPort: message.httpPort };
    this.#isReady(this.#serves);
  }

  #ended(exitCode: number | null, signal: NodeJS.Signals | null): void {
    const { brokerId } = this;
    this.#process = undefined;
    this.#serves = undefined;
    this.#options.onEnded?.(brokerId);
    if (this.#isStopping) return;
    const failure = this.#failure;
    const isHopeless = !this.#hasServed && failure !== undefined && !PASSING.includes(failure.code);
    if (isHopeless || (!this.#hasServed && this.#pauses.failures >= FIRST_ATTEMPTS_MAX)) {
      const told = failure ?? { brokerId, message: `it ended with ${signal ?? exitCode}`, code: 'START_FAILED' };
      this.#cannot(new MemberStartError(told, this.#pauses.failures + 1));
      return;
    }
    const { clock, logger } = this.#options;
    const pauseMs = this.#pauses.ended();
    const why = failure?.message ?? (signal === null ? `it ended with ${exitCode}` : `it was ended by ${signal}`);
    logger.warn(
      { brokerId, exitCode, signal, pauseMs },
      `Broker ${brokerId} has gone: ${sentence(why)} It is started again in ${pauseMs} ms`,
    );
    this.#restart = clock.schedule(pauseMs, () => this.start());
  }
}

/**
 * What keeps a broker from starting and may pass. Ports and folders that are taken may be those of a cluster whose parent was killed a
 * moment ago; the metadata is on this machine, and is reached once that has time for it.
 */
const PASSING: readonly StartErrorCode[] = [
  'START_PORT_IN_USE',
  'START_FOLDER_LOCKED',
  'START_BROKER_ID_IN_USE',
  'START_METADATA_UNREACHABLE',
];

/** How often a broker is tried again that has never served: with the pauses between, longer than one without a parent lives. */
const FIRST_ATTEMPTS_MAX = 5;

function spawnMember(env: NodeJS.ProcessEnv): ChildProcess {
  // In a group of its own, so that a terminal's Ctrl-C reaches the parent alone, which stops all in order.
  return fork(MEMBER_PROGRAM, [], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
}

function send(child: ChildProcess, message: ToMember): void {
  // One that ends in this moment is told of by 'exit'.
  if (child.connected) child.send(message, () => {});
}
