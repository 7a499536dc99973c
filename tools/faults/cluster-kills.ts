/** Kills brokers of a cluster again and again under the load of several clients, and holds what is there against what was acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '@millrace/ports';
import { type ClientName, ClusterLoad, type LoadReport, PARTITIONS } from './cluster-load.ts';
import {
  BROKER_IDS,
  type ClusterOptions,
  type ClusterProcesses,
  type Engine,
  startCluster,
} from './cluster-process.ts';
import { SESSION_MS, TICK_MS } from './ensemble-cluster.ts';

/** Whom a round hits, in turns: the leader of a partition, the controller, the coordinator of a group. */
export const VICTIMS = ['leader', 'controller', 'coordinator'] as const;
/** Or what keeps the metadata: the parent of a local cluster, with which all brokers end, or the leader of the ensemble. */
export type Victim = (typeof VICTIMS)[number] | 'keeper';

/**
 * How he ends: at once, or in order with his leaderships handed over, or at once and for good: he comes back with an empty disk. One who is
 * paused (SIGSTOP) loses his session and his leaderships, knows nothing of it, and goes on with everything he was about to do. To one who is
 * spared nothing happens: what the load alone makes of a client's gaps, for comparison.
 */
export type Ending = 'killed' | 'stopped' | 'emptied' | 'paused' | 'spared';

export interface ClusterKillsOptions extends ClusterOptions {
  readonly rounds: number;
  /** Every so many rounds a broker is stopped in order instead of killed. 0, the default, for never. */
  readonly stopEvery?: number;
  /** How long the cluster is left alone, once it is whole, before the next round; a broker that has only just started answers slowly. Default: 0. */
  readonly calmMs?: number;
  /** See {@link ClusterLoadOptions}. */
  readonly paceMs?: number | undefined;
  /** The same for brokers that come back with an empty disk. On an ensemble only: the parent of a local cluster is too quick. */
  readonly emptyEvery?: number;
  /** The same for brokers that are paused beyond their session. */
  readonly pauseEvery?: number;
  /** The same for brokers to which nothing happens. */
  readonly spareEvery?: number;
  /** Every so many rounds what keeps the metadata is killed. */
  readonly keeperEvery?: number;
  /** In the first so many rounds the brokers are stopped in order one after the other, whoever they are. Default: in none. */
  readonly rollingRounds?: number;
  readonly seed: number;
  /** See {@link ClusterLoadOptions}. */
  readonly isEveryReplicaRead?: boolean;
  /** See {@link ClusterLoadOptions}. */
  readonly clients?: readonly ClientName[] | undefined;
  /** See {@link ClusterLoadOptions}. Default: yes. */
  readonly isCleaning?: boolean;
  readonly onRound?: (line: string, round: number) => void;
}

interface KillEvent {
  /** 0 for what keeps the metadata. */
  readonly brokerId: number;
  readonly victim: Victim;
  readonly ending: Ending;
}

/** The longest time without an acknowledgement of a partition that the victim led, of one client, in one round. */
export interface Gap extends KillEvent {
  readonly client: string;
  readonly ms: number;
  /** What it should stay below; undefined where all brokers end at once. */
  readonly boundMs: number | undefined;
}

export interface ClusterKillsReport extends LoadReport {
  readonly engine: Engine;
  readonly rounds: number;
  /** What was done to whom, round by round. */
  readonly events: readonly KillEvent[];
  readonly gaps: readonly Gap[];
}

/** After so long the session of a broker that says nothing has ended, and the controller has had a moment to learn of it. */
const PAUSED_MS = SESSION_MS + 2 * TICK_MS;
const PAUSED_BEYOND_MS_MAX = 1000;
/** About as long as a broker takes to stop and clients to find the next. */
const SPARED_MS = 500;

/** Kinds of events whose gaps should stay below so many milliseconds. A pause of its own length comes on top of its bound. */
const BOUNDS_MS: Readonly<Record<Engine, Readonly<Record<Ending | 'keeper', number | undefined>>>> = {
  local: { killed: 300, emptied: 300, stopped: 100, paused: 1000, spared: undefined, keeper: undefined },
  zookeeper: {
    killed: SESSION_MS + TICK_MS + 1000,
    emptied: SESSION_MS + TICK_MS + 1000,
    stopped: 100,
    paused: 1000,
    spared: undefined,
    keeper: 100,
  },
};

const KEEPERS: Readonly<Record<Engine, string>> = { local: 'parent', zookeeper: 'leader of the ensemble' };

/** A round begins so long after the cluster is whole, at most. */
const PAUSE_MS_MAX = 500;

export async function killBrokers(options: ClusterKillsOptions): Promise<ClusterKillsReport> {
  const cluster = await startCluster(options);
  const run = new ClusterKills(options, cluster);
  try {
    return await run.run();
  } finally {
    await run.abort();
    await cluster.stop();
  }
}

class ClusterKills {
  readonly #options: ClusterKillsOptions;
  readonly #cluster: ClusterProcesses;
  readonly #random: Random;
  readonly #load: ClusterLoad;
  readonly #events: KillEvent[] = [];
  readonly #gaps: Gap[] = [];
  #measured: readonly Pick<Gap, 'client' | 'ms' | 'boundMs'>[] = [];

  constructor(options: ClusterKillsOptions, cluster: ClusterProcesses) {
    this.#options = options;
    this.#cluster = cluster;
    this.#random = seededRandom(options.seed);
    const { isEveryReplicaRead, isCleaning = true, clients, paceMs } = options;
    const how = { isCleaning, isPatient: takesPatience(options), isEveryReplicaRead, clients, paceMs };
    this.#load = new ClusterLoad(cluster.bootstrapServers, BROKER_IDS.length, how);
  }

  async run(): Promise<ClusterKillsReport> {
    await this.#load.start();
    for (let round = 1; round <= this.#options.rounds; round += 1) await this.#round(round);
    const { engine, rounds } = this.#options;
    return { engine, rounds, events: this.#events, gaps: this.#gaps, ...(await this.#load.finish()) };
  }

  async #round(round: number): Promise<void> {
    await sleep((this.#options.calmMs ?? 0) + this.#random.nextInt(PAUSE_MS_MAX));
    const victim = this.#victim(round);
    const ending = this.#ending(round);
    const committed = this.#load.commits();
    const { brokerId, led } = await this.#whom(victim, round);
    if (victim !== 'keeper') await this.#cluster.find(brokerId);
    // The preferred leaders have only just taken over: a gap of that is over when the round's begins.
    await this.#load.acknowledgedFromNowOn(led);
    for (const { gaps } of this.#load.producers) gaps?.begin();
    if (victim === 'keeper') await this.#killKeeper(led);
    else if (ending === 'paused') await this.#pause(brokerId, led);
    else if (ending === 'spared') await this.#spare(led);
    else await this.#end(brokerId, ending, led);
    this.#events.push({ brokerId, victim, ending });
    const measured = this.#measured;
    await this.#load.whole();
    await this.#load.checkCommits(committed);
    // A broker that led none of the topic's partitions has no gap to show.
    const gaps = measured.map(({ client, ms, boundMs }): Gap => ({ client, brokerId, victim, ending, ms, boundMs }));
    if (led.length > 0) this.#gaps.push(...gaps);
    const whom = victim === 'keeper' ? KEEPERS[this.#options.engine] : `${victim} ${brokerId}`;
    const said = measured.map(({ client, ms }) => `${client} ${Math.round(ms)} ms`).join(', ');
    const { recordsAcknowledged, violationCount } = this.#load.ledger;
    this.#options.onRound?.(
      `round ${round}: ${whom} ${ending}, it led ${led.length} partitions; longest gaps: ${said}; ` +
        `${recordsAcknowledged} records acknowledged, ${violationCount} violations`,
      round,
    );
  }

  async #end(brokerId: number, ending: Ending, led: readonly number[]): Promise<void> {
    if (ending === 'stopped') await this.#cluster.stopOne(brokerId);
    else await this.#cluster.kill(brokerId);
    await this.#load.acknowledgedFromNowOn(led);
    this.#measure(led, this.#bounds[ending]);
    if (ending === 'emptied') {
      // Who comes back before he is missed counts as one who has everything, so no disk is to be emptied in haste.
      await this.#load.without(brokerId);
      await this.#cluster.emptyDisk(brokerId);
    }
    await this.#cluster.restart(brokerId);
  }

  /** Clients wait for an answer of a broker that is silent as long as they would wait for a slow one, so his return may be what ends a gap. */
  async #pause(brokerId: number, led: readonly number[]): Promise<void> {
    const pausedMs = PAUSED_MS + this.#random.nextInt(PAUSED_BEYOND_MS_MAX);
    await this.#cluster.pause(brokerId);
    try {
      await sleep(pausedMs);
    } finally {
      await this.#cluster.resume(brokerId);
    }
    await this.#load.acknowledgedFromNowOn(led);
    this.#measure(led, pausedMs + this.#bounds.paused!);
  }

  async #spare(led: readonly number[]): Promise<void> {
    await sleep(SPARED_MS);
    this.#measure(led, this.#bounds.spared);
  }

  async #killKeeper(led: readonly number[]): Promise<void> {
    await this.#cluster.killKeeper();
    if (this.#options.engine === 'zookeeper') {
      // The two servers that are left are enough. That the third comes back is not measured: on a machine of its own, it would not take the
      // processors of the brokers for the time in which a JVM starts.
      await this.#load.acknowledgedFromNowOn(led);
      this.#measure(led, this.#bounds.keeper);
      await this.#cluster.restartKeeper();
      return;
    }
    await this.#cluster.restartKeeper();
    await this.#load.acknowledgedFromNowOn(led);
    this.#measure(led, this.#bounds.keeper);
  }

  get #bounds(): Readonly<Record<Ending | 'keeper', number | undefined>> {
    return BOUNDS_MS[this.#options.engine];
  }

  #isRolling(round: number): boolean {
    return round <= (this.#options.rollingRounds ?? 0);
  }

  #victim(round: number): Victim {
    if (!this.#isRolling(round) && isTurn(round, this.#options.keeperEvery)) return 'keeper';
    return VICTIMS[(round - 1) % VICTIMS.length]!;
  }

  #ending(round: number): Ending {
    const { stopEvery, emptyEvery, pauseEvery, spareEvery, keeperEvery } = this.#options;
    if (this.#isRolling(round)) return 'stopped';
    if (isTurn(round, keeperEvery)) return 'killed';
    if (isTurn(round, stopEvery)) return 'stopped';
    if (isTurn(round, pauseEvery)) return 'paused';
    if (isTurn(round, spareEvery)) return 'spared';
    return isTurn(round, emptyEvery) ? 'emptied' : 'killed';
  }

  /** The broker, and the partitions whose acknowledgements it stands for. */
  async #whom(victim: Victim, round: number): Promise<{ brokerId: number; led: readonly number[] }> {
    if (victim === 'keeper') return { brokerId: 0, led: Array.from({ length: PARTITIONS }, (_, index) => index) };
    const brokerId = this.#isRolling(round) ? nextOf(round) : await this.#brokerOf(victim, round);
    return { brokerId, led: await this.#load.ledBy(brokerId) };
  }

  #measure(led: readonly number[], boundMs: number | undefined): void {
    this.#measured = this.#load.gapsOf(led).map((gap) => ({ ...gap, boundMs }));
  }

  async #brokerOf(victim: Victim, round: number): Promise<number> {
    if (victim === 'controller') return (await this.#load.controller()) ?? BROKER_IDS[0]!;
    if (victim === 'coordinator') return this.#load.coordinator();
    return this.#load.leaderOf(round % PARTITIONS);
  }

  async abort(): Promise<void> {
    await this.#load.abort();
  }
}

/**
 * Whether a partition may be without a leader for seconds, so that a slow machine could make it longer than a client's default settings wait: a
 * broker's session has to end first, or all brokers end. In a rolling restart, and where sockets tell of deaths, none may be.
 */
function takesPatience({
  engine,
  rounds,
  rollingRounds = 0,
  keeperEvery = 0,
  pauseEvery = 0,
}: ClusterKillsOptions): boolean {
  return rollingRounds < rounds && (engine === 'zookeeper' || keeperEvery > 0 || pauseEvery > 0);
}

function isTurn(round: number, every = 0): boolean {
  return every > 0 && round % every === 0;
}

/** The broker whose turn it is in a rolling restart. */
function nextOf(round: number): number {
  return BROKER_IDS[(round - 1) % BROKER_IDS.length]!;
}
