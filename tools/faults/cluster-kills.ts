/** Kills brokers of a cluster again and again under the load of several clients, and holds what is there against what was acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '@millrace/ports';
import { ClusterLoad, type LoadReport, PARTITIONS } from './cluster-load.ts';
import {
  BROKER_IDS,
  type ClusterOptions,
  type ClusterProcesses,
  type Engine,
  startCluster,
} from './cluster-process.ts';

/** Whom a round hits, in turns: the leader of a partition, the controller, the coordinator of a group. */
export const VICTIMS = ['leader', 'controller', 'coordinator'] as const;
export type Victim = (typeof VICTIMS)[number];

/** How he ends: at once, or in order with his leaderships handed over, or at once and for good: he comes back with an empty disk. */
export type Ending = 'killed' | 'stopped' | 'emptied';

export interface ClusterKillsOptions extends ClusterOptions {
  readonly rounds: number;
  /** Every so many rounds a broker is stopped in order instead of killed. 0, the default, for never. */
  readonly stopEvery?: number;
  /** The same for brokers that come back with an empty disk. On an ensemble only: the parent of a local cluster is too quick. */
  readonly emptyEvery?: number;
  /** The brokers are stopped in order one after the other, whoever they are. */
  readonly isRolling?: boolean;
  readonly seed: number;
  readonly onRound?: (line: string, round: number) => void;
}

/** The longest time without an acknowledgement of a partition that the victim led, of one client, in one round. */
export interface Gap {
  readonly client: string;
  readonly victim: Victim;
  readonly ending: Ending;
  readonly ms: number;
}

export interface ClusterKillsReport extends LoadReport {
  readonly engine: Engine;
  readonly rounds: number;
  readonly gaps: readonly Gap[];
}

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
  readonly #gaps: Gap[] = [];

  constructor(options: ClusterKillsOptions, cluster: ClusterProcesses) {
    this.#options = options;
    this.#cluster = cluster;
    this.#random = seededRandom(options.seed);
    this.#load = new ClusterLoad(cluster.bootstrapServers, BROKER_IDS.length);
  }

  async run(): Promise<ClusterKillsReport> {
    await this.#load.start();
    for (let round = 1; round <= this.#options.rounds; round += 1) await this.#round(round);
    const { engine, rounds } = this.#options;
    return { engine, rounds, gaps: this.#gaps, ...(await this.#load.finish()) };
  }

  async #round(round: number): Promise<void> {
    await sleep(this.#random.nextInt(PAUSE_MS_MAX));
    const victim = VICTIMS[round % VICTIMS.length]!;
    const ending = this.#ending(round);
    const brokerId = this.#options.isRolling === true ? nextOf(round) : await this.#brokerOf(victim, round);
    const led = await this.#load.ledBy(brokerId);
    const committed = this.#load.commits();
    for (const { gaps } of this.#load.producers) gaps?.begin();
    const moment = performance.now();
    if (ending === 'stopped') await this.#cluster.stopOne(brokerId);
    else await this.#cluster.kill(brokerId);
    await this.#load.acknowledgedSince(moment, led);
    const measured = this.#measure(victim, ending, led);
    if (ending === 'emptied') {
      // Who comes back before he is missed counts as one who has everything, so no disk is to be emptied in haste.
      await this.#load.without(brokerId);
      await this.#cluster.emptyDisk(brokerId);
    }
    await this.#cluster.restart(brokerId);
    await this.#load.whole();
    await this.#load.checkCommits(committed);
    const said = measured.map(({ client, ms }) => `${client} ${Math.round(ms)} ms`).join(', ');
    const { recordsAcknowledged, violationCount } = this.#load.ledger;
    this.#options.onRound?.(
      `round ${round}: ${victim} ${brokerId} ${ending}, it led ${led.length} partitions; longest gaps: ${said}; ` +
        `${recordsAcknowledged} records acknowledged, ${violationCount} violations`,
      round,
    );
  }

  #ending(round: number): Ending {
    const { stopEvery = 0, emptyEvery = 0, isRolling = false } = this.#options;
    if (isRolling || (stopEvery > 0 && round % stopEvery === 0)) return 'stopped';
    return emptyEvery > 0 && round % emptyEvery === 0 ? 'emptied' : 'killed';
  }

  #measure(victim: Victim, ending: Ending, led: readonly number[]): Gap[] {
    const measured = this.#load.producers.flatMap(({ name: client, gaps }): Gap[] =>
      gaps === undefined ? [] : [{ client, victim, ending, ms: gaps.longestOf(led) }],
    );
    // A broker that led none of the topic's partitions has no gap to show.
    if (led.length > 0) this.#gaps.push(...measured);
    return measured;
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

/** The broker whose turn it is in a rolling restart. */
function nextOf(round: number): number {
  return BROKER_IDS[(round - 1) % BROKER_IDS.length]!;
}

/** The row of a table for each client, kind of victim and ending: p50, p99, worst. */
export function gapTable(gaps: readonly Gap[]): string {
  const rows = new Map<string, number[]>();
  for (const { client, victim, ending, ms } of gaps) {
    for (const whom of [victim, 'all']) {
      const name = `${client.padEnd(10)} ${whom.padEnd(12)} ${ending.padEnd(8)}`;
      rows.set(name, [...(rows.get(name) ?? []), ms]);
    }
  }
  const lines = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, values]) => rowOf(name, values));
  const heading = `${'client'.padEnd(10)} ${'victim'.padEnd(12)} ${'ending'.padEnd(8)} ${cells(['rounds', 'p50', 'p99', 'worst'])}`;
  return [heading, ...lines].join('\n');
}

function rowOf(name: string, values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): string => `${Math.round(sorted[Math.ceil(share * sorted.length) - 1]!)} ms`;
  return `${name} ${cells([String(sorted.length), at(0.5), at(0.99), at(1)])}`;
}

function cells(values: readonly string[]): string {
  return values.map((value) => value.padStart(9)).join(' ');
}
