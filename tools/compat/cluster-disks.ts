/**
 * Kafka's own command-line tools on three brokers with two log folders each, of which some die: elections where nobody in sync is alive, moves
 * between folders, a move beside another. Brokers of Millrace, or of Apache Kafka 3.9 in ZooKeeper mode, to hold the cases against.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BROKER_IDS, PLAIN_SETTINGS } from '../faults/cluster-process.ts';
import { EnsembleCluster, type Make } from '../faults/ensemble-cluster.ts';
import { KAFKA_3, KAFKA_4, kafkaTool } from '../kafka/index.ts';
import { type Case, expectMatch, runCases } from './report.ts';
import { until } from './suite.ts';

const WAIT_MS_MAX = 90_000;
/** Records that both replicas have, and those that only the one has that dies. */
const SHARED_RECORDS = 10;
const LOST_RECORDS = 7;
/** Of 1,000 bytes each: more than one fetch, and seconds at {@link SLOW_BYTES}. */
const LARGE_RECORDS = 4000;
/** Bytes a second of a move that is to be seen under way: it could not be done in minutes. */
const SLOW_BYTES = 2000;
const FAST_BYTES = 100_000_000;

/** Runs the cases with the tools of both lines of Kafka, and returns how many failed. */
export async function runClusterDisks(wanted = 'millrace', only: readonly string[] = []): Promise<number> {
  const make: Make = wanted.startsWith('apache') ? 'kafka' : 'millrace';
  const folder = mkdtempSync(join(tmpdir(), 'millrace-compat-'));
  const second = (own: string): string => `${own}-second`;
  const cluster = await EnsembleCluster.start({
    folder,
    makes: new Map(BROKER_IDS.map((id) => [id, make])),
    settings: PLAIN_SETTINGS,
    logDirsOf: (_, own) => [own, second(own)],
    ownSettings: (id) => {
      const own = join(folder, String(id), 'data');
      return make === 'kafka' ? { 'log.dirs': `${own},${second(own)}` } : {};
    },
  });
  try {
    console.log(`target: ${make}, three brokers with two folders each on ZooKeeper, at ${cluster.bootstrapServers}`);
    let failed = 0;
    for (const version of [KAFKA_3, KAFKA_4]) {
      const cases = casesOf(cluster, version).filter(
        ({ name }) => only.length === 0 || only.some((part) => name.includes(part)),
      );
      failed += await runCases(`On brokers that die and have two folders, tools of Apache Kafka ${version}`, cases);
    }
    return failed;
  } finally {
    await cluster.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function casesOf(cluster: EnsembleCluster, version: string): Case[] {
  const tools = new Tools(cluster, version);
  return [
    {
      name: 'kafka-leader-election: unclean, where nobody in sync is alive',
      run: () => electUnclean(cluster, tools),
    },
    {
      name: 'kafka-reassign-partitions: log_dirs, --replica-alter-log-dirs-throttle',
      run: () => moveBetweenFolders(tools),
    },
    { name: 'kafka-reassign-partitions: --additional beside another move', run: () => moveBesideAnother(tools) },
  ];
}

interface Replica {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[];
  readonly log_dirs?: readonly string[];
}

/** A replica's folder as kafka-log-dirs tells it. */
interface Place {
  readonly broker: number;
  readonly folder: string;
  readonly isFuture: boolean;
}

interface DescribedLogDirs {
  readonly brokers: readonly {
    readonly broker: number;
    readonly logDirs: readonly {
      readonly logDir: string;
      readonly partitions: readonly { readonly partition: string; readonly isFuture: boolean }[];
    }[];
  }[];
}

class Tools {
  readonly #cluster: EnsembleCluster;
  readonly #version: string;

  constructor(cluster: EnsembleCluster, version: string) {
    this.#cluster = cluster;
    this.#version = version;
  }

  topic(label: string): string {
    return `${label}-${this.#version.replaceAll('.', '-')}`;
  }

  /** How a tool ended, and all that it said. */
  async end(tool: string, args: readonly string[]): Promise<string> {
    const all = ['--bootstrap-server', this.#cluster.bootstrapServers, ...args];
    const { exitCode, stdout, stderr } = await kafkaTool(tool, all, { version: this.#version });
    return `${exitCode} ${stdout}${stderr}`;
  }

  async run(tool: string, args: readonly string[]): Promise<string> {
    const said = await this.end(tool, args);
    if (!said.startsWith('0 ')) throw new Error(`${tool} ${args.join(' ')} ended with ${said}`);
    return said.slice(2);
  }

  async create(topic: string, assignment: string, ...configs: string[]): Promise<void> {
    const settings = configs.flatMap((config) => ['--config', config]);
    await this.run('kafka-topics', ['--create', '--topic', topic, '--replica-assignment', assignment, ...settings]);
  }

  async produce(topic: string, records: number): Promise<void> {
    const args = ['--topic', topic, '--max-messages', String(records), '--acks', '-1'];
    expectMatch(await this.run('kafka-verifiable-producer', args), new RegExp(`"acked":${records},`));
  }

  async fill(topic: string): Promise<void> {
    const properties = ['acks=all', `bootstrap.servers=${this.#cluster.bootstrapServers}`];
    const size = ['--num-records', String(LARGE_RECORDS), '--record-size', '1000', '--throughput', '-1'];
    const args = ['--topic', topic, ...size, '--producer-props', ...properties];
    const { stdout, stderr } = await kafkaTool('kafka-producer-perf-test', args, { version: this.#version });
    expectMatch(`${stdout}${stderr}`, new RegExp(`${LARGE_RECORDS} records sent`));
  }

  /** Until the line of kafka-topics that describes a partition is so. */
  async described(topic: string, partition: number, pattern: RegExp): Promise<void> {
    let seen = '';
    const holds = async (): Promise<boolean> => {
      seen = await this.end('kafka-topics', ['--describe', '--topic', topic]);
      return pattern.test(new RegExp(`Partition: ${partition}\\s.*`).exec(seen)?.[0] ?? '');
    };
    await until(`${topic}-${partition} is ${pattern}`, holds, WAIT_MS_MAX).catch((error: Error) => {
      throw new Error(`${error.message}, last seen: ${seen}`);
    });
  }

  elect(type: string, topic: string): Promise<string> {
    return this.end('kafka-leader-election', ['--election-type', type, '--topic', topic, '--partition', '0']);
  }

  /** How kafka-reassign-partitions ended with this as its file. */
  async reassign(partitions: readonly Replica[], ...args: string[]): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), 'reassign-'));
    try {
      const file = join(folder, 'input.json');
      writeFileSync(file, JSON.stringify({ version: 1, partitions }));
      return await this.end('kafka-reassign-partitions', ['--reassignment-json-file', file, ...args]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Where the replicas of a partition are. */
  async places(topic: string, partition: number): Promise<readonly Place[]> {
    const said = await this.run('kafka-log-dirs', ['--describe', '--topic-list', topic]);
    const { brokers } = JSON.parse(/^\{.*\}$/m.exec(said)?.[0] ?? '') as DescribedLogDirs;
    return brokers.flatMap(({ broker, logDirs }) =>
      logDirs.flatMap(({ logDir, partitions }) =>
        partitions
          .filter((each) => each.partition === `${topic}-${partition}`)
          .map(({ isFuture }) => ({ broker, folder: logDir, isFuture })),
      ),
    );
  }

  /** The other folder of a broker: of one that has a replica of the partition. */
  async folders(): Promise<ReadonlyMap<number, readonly string[]>> {
    const said = await this.run('kafka-log-dirs', ['--describe']);
    const { brokers } = JSON.parse(/^\{.*\}$/m.exec(said)?.[0] ?? '') as DescribedLogDirs;
    return new Map(brokers.map(({ broker, logDirs }) => [broker, logDirs.map(({ logDir }) => logDir)]));
  }

  /** What is set of throttles, at brokers and at a topic. */
  async throttles(topic: string): Promise<string> {
    const brokers = await this.run('kafka-configs', ['--describe', '--entity-type', 'brokers']);
    const own = await this.run('kafka-configs', ['--describe', '--entity-type', 'topics', '--entity-name', topic]);
    return `${brokers}${own}`
      .split('\n')
      .filter((line) => /throttled/.test(line) || /max\.bytes\.per\.second=/.test(line))
      .join('\n');
  }
}

/** The replica that is alive was behind: it leads only when it is told to, and what it has not is lost. */
async function electUnclean(cluster: EnsembleCluster, tools: Tools): Promise<string> {
  const topic = tools.topic('unclean');
  await tools.create(topic, '2:3', 'min.insync.replicas=1');
  await tools.described(topic, 0, /Leader: 2\s+Replicas: 2,3\s+Isr: [23],[23]/);
  await tools.produce(topic, SHARED_RECORDS);
  await cluster.kill(3);
  await tools.described(topic, 0, /Leader: 2\s+Replicas: 2,3\s+Isr: 2(\s|$)/);
  await tools.produce(topic, LOST_RECORDS);
  await cluster.kill(2);
  await cluster.restart(3);
  try {
    await tools.described(topic, 0, /Leader: none\s+Replicas: 2,3\s+Isr: 2(\s|$)/);
    expectMatch(await tools.elect('preferred', topic), /^1 [\s\S]*PreferredLeaderNotAvailable/);
    await tools.described(topic, 0, /Leader: none/);
    const elected = await tools.elect('unclean', topic);
    expectMatch(
      elected,
      new RegExp(`^0 .*Successfully completed leader election \\(UNCLEAN\\) for partitions ${topic}-0`),
    );
    await tools.described(topic, 0, /Leader: 3\s+Replicas: 2,3\s+Isr: 3(\s|$)/);
  } finally {
    await cluster.restart(2);
  }
  await tools.described(topic, 0, /Leader: [23]\s+Replicas: 2,3\s+Isr: [23],[23]/);
  const offsets = await tools.run('kafka-get-offsets', ['--topic', topic]);
  expectMatch(offsets, new RegExp(`^${topic}:0:${SHARED_RECORDS}$`, 'm'));
  return `${LOST_RECORDS} records lost, as asked`;
}

async function moveBetweenFolders(tools: Tools): Promise<string> {
  const topic = tools.topic('folders');
  await tools.create(topic, '1:2:3');
  await tools.fill(topic);
  const at = async (): Promise<readonly Place[]> => (await tools.places(topic, 0)).filter(({ broker }) => broker === 1);
  const [from] = await at();
  const to = (await tools.folders()).get(1)?.find((folder) => folder !== from?.folder);
  if (from === undefined || to === undefined) throw new Error('broker 1 has no replica, or no second folder');
  const plan: Replica[] = [{ topic, partition: 0, replicas: [1, 2, 3], log_dirs: [to, 'any', 'any'] }];
  const started = await tools.reassign(plan, '--execute', '--replica-alter-log-dirs-throttle', String(SLOW_BYTES));
  expectMatch(started, new RegExp(`^0 [\\s\\S]*The replica-alter-dir throttle limit was set to ${SLOW_BYTES} B/s`));
  expectMatch(
    started,
    new RegExp(`Successfully started moving log directory to ${to} for replica ${topic}-0 with broker 1`),
  );
  const under = await at();
  expectMatch(JSON.stringify(under.find(({ isFuture }) => isFuture)), new RegExp(`"folder":"${to}"`));
  const still = await tools.reassign(plan, '--verify', '--preserve-throttles');
  expectMatch(still, new RegExp(`Reassignment of replica ${topic}-0-1 is still in progress`));
  expectMatch(await tools.throttles(topic), new RegExp(`replica.alter.log.dirs.io.max.bytes.per.second=${SLOW_BYTES}`));
  const faster = ['--execute', '--additional', '--replica-alter-log-dirs-throttle', String(FAST_BYTES)];
  expectMatch(await tools.reassign(plan, ...faster), /^0 /);
  let said = '';
  const isDone = async (): Promise<boolean> => {
    said = await tools.reassign(plan, '--verify');
    return said.includes(`Reassignment of replica ${topic}-0-1 completed successfully`);
  };
  await until('the replica is in its new folder', isDone, WAIT_MS_MAX).catch((error: Error) => {
    throw new Error(`${error.message}, last seen: ${said}`);
  });
  expectMatch(JSON.stringify(await at()), new RegExp(`^\\[\\{"broker":1,"folder":"${to}","isFuture":false\\}\\]$`));
  expectMatch(await tools.throttles(topic), /^$/);
  return 'seen under way by kafka-log-dirs';
}

async function moveBesideAnother(tools: Tools): Promise<undefined> {
  const topic = tools.topic('additional');
  await tools.create(topic, '1:2,1:2');
  await tools.fill(topic);
  const first: Replica[] = [{ topic, partition: 0, replicas: [1, 3] }];
  const other: Replica[] = [{ topic, partition: 1, replicas: [2, 3] }];
  expectMatch(await tools.reassign(first, '--execute', '--throttle', String(SLOW_BYTES)), /^0 /);
  const refused = await tools.reassign(other, '--execute');
  expectMatch(refused, /^1 [\s\S]*there is an existing partition assignment\.\s+Use --additional to override/);
  const added = await tools.reassign(other, '--execute', '--additional', '--throttle', String(FAST_BYTES));
  expectMatch(added, new RegExp(`^0 [\\s\\S]*Successfully started partition reassignment for ${topic}-1`));
  let said = '';
  const areDone = async (): Promise<boolean> => {
    said = await tools.reassign([...first, ...other], '--verify');
    return [0, 1].every((each) => said.includes(`Reassignment of partition ${topic}-${each} is completed`));
  };
  await until('both moves are done', areDone, WAIT_MS_MAX).catch((error: Error) => {
    throw new Error(`${error.message}, last seen: ${said}`);
  });
  await tools.described(topic, 0, /Replicas: 1,3\s/);
  await tools.described(topic, 1, /Replicas: 2,3\s/);
  expectMatch(await tools.throttles(topic), /^$/);
  return undefined;
}
