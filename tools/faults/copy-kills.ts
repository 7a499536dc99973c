/**
 * Copy jobs whose brokers, coordinators and instances are killed, and instances that stand still until others have taken over: each copies a
 * topic in transactions, and in the end its copy must be the topic, record for record, whoever reads it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { type Random, seededRandom } from '@millrace/ports';
import { Producer } from '@millrace/producer';
import { has } from '../needs/index.ts';
import { root } from '../source/index.ts';
import {
  BROKER_IDS,
  type ClusterOptions,
  type ClusterProcesses,
  type Engine,
  SingleBroker,
  startCluster,
} from './cluster-process.ts';
import { listTopic, OWN_COPIERS, type OwnCopier } from './copier.ts';
import { type CommittedReader, END, readByJava, readByKafkaJs, readByKcat } from './copiers/committed-readers.ts';
import {
  type Command,
  FOREIGN_COPIERS,
  type ForeignCopier,
  foreignCommand,
  HUNG_CODES,
} from './copiers/foreign-copiers.ts';

const SOURCE = 'copied-from';
const PARTITIONS = 6;
const PACE_MS = 50;
/** How many records the slowest copy may be behind; the rest it makes up for within {@link SETTLE_MS_MAX}, however busy the machine is. */
const AHEAD_MAX = 3000;
const PAUSE_MS_MAX = 500;
const SETTLE_MS_MAX = 120_000;
const ASK_MS = 100;
const VIOLATIONS_KEPT = 20;

export type CopierName = OwnCopier | ForeignCopier;
/** All that can copy. */
export const COPIERS: readonly CopierName[] = [...OWN_COPIERS, ...FOREIGN_COPIERS];

/** Of each job, as processes. */
const INSTANCES = 3;

/** In every so many rounds an instance of each job stands still ... */
const FREEZING_ROUNDS = 2;
/** ... for longer than its group waits for it (6 s), and shorter or longer than its transaction may take (10 s). */
const FROZEN_MS = 7500;
const FROZEN_MORE_MS_MAX = 4000;

/** Where copies are made: on a cluster of three brokers, or on one broker. */
export const COPY_ENGINES = ['local', 'zookeeper', 'single'] as const satisfies readonly (Engine | 'single')[];

/** Whom a round hits, in turns. */
const VICTIMS = ['leader', 'transaction coordinator', 'group coordinator', 'controller'] as const;

export interface CopyKillsOptions extends Omit<ClusterOptions, 'engine'> {
  readonly engine: (typeof COPY_ENGINES)[number];
  readonly rounds: number;
  readonly seed: number;
  /** Who copies; ours and kafkajs by default. */
  readonly copiers?: readonly CopierName[];
  /** Every copy is read by kafkajs and Java's consumer, too, all the while. */
  readonly isReadByAll?: boolean;
  /** No round begins after so long. */
  readonly timeMsMax?: number | undefined;
  readonly onRound?: (line: string) => void;
}

export interface CopyKillsReport {
  readonly rounds: number;
  readonly recordsCopied: number;
  readonly transactions: Readonly<Record<string, number>>;
  /** How often an instance had to be ended because its library did not come back from a call, by the call. */
  readonly hangs: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
  readonly violationCount: number;
}

export async function killCopiers(options: CopyKillsOptions): Promise<CopyKillsReport> {
  const { engine, ...rest } = options;
  const isSingle = engine === 'single';
  const cluster = await (isSingle ? SingleBroker.start(options.folder) : startCluster({ ...rest, engine }));
  const run = new CopyKills(options, cluster);
  try {
    return await run.run();
  } finally {
    await run.abort();
    await cluster.stop();
  }
}

interface InstanceOptions {
  readonly target: string;
  readonly bootstrap: string;
  readonly number: number;
  readonly folder: string;
  /** Its library did not come back from a call. */
  readonly hung: (where: string) => void;
}

/** An instance of a copy job that is started again whenever it ends, until it is told not to. */
class Instance {
  readonly #command: Command;
  readonly #hung: (where: string) => void;
  /** What it says goes there, for whoever looks into a run that failed. */
  readonly #says: number;
  #child: ChildProcess;
  #isOver = false;

  constructor(command: Command, options: InstanceOptions) {
    const { target, bootstrap, number, folder } = options;
    this.#says = openSync(join(folder, `${target}-${number}.log`), 'a');
    this.#command = [...command, bootstrap, SOURCE, target, String(number)];
    this.#hung = options.hung;
    this.#child = this.#start();
  }

  #start(): ChildProcess {
    const [program, ...args] = this.#command;
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', this.#says] });
    child.once('exit', (code) => {
      const hung = HUNG_CODES.get(code ?? 0);
      if (hung !== undefined) this.#hung(hung);
      if (!this.#isOver) this.#child = this.#start();
    });
    return child;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Stands still, as on a machine that is suspended, and knows nothing of it when it goes on. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    // Once: a number of a file that is closed is given to the next one that is opened.
    if (this.#isOver) return;
    this.#isOver = true;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.kill('SIGKILL')) await ended;
    closeSync(this.#says);
  }
}

/** What is needed of those who are copied on. */
type CopyCluster = Pick<ClusterProcesses, 'bootstrapServers' | 'kill' | 'restart' | 'stop'>;

class CopyKills {
  readonly #options: CopyKillsOptions;
  readonly #cluster: CopyCluster;
  readonly #brokerIds: readonly number[];
  readonly #random: Random;
  readonly #admin: Admin;
  readonly #copiers: readonly CopierName[];
  readonly #instances: Instance[] = [];
  readonly #readers = new Map<CopierName, readonly CommittedReader[]>();
  readonly #hangs = new Map<string, number>();
  readonly #violations: string[] = [];
  #violationCount = 0;
  #isWriting = true;
  #writing: Promise<void> | undefined;

  constructor(options: CopyKillsOptions, cluster: CopyCluster) {
    this.#options = options;
    this.#cluster = cluster;
    this.#brokerIds = options.engine === 'single' ? [SingleBroker.ID] : BROKER_IDS;
    this.#random = seededRandom(options.seed);
    this.#copiers = options.copiers ?? OWN_COPIERS;
    this.#admin = new Admin({ bootstrapServers: cluster.bootstrapServers, apiTimeoutMs: SETTLE_MS_MAX });
  }

  async run(): Promise<CopyKillsReport> {
    const topics = [SOURCE, ...this.#copiers.flatMap((name) => [targetOf(name), listTopic(targetOf(name))])];
    const replicationFactor = this.#brokerIds.length;
    await this.#admin.createTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS, replicationFactor })));
    await this.#whole();
    const commands = await Promise.all(this.#copiers.map(commandOf));
    this.#writing = this.#write();
    const { bootstrapServers } = this.#cluster;
    for (const [at, name] of this.#copiers.entries()) {
      this.#readers.set(name, this.#readersOf(name));
      for (let number = 0; number < INSTANCES; number += 1) {
        const { folder } = this.#options;
        const of = { target: targetOf(name), bootstrap: bootstrapServers, number, folder };
        this.#instances.push(new Instance(commands[at]!, { ...of, hung: (where) => this.#hung(where) }));
      }
    }
    await this.#untilCopied(1);
    const { rounds, timeMsMax = Number.POSITIVE_INFINITY } = this.#options;
    const deadline = performance.now() + timeMsMax;
    let round = 0;
    while (round < rounds && performance.now() < deadline) {
      round += 1;
      await this.#round(round);
    }
    this.#isWriting = false;
    await this.#writing;
    return this.#judge(round);
  }

  /** A value for each partition at each pace, each once and in order. */
  async #write(): Promise<void> {
    await using producer = new Producer({ bootstrapServers: this.#cluster.bootstrapServers });
    let copied = 0;
    for (let count = 0; this.#isWriting; count += 1) {
      while (this.#isWriting && count * PARTITIONS - copied > AHEAD_MAX) {
        copied = Math.min(...(await this.#committed().catch(() => [copied])));
        await sleep(PACE_MS);
      }
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        producer.enqueue({ topic: SOURCE, partition, value: `${partition}:${count}` });
      }
      await producer.ready();
      await sleep(PACE_MS);
    }
    await producer.flush();
  }

  async #round(round: number): Promise<void> {
    await sleep(this.#random.nextInt(PAUSE_MS_MAX));
    const victim = VICTIMS[round % VICTIMS.length]!;
    const brokerId = await this.#brokerOf(victim, round);
    const instance = this.#instances[this.#random.nextInt(this.#instances.length)];
    const before = await this.#committed();
    if (this.#random.nextInt(2) === 0) instance?.kill();
    await this.#cluster.kill(brokerId);
    instance?.kill();
    await this.#cluster.restart(brokerId);
    await this.#whole();
    const isFreezing = round % FREEZING_ROUNDS === 0;
    if (isFreezing) await this.#freezeOfEach();
    await this.#untilBeyond(before);
    const copied = sum(await this.#committed());
    const frozen = isFreezing ? '; an instance of each job stood still' : '';
    const what = `${victim} ${brokerId} and an instance killed${frozen}`;
    this.#options.onRound?.(`round ${round}: ${what}; ${copied} records copied`);
  }

  /** Others take over what these have in hand, who go on with it all the same when they are let. */
  async #freezeOfEach(): Promise<void> {
    const number = this.#random.nextInt(INSTANCES);
    const frozen = this.#copiers.map((_, at) => this.#instances[at * INSTANCES + number]!);
    for (const instance of frozen) instance.freeze();
    await sleep(FROZEN_MS + this.#random.nextInt(FROZEN_MORE_MS_MAX));
    for (const instance of frozen) instance.thaw();
  }

  async #brokerOf(victim: (typeof VICTIMS)[number], round: number): Promise<number> {
    const [name] = this.#copiers;
    const target = targetOf(name!);
    if (victim === 'controller') return (await this.#admin.describeCluster()).controllerId;
    if (victim === 'group coordinator') return (await this.#admin.describeGroups([target]))[0]!.coordinator.nodeId;
    if (victim === 'leader') {
      return (await this.#admin.describeTopics([target]))[0]!.partitions[round % PARTITIONS]!.leaderId;
    }
    const known = await this.#admin.listTransactions();
    return known[round % known.length]?.coordinatorId ?? this.#brokerIds[0]!;
  }

  /** How far each job has committed, over all partitions. */
  #committed(): Promise<number[]> {
    return Promise.all(
      this.#copiers.map(async (name) =>
        sum((await this.#admin.listGroupOffsets(targetOf(name))).map((each) => each.offset)),
      ),
    );
  }

  #untilCopied(count: number): Promise<void> {
    return this.#untilBeyond(this.#copiers.map(() => count - 1));
  }

  /** Until each job has committed more. */
  #untilBeyond(before: readonly number[]): Promise<void> {
    return until(`every job has gone on from ${before.join(', ')}`, async () => {
      const now = await this.#committed();
      return now.every((count, index) => count > before[index]!);
    });
  }

  #whole(): Promise<void> {
    return until('everything is in sync', async () => {
      const topics = await this.#admin.describeTopics([SOURCE, ...this.#copiers.map(targetOf)]);
      return topics.every(({ partitions }) =>
        partitions.every(({ inSyncReplicas }) => inSyncReplicas.length === this.#brokerIds.length),
      );
    });
  }

  async #judge(rounds: number): Promise<CopyKillsReport> {
    const source = await this.#readAll(SOURCE, 'read_uncommitted');
    const transactions: Record<string, number> = {};
    for (const name of this.#copiers) {
      const target = targetOf(name);
      const isCopied = async (): Promise<boolean> => {
        const offsets = await this.#admin.listGroupOffsets(target);
        return source.every((values, partition) =>
          offsets.some((each) => each.partition === partition && each.offset >= values.length),
        );
      };
      // What is not there is a violation, and what is there is looked at all the same.
      await this.#soon(`${name} has copied all`, isCopied);
    }
    await this.#nothingOpen();
    await Promise.all(this.#instances.map((instance) => instance.stop()));
    for (const name of this.#copiers) {
      const target = targetOf(name);
      this.#sameAs(source, await this.#readAll(target, 'read_committed'), `${name}'s copy, read by our consumer`);
      await this.#readByOthers(source, name);
      const lists = (await this.#readAll(listTopic(target), 'read_committed')).flat();
      transactions[name] = lists.length;
      this.#listedOnce(source, lists, name);
    }
    return {
      rounds,
      recordsCopied: sum(source.map((values) => values.length)),
      transactions,
      hangs: Object.fromEntries(this.#hangs),
      violations: this.#violations,
      violationCount: this.#violationCount,
    };
  }

  /** Every transaction ends, whoever began it and died: readers of what is committed get to the end. */
  async #nothingOpen(): Promise<void> {
    const topics = this.#copiers.flatMap((name) => [targetOf(name), listTopic(targetOf(name))]);
    const places = topics.flatMap((topic) => range(PARTITIONS).map((partition) => ({ topic, partition })));
    const ends = (isolationLevel: 'read_committed' | 'read_uncommitted') =>
      this.#admin.listOffsets(
        places.map((place) => ({ ...place, at: 'latest' as const })),
        { isolationLevel },
      );
    await this.#soon('no transaction is open', async () => {
      const [stable, all] = await Promise.all([ends('read_committed'), ends('read_uncommitted')]);
      const offsetOf = new Map(all.map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]));
      return stable.every(({ topic, partition, offset }) => offsetOf.get(`${topic}-${partition}`) === offset);
    });
  }

  #sameAs(source: readonly (readonly string[])[], copy: readonly (readonly string[])[], what: string): void {
    for (const [partition, expected] of source.entries()) {
      const found = copy[partition] ?? [];
      const at = range(Math.max(expected.length, found.length)).find((index) => expected[index] !== found[index]);
      if (at === undefined) continue;
      this.#violation(`${what}: partition ${partition} has ${found[at]} at ${at} instead of ${expected[at]}`);
    }
  }

  /** What transactions say that they have copied, and what is there, must be the same: none is seen in part. */
  #listedOnce(source: readonly (readonly string[])[], lists: readonly string[], name: string): void {
    const listed = new Map<string, number>();
    for (const value of lists.flatMap((list) => list.split(' '))) listed.set(value, (listed.get(value) ?? 0) + 1);
    for (const value of source.flat()) {
      if (listed.get(value) !== 1) this.#violation(`${name}: ${value} is in ${listed.get(value) ?? 0} transactions`);
    }
  }

  async #readAll(topic: string, isolationLevel: 'read_committed' | 'read_uncommitted'): Promise<string[][]> {
    const places = range(PARTITIONS).map((partition) => ({ topic, partition }));
    const ends = await this.#admin.listOffsets(
      places.map((place) => ({ ...place, at: 'latest' as const })),
      {
        isolationLevel,
      },
    );
    const left = new Map(
      ends.map(({ partition, offset }) => [partition, offset] as const).filter(([, end]) => end > 0),
    );
    const values: string[][] = places.map(() => []);
    await using consumer = new Consumer({
      bootstrapServers: this.#cluster.bootstrapServers,
      isolationLevel,
      autoOffsetReset: 'earliest',
    });
    consumer.assign(places);
    const stop = new AbortController();
    const reading = consumer.run({
      signal: stop.signal,
      eachBatch: ({ records, partition }) => {
        for (const { value } of records) values[partition]!.push(String(value));
      },
    });
    try {
      // The position goes over markers, too.
      await until(`${topic} is read to its end`, async () =>
        places.every((place) => (consumer.position(place) ?? 0) >= (left.get(place.partition) ?? 0)),
      );
    } finally {
      stop.abort();
      await reading;
    }
    return values;
  }

  /** The readers beside ours, which read while the copy is made. */
  #readersOf(name: CopierName): CommittedReader[] {
    const { bootstrapServers: bootstrap } = this.#cluster;
    const reading = { bootstrap, topic: targetOf(name), partitions: PARTITIONS };
    const readers = has('kcat', import.meta.url) ? [readByKcat(reading)] : [];
    return this.#options.isReadByAll === true ? [...readers, readByKafkaJs(reading), readByJava(reading)] : readers;
  }

  async #readByOthers(source: readonly (readonly string[])[], name: CopierName): Promise<void> {
    await this.#endPartitionsOf(targetOf(name));
    const read = async (reader: CommittedReader): Promise<void> =>
      this.#sameAs(source, await reader.read(), `${name}'s copy, read by ${reader.name}`);
    await Promise.all((this.#readers.get(name) ?? []).map(read));
  }

  /** Nobody copies any more, and our consumer has read what is there. */
  async #endPartitionsOf(topic: string): Promise<void> {
    await using producer = new Producer({ bootstrapServers: this.#cluster.bootstrapServers });
    await Promise.all(range(PARTITIONS).map((partition) => producer.send({ topic, partition, value: END })));
  }

  async #soon(what: string, holds: () => Promise<boolean>): Promise<void> {
    try {
      await until(what, holds);
    } catch (error) {
      this.#violation(error instanceof Error ? error.message : String(error));
    }
  }

  #hung(where: string): void {
    this.#hangs.set(where, (this.#hangs.get(where) ?? 0) + 1);
  }

  #violation(what: string): void {
    this.#violationCount += 1;
    if (this.#violations.length < VIOLATIONS_KEPT) this.#violations.push(what);
  }

  async abort(): Promise<void> {
    this.#isWriting = false;
    const readers = [...this.#readers.values()].flat();
    await Promise.allSettled([...[...this.#instances, ...readers].map((each) => each.stop()), this.#writing]);
    await this.#admin.close();
  }
}

async function commandOf(name: CopierName): Promise<Command> {
  const foreign = FOREIGN_COPIERS.find((each) => each === name);
  if (foreign !== undefined) return foreignCommand(foreign);
  const cache = join(root, 'tools/source/compile-cache.mjs');
  return [process.execPath, '--import', cache, join(root, 'tools/faults/copier.ts'), name];
}

function targetOf(name: CopierName): string {
  return `copied-by-${name}`;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Asks again and again; a broker that is asked may be the one that was killed. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + SETTLE_MS_MAX;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`within ${SETTLE_MS_MAX} ms it never came that ${what}`);
    await sleep(ASK_MS);
  }
}
