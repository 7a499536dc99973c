/**
 * What happens to a cluster on an ensemble beside brokers that die and links that break: the ensemble without a quorum, or with slow disks; a
 * broker's disk full, or one of its folders lost; clocks that jump; brokers that come and go for good. Each under load, with what is there in
 * the end held against what was acknowledged.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '@millrace/ports';
import { type ClientName, ClusterLoad, type LoadReport, PARTITIONS } from './cluster-load.ts';
import { BROKER_IDS, SETTINGS } from './cluster-process.ts';
import { EnsembleCluster, SERVERS, SESSION_MS, TICK_MS } from './ensemble-cluster.ts';
import { FakeClocks } from './fake-clocks.ts';
import type { TableGap } from './gap-table.ts';
import { LATER_IDS, resize } from './resize.ts';
import { SlowSyncs } from './slow-syncs.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

export const EVENTS = ['quorum', 'slow-ensemble', 'full-disk', 'lost-folder', 'clock', 'resize'] as const;
export type EventName = (typeof EVENTS)[number];

/** What a partition's longest gap should stay below, whatever the event's own length. */
const BOUNDS_MS: Readonly<Record<EventName, number>> = {
  quorum: 1000,
  'slow-ensemble': SESSION_MS + TICK_MS + 1000 + 2000,
  'full-disk': 3000,
  'lost-folder': SESSION_MS + TICK_MS + 1000,
  clock: 1000,
  resize: 1000,
};

/** The broker whose disk is small, and has two folders. */
const SMALL_ID = 3;
const SMALL_BYTES = 256 * 1024 * 1024;
const SYNC_MS = 300;
/** Further than messages' times may be off where anybody is strict about that, and less than anything is retained. */
const JUMP_SECONDS = 2 * 60 * 60;

export interface EventsOptions {
  /** Where the brokers' data goes. */
  readonly folder: string;
  readonly rounds: number;
  readonly seed: number;
  /** Which events, in turns. Default: all. */
  readonly events?: readonly EventName[];
  /** How long what lasts a while lasts. */
  readonly outageMs: number;
  /** See {@link ClusterLoadOptions}. */
  readonly clients?: readonly ClientName[] | undefined;
  readonly onRound?: (line: string) => void;
}

export interface EventsReport extends LoadReport {
  readonly rounds: number;
  readonly gaps: readonly TableGap[];
}

/** What of the world the events change. */
interface Stage {
  readonly cluster: EnsembleCluster;
  readonly load: ClusterLoad;
  readonly disk: SmallDisk | undefined;
  readonly clocks: FakeClocks | undefined;
  readonly syncs: SlowSyncs | undefined;
}

export async function happen(options: EventsOptions): Promise<EventsReport> {
  const { folder, events = EVENTS } = options;
  const disk = events.includes('full-disk') ? mountSmallDisk(SMALL_BYTES) : undefined;
  const clocks = events.includes('clock') ? new FakeClocks(folder) : undefined;
  const syncs = events.includes('slow-ensemble') ? new SlowSyncs(folder) : undefined;
  try {
    const cluster = await EnsembleCluster.start({
      folder,
      makes: new Map(BROKER_IDS.map((id) => [id, 'millrace' as const])),
      laterIds: LATER_IDS,
      settings: SETTINGS,
      envOf: (id) => clocks?.envOf(id) ?? {},
      ensembleEnv: syncs?.env ?? {},
      logDirsOf: (id, own) => (id === SMALL_ID ? [disk?.folder ?? `${own}`, `${own}-second`] : [own]),
    });
    const load = new ClusterLoad(cluster.bootstrapServers, BROKER_IDS.length, {
      isCleaning: true,
      isPatient: true,
      clients: options.clients,
    });
    try {
      return await new Events(options, { cluster, load, disk, clocks, syncs }).run();
    } finally {
      await load.abort();
      await cluster.stop();
    }
  } finally {
    disk?.remove();
  }
}

class Events {
  readonly #options: EventsOptions;
  readonly #stage: Stage;
  readonly #random: Random;
  readonly #gaps: TableGap[] = [];

  constructor(options: EventsOptions, stage: Stage) {
    this.#options = options;
    this.#stage = stage;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<EventsReport> {
    const { rounds, events = EVENTS } = this.#options;
    const { load } = this.#stage;
    await load.start();
    for (let round = 0; round < rounds; round += 1) await this.#round(round, events[round % events.length]!);
    return { rounds, gaps: this.#gaps, ...(await load.finish()) };
  }

  async #round(round: number, event: EventName): Promise<void> {
    const { load } = this.#stage;
    const all = Array.from({ length: PARTITIONS }, (_, index) => index);
    const committed = load.commits();
    for (const { gaps } of load.producers) gaps?.begin();
    const begun = performance.now();
    await this.#happen(event);
    await load.acknowledgedFromNowOn(all);
    const measured = load.gapsOf(all);
    const tookMs = performance.now() - begun;
    for (const gap of measured) this.#gaps.push({ ...gap, victim: event, ending: 'event', boundMs: BOUNDS_MS[event] });
    await load.whole();
    await load.checkCommits(committed);
    const said = measured.map(({ client, ms }) => `${client} ${Math.round(ms)} ms`).join(', ');
    const { recordsAcknowledged, violationCount } = load.ledger;
    this.#options.onRound?.(
      `round ${round + 1}: ${event}, ${Math.round(tookMs)} ms; longest gaps: ${said}; ` +
        `${recordsAcknowledged} records acknowledged, ${violationCount} violations`,
    );
  }

  #happen(event: EventName): Promise<void> {
    switch (event) {
      case 'quorum':
        return this.#loseQuorum();
      case 'slow-ensemble':
        return this.#slowEnsemble();
      case 'full-disk':
        return this.#fillDisk();
      case 'lost-folder':
        return this.#loseFolder();
      case 'clock':
        return this.#jump();
      case 'resize':
        return resize(this.#stage.cluster, this.#stage.load, this.#say);
    }
  }

  readonly #say = (line: string): void => this.#options.onRound?.(line);

  /** Two of three servers die and come back. Brokers go on with what they have: nobody can tell them anything else. */
  async #loseQuorum(): Promise<void> {
    const { ensemble } = this.#stage.cluster;
    const kept = 1 + this.#random.nextInt(SERVERS);
    const lost = Array.from({ length: SERVERS }, (_, index) => index + 1).filter((server) => server !== kept);
    await Promise.all(lost.map((server) => ensemble.signal(server, 'SIGKILL')));
    await sleep(this.#options.outageMs);
    await Promise.all(lost.map((server) => ensemble.startServer(server)));
  }

  /** Every write of the ensemble takes long, and then a broker dies, so that there is something to write. */
  async #slowEnsemble(): Promise<void> {
    const { cluster, load, syncs } = this.#stage;
    syncs?.slowDown(SYNC_MS);
    try {
      await sleep(this.#options.outageMs / 2);
      const victim = BROKER_IDS[this.#random.nextInt(BROKER_IDS.length)]!;
      const led = await load.ledBy(victim);
      await cluster.kill(victim);
      await load.acknowledgedFromNowOn(led);
      await cluster.restart(victim);
      await sleep(this.#options.outageMs / 2);
    } finally {
      syncs?.slowDown(0);
    }
  }

  async #fillDisk(): Promise<void> {
    const { disk } = this.#stage;
    disk?.fill();
    try {
      await sleep(this.#options.outageMs);
    } finally {
      disk?.free();
    }
  }

  /** A folder goes while its broker runs; the broker is started again with an empty one in its place. */
  async #loseFolder(): Promise<void> {
    const { cluster, load } = this.#stage;
    const folder = cluster.logDirsOf(SMALL_ID).at(-1)!;
    renameSync(folder, `${folder}-lost`);
    await sleep(this.#options.outageMs);
    await load.acknowledgedFromNowOn(Array.from({ length: PARTITIONS }, (_, index) => index));
    await cluster.kill(SMALL_ID);
    await load.without(SMALL_ID);
    rmSync(`${folder}-lost`, { recursive: true, force: true });
    mkdirSync(folder);
    await cluster.restart(SMALL_ID);
  }

  /** The calendar of one broker after the other jumps, forward or back, and is set right again. */
  async #jump(): Promise<void> {
    const { clocks } = this.#stage;
    for (const id of BROKER_IDS) {
      clocks?.set(id, this.#random.nextInt(2) === 0 ? JUMP_SECONDS : -JUMP_SECONDS);
      await sleep(this.#options.outageMs / BROKER_IDS.length);
      clocks?.set(id, 0);
    }
  }
}
