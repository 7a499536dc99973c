/** Kills brokers of a cluster again and again under the load of several clients, and holds what is there against what was acknowledged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { type Random, seededRandom } from '@millrace/ports';
import { within } from '../clients/client.ts';
import { has } from '../needs/index.ts';
import { BROKER_IDS, type ClusterProcesses, type Engine, startCluster } from './cluster-process.ts';
import { Ledger, PartitionCheck } from './ledger.ts';
import { CommittingReader, checkCommits, fetchAll, GroupMember, type LoadTarget } from './load.ts';
import { KafkaJsPaced, KcatPaced, type PacedProducer, SdkPaced } from './paced-producers.ts';

/** Whom a round hits, in turns: the leader of a partition, the controller, the coordinator of a group. */
export const VICTIMS = ['leader', 'controller', 'coordinator'] as const;
export type Victim = (typeof VICTIMS)[number];

/** How he ends: at once, or in order with his leaderships handed over. */
export type Ending = 'killed' | 'stopped';

export interface ClusterKillsOptions {
  readonly engine: Engine;
  /** Where the brokers' data goes. */
  readonly folder: string;
  readonly rounds: number;
  /** Every so many rounds a broker is stopped in order instead of killed. 0, the default, for never. */
  readonly stopEvery?: number;
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

export interface ClusterKillsReport {
  readonly engine: Engine;
  readonly rounds: number;
  readonly gaps: readonly Gap[];
  readonly recordsAcknowledged: number;
  readonly recordsRead: number;
  readonly commitsAcknowledged: number;
  /** Rejected sends by client. Ours count as violations. */
  readonly failedSends: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
  readonly violationCount: number;
}

const TOPIC = 'kept';
const PARTITIONS = 6;
const GROUP = 'member';
const READER = 'reader';
const SETTLE_MS_MAX = 120_000;
/** A round begins so long after the cluster is whole, at most. */
const PAUSE_MS_MAX = 500;
const ASK_MS = 100;

export async function killBrokers(options: ClusterKillsOptions): Promise<ClusterKillsReport> {
  const cluster = await startCluster(options.engine, options.folder);
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
  readonly #ledger = new Ledger();
  readonly #target: LoadTarget;
  readonly #admin: Admin;
  readonly #gaps: Gap[] = [];
  #producers: PacedProducer[] = [];
  #reader: CommittingReader | undefined;
  #member: GroupMember | undefined;

  constructor(options: ClusterKillsOptions, cluster: ClusterProcesses) {
    this.#options = options;
    this.#cluster = cluster;
    this.#random = seededRandom(options.seed);
    const { bootstrapServers } = cluster;
    this.#target = { bootstrapServers, topic: TOPIC, partitions: PARTITIONS, ledger: this.#ledger };
    this.#admin = new Admin({ bootstrapServers, apiTimeoutMs: SETTLE_MS_MAX });
  }

  async run(): Promise<ClusterKillsReport> {
    await this.#startLoad();
    for (let round = 1; round <= this.#options.rounds; round += 1) await this.#round(round);
    const recordsRead = await this.#finish();
    const { recordsAcknowledged, commitsAcknowledged, violations, violationCount } = this.#ledger;
    return {
      engine: this.#options.engine,
      rounds: this.#options.rounds,
      gaps: this.#gaps,
      recordsAcknowledged,
      recordsRead,
      commitsAcknowledged,
      failedSends: Object.fromEntries(this.#producers.map(({ name, failedSends }) => [name, failedSends])),
      violations,
      violationCount,
    };
  }

  async #startLoad(): Promise<void> {
    await this.#admin.createTopics([{ topic: TOPIC, partitions: PARTITIONS, replicationFactor: BROKER_IDS.length }]);
    await this.#whole();
    this.#producers = [new SdkPaced(this.#target), await KafkaJsPaced.start(this.#target)];
    if (has('kcat', import.meta.url)) this.#producers.push(new KcatPaced(this.#target));
    this.#reader = new CommittingReader(this.#target, READER);
    this.#member = new GroupMember(this.#target, GROUP);
    await this.#member.start();
    await this.#whole();
  }

  async #round(round: number): Promise<void> {
    await sleep(this.#random.nextInt(PAUSE_MS_MAX));
    const victim = VICTIMS[round % VICTIMS.length]!;
    const brokerId = await this.#brokerOf(victim, round);
    const led = await this.#ledBy(brokerId);
    const committed = this.#committed();
    const { stopEvery = 0 } = this.#options;
    const ending = stopEvery > 0 && round % stopEvery === 0 ? 'stopped' : 'killed';
    for (const { gaps } of this.#producers) gaps?.begin();
    const moment = performance.now();
    if (ending === 'killed') await this.#cluster.kill(brokerId);
    else await this.#cluster.stopOne(brokerId);
    await this.#acknowledgedSince(moment, led);
    const measured = this.#measure(victim, ending, led);
    await this.#cluster.restart(brokerId);
    await this.#whole();
    await checkCommits(this.#admin, TOPIC, this.#ledger, committed);
    const said = measured.map(({ client, ms }) => `${client} ${Math.round(ms)} ms`).join(', ');
    this.#options.onRound?.(
      `round ${round}: ${victim} ${brokerId} ${ending}, it led ${led.length} partitions; longest gaps: ${said}; ` +
        `${this.#ledger.recordsAcknowledged} records acknowledged, ${this.#ledger.violationCount} violations`,
      round,
    );
  }

  #measure(victim: Victim, ending: Ending, led: readonly number[]): Gap[] {
    const measured = this.#producers.flatMap(({ name: client, gaps }): Gap[] =>
      gaps === undefined ? [] : [{ client, victim, ending, ms: gaps.longestOf(led) }],
    );
    // A broker that led none of the topic's partitions has no gap to show.
    if (led.length > 0) this.#gaps.push(...measured);
    return measured;
  }

  async #brokerOf(victim: Victim, round: number): Promise<number> {
    if (victim === 'controller') return (await this.#admin.describeCluster()).controllerId ?? BROKER_IDS[0]!;
    if (victim === 'coordinator') return (await this.#admin.describeGroups([GROUP]))[0]!.coordinator.nodeId;
    const [topic] = await this.#admin.describeTopics([TOPIC]);
    return topic!.partitions[round % PARTITIONS]!.leaderId;
  }

  async #ledBy(brokerId: number): Promise<number[]> {
    const [topic] = await this.#admin.describeTopics([TOPIC]);
    return topic!.partitions.filter(({ leaderId }) => leaderId === brokerId).map(({ partition }) => partition);
  }

  /** Until every client that tells has had an acknowledgement of each of these partitions. */
  async #acknowledgedSince(moment: number, partitions: readonly number[]): Promise<void> {
    const isDone = (): boolean =>
      this.#producers.every(({ gaps, failedSends }) => {
        return gaps === undefined || failedSends > 0 || gaps.haveAcknowledgedSince(moment, partitions);
      });
    const deadline = performance.now() + SETTLE_MS_MAX;
    while (!isDone()) {
      if (performance.now() > deadline) throw new Error(`no acknowledgement for ${SETTLE_MS_MAX} ms`);
      await sleep(1);
    }
    // An acknowledgement that was on its way when the broker ended says nothing yet.
    await sleep(ASK_MS);
    while (!isDone()) await sleep(1);
  }

  /** Until every partition is in sync everywhere, and is led by its first replica again. */
  async #whole(): Promise<void> {
    const deadline = performance.now() + SETTLE_MS_MAX;
    const isWhole = async (): Promise<boolean> => {
      const topics = await this.#admin.describeTopics([TOPIC]);
      return topics[0]!.partitions.every(({ inSyncReplicas }) => inSyncReplicas.length === BROKER_IDS.length);
    };
    while (!(await isWhole().catch(() => false))) {
      if (performance.now() > deadline) throw new Error(`the topic was not in sync after ${SETTLE_MS_MAX} ms`);
      await sleep(ASK_MS);
    }
    await this.#admin.electLeaders('all').catch(() => undefined);
  }

  #committed(): (readonly [group: string, partition: number, offset: number | undefined])[] {
    return [READER, GROUP].flatMap((group) =>
      Array.from(
        { length: PARTITIONS },
        (_, partition) => [group, partition, this.#ledger.committedOffset(group, partition)] as const,
      ),
    );
  }

  /** Lets the load come to its end, and reads everything. */
  async #finish(): Promise<number> {
    const due = new Map<number, readonly number[]>();
    for (const producer of this.#producers) {
      due.set(producer.id, await within(SETTLE_MS_MAX, `the last sends of ${producer.name}`, producer.finish()));
    }
    await this.#reader?.stop();
    await this.#member?.stop();
    await using client = new KafkaClient({ bootstrapServers: this.#target.bootstrapServers });
    let recordsRead = 0;
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const check = new PartitionCheck(this.#ledger, partition);
      for await (const { offset, value } of fetchAll(client, TOPIC, partition)) {
        check.record(offset, value);
        recordsRead += 1;
      }
      for (const [producer, counts] of due) check.endOf(producer, counts[partition] ?? 0);
    }
    return recordsRead;
  }

  async abort(): Promise<void> {
    await Promise.allSettled([
      ...this.#producers.map((producer) => producer.abort()),
      this.#reader?.close(),
      this.#member?.stop(),
      this.#admin.close(),
    ]);
  }
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
