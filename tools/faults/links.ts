/**
 * Links between brokers, and from brokers to their ensemble, are cut, both ways or one, are slow or lose what is sent, one after the other
 * and under load; what is there in the end is held against what was acknowledged.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '@millrace/ports';
import { type ClientName, ClusterLoad, type LoadReport } from './cluster-load.ts';
import { BROKER_IDS, SETTINGS } from './cluster-process.ts';
import { EnsembleCluster, SERVERS, SESSION_MS, TICK_MS } from './ensemble-cluster.ts';
import type { TableGap } from './gap-table.ts';
import { type Place, ProxiedNetwork, type Weather } from './link-proxy.ts';

/** After so long without what a leader has, a follower is out of the in-sync set; Kafka looks at half of it, so 1.5 times at most. */
const LAG_MS = 2000;
const OUT_OF_SYNC_MS = LAG_MS * 1.5;
/** How long what is cut stays cut: until everybody has drawn his conclusions. */
export const CUT_MS = Math.max(SESSION_MS + TICK_MS, OUT_OF_SYNC_MS) + 1500;

const CUT: Weather = { isCut: true };
const SLOW: Weather = { delayMs: 60, bytesPerSecond: 500_000 };
const LOSSY: Weather = { lostShare: 0.05, brokenShare: 0.004 };

/** What happens to whose links. */
export const LINK_FAULTS = [
  'ensemble',
  'controller',
  'everybody',
  'follower',
  'to-follower',
  'from-follower',
  'followers',
  'slow',
  'lossy',
] as const;
export type LinkFault = (typeof LINK_FAULTS)[number];

/** What a partition's longest gap should stay below; for a leader without followers, beyond the time without them. */
const BOUNDS_MS: Readonly<Record<LinkFault, number>> = {
  ensemble: SESSION_MS + TICK_MS + 1000,
  controller: SESSION_MS + TICK_MS + 1000,
  everybody: 1000,
  follower: OUT_OF_SYNC_MS + 1000,
  'to-follower': OUT_OF_SYNC_MS + 1000,
  'from-follower': OUT_OF_SYNC_MS + 1000,
  followers: CUT_MS + 1000,
  slow: OUT_OF_SYNC_MS + 1000,
  lossy: OUT_OF_SYNC_MS + 1000,
};

export interface LinksOptions {
  /** Where the brokers' data goes. */
  readonly folder: string;
  readonly rounds: number;
  readonly seed: number;
  /** Which faults, in turns. Default: all. */
  readonly faults?: readonly LinkFault[];
  /** See {@link ClusterLoadOptions}. */
  readonly clients?: readonly ClientName[] | undefined;
  readonly onRound?: (line: string) => void;
}

export interface LinksReport extends LoadReport {
  readonly rounds: number;
  readonly gaps: readonly TableGap[];
}

export async function breakLinks(options: LinksOptions): Promise<LinksReport> {
  const random = seededRandom(options.seed);
  const network = new ProxiedNetwork(random);
  const makes = new Map(BROKER_IDS.map((id) => [id, 'millrace'] as const));
  const settings = { ...SETTINGS, 'replica.lag.time.max.ms': LAG_MS };
  try {
    const cluster = await EnsembleCluster.start({ folder: options.folder, makes, settings, network });
    const load = new ClusterLoad(cluster.bootstrapServers, BROKER_IDS.length, {
      isCleaning: true,
      isPatient: true,
      clients: options.clients,
    });
    try {
      return await new Links(options, network, load, random).run();
    } finally {
      network.mend();
      await load.abort();
      await cluster.stop();
    }
  } finally {
    await network.close();
  }
}

class Links {
  readonly #options: LinksOptions;
  readonly #network: ProxiedNetwork;
  readonly #load: ClusterLoad;
  readonly #random: Random;
  readonly #gaps: TableGap[] = [];

  constructor(options: LinksOptions, network: ProxiedNetwork, load: ClusterLoad, random: Random) {
    this.#options = options;
    this.#network = network;
    this.#load = load;
    this.#random = random;
  }

  async run(): Promise<LinksReport> {
    const { rounds, faults = LINK_FAULTS } = this.#options;
    await this.#load.start();
    for (let round = 0; round < rounds; round += 1) await this.#round(round, faults[round % faults.length]!);
    return { rounds, gaps: this.#gaps, ...(await this.#load.finish()) };
  }

  async #round(round: number, fault: LinkFault): Promise<void> {
    const controller = (await this.#load.controller()) ?? BROKER_IDS[0]!;
    const victim = fault === 'controller' ? controller : this.#leader(fault, controller);
    const led = await this.#load.ledBy(victim);
    const committed = this.#load.commits();
    for (const { gaps } of this.#load.producers) gaps?.begin();
    const moment = performance.now();
    this.#break(fault, victim, controller);
    await sleep(CUT_MS);
    // With nobody else in sync a leader may acknowledge nothing, as min.insync.replicas asks.
    if (fault !== 'followers') await this.#load.acknowledgedFromNowOn(led);
    const brokenMs = performance.now() - moment;
    this.#network.mend();
    await this.#load.acknowledgedFromNowOn(led);
    const measured = this.#load.gapsOf(led).map((gap): TableGap => {
      return { ...gap, victim: fault, ending: 'links', boundMs: BOUNDS_MS[fault] };
    });
    if (led.length > 0) this.#gaps.push(...measured);
    await this.#load.whole();
    await this.#load.checkCommits(committed);
    const said = measured.map(({ client, ms }) => `${client} ${Math.round(ms)} ms`).join(', ');
    const { recordsAcknowledged, violationCount } = this.#load.ledger;
    this.#options.onRound?.(
      `round ${round + 1}: ${fault}, broker ${victim} of controller ${controller}, leading ${led.length} partitions, for ` +
        `${Math.round(brokenMs)} ms; longest gaps: ${said}; ${recordsAcknowledged} records acknowledged, ${violationCount} violations`,
    );
  }

  /** Nobody can learn anything then, and all sessions end: all go on as they are, and register anew when they can. */
  #cutEverybody(servers: readonly Place[]): void {
    for (const id of BROKER_IDS) for (const server of servers) this.#network.setBoth(`broker ${id}`, server, CUT);
  }

  /** A leader, and one who can still ask the controller where his followers are the matter. */
  #leader(fault: LinkFault, controller: number): number {
    const candidates = fault === 'ensemble' ? BROKER_IDS.filter((id) => id !== controller) : BROKER_IDS;
    return candidates[this.#random.nextInt(candidates.length)]!;
  }

  #break(fault: LinkFault, victim: number, controller: number): void {
    const others = BROKER_IDS.filter((id) => id !== victim);
    const follower = others.find((id) => id !== controller)!;
    const servers = Array.from({ length: SERVERS }, (_, index): Place => `server ${index + 1}`);
    const peers = others.map((id): Place => `broker ${id}`);
    const self: Place = `broker ${victim}`;
    const all = (places: readonly Place[], weather: Weather): void => {
      for (const place of places) this.#network.setBoth(self, place, weather);
    };
    if (fault === 'ensemble' || fault === 'controller') all(servers, CUT);
    else if (fault === 'everybody') this.#cutEverybody(servers);
    else if (fault === 'follower') all([`broker ${follower}`], CUT);
    else if (fault === 'to-follower') this.#network.set(self, `broker ${follower}`, CUT);
    else if (fault === 'from-follower') this.#network.set(`broker ${follower}`, self, CUT);
    else if (fault === 'followers') all(peers, CUT);
    else all([...peers, ...servers], fault === 'slow' ? SLOW : LOSSY);
  }
}
