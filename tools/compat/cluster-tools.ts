/** Kafka's own command-line tools where they speak of several brokers: replicas, moves, leaders, log folders, brokers' configs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kafkaTool, type ToolResult } from '../kafka/index.ts';
import { type Case, expectMatch } from './report.ts';
import { until } from './suite.ts';

const RECORDS = 2000;
/** Of 1,000 bytes each: megabytes in each partition, more than one fetch of a follower. */
const LARGE_RECORDS = 12_000;
/** Bytes a second that replication may take while a move is to be seen under way: it could not be done in minutes. */
const SLOW_THROTTLE = 2000;
const MOVE_MS_MAX = 60_000;

/** What the cases work with. */
interface Tools {
  readonly bootstrap: string;
  readonly version: string;
  readonly topic: string;
  run(tool: string, args: readonly string[]): Promise<string>;
  /** Runs kafka-reassign-partitions with what it reads from the file that this option names. */
  reassign(option: string, content: unknown, ...args: string[]): Promise<string>;
  /** The line of kafka-topics that describes a partition. */
  describe(partition: number): Promise<string>;
}

type NamedCase = readonly [string, () => Promise<string | undefined>];

/** The cases for the tools of one version of Kafka, in the order in which they build on each other; three brokers, 1 to 3. */
export function clusterCases(bootstrap: string, version: string): Case[] {
  const topic = `cluster-${version.replaceAll('.', '-')}-${process.pid}`;
  const run = async (tool: string, args: readonly string[]): Promise<string> => {
    const result = await kafkaTool(tool, ['--bootstrap-server', bootstrap, ...args], { version });
    return expectSuccess(tool, args, result);
  };
  const tools: Tools = {
    bootstrap,
    version,
    topic,
    run,
    async reassign(option, content, ...args) {
      const folder = mkdtempSync(join(tmpdir(), 'reassign-'));
      try {
        const file = join(folder, 'input.json');
        writeFileSync(file, JSON.stringify(content));
        return await run('kafka-reassign-partitions', [option, file, ...args]);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    async describe(partition) {
      const described = await run('kafka-topics', ['--describe', '--topic', topic]);
      return new RegExp(`Partition: ${partition}\\s.*`).exec(described)?.[0] ?? described;
    },
  };
  const rooms = [replicaCases, moveCases, leaderCases, brokerCases];
  return rooms.flatMap((cases) => cases(tools)).map(([name, run]) => ({ name, run }));
}

/** Topics with replicas, and whether these are alike. */
function replicaCases(tools: Tools): NamedCase[] {
  const { bootstrap, version, topic, run, describe } = tools;
  return [
    [
      'kafka-broker-api-versions names three brokers',
      async () => {
        const ids = [...(await run('kafka-broker-api-versions', [])).matchAll(/\(id: (\d+) /g)].map(([, id]) => id);
        expectMatch(ids.sort().join(), /^1,2,3$/);
        return undefined;
      },
    ],
    [
      'kafka-topics: three replicas by --replica-assignment',
      async () => {
        await run('kafka-topics', ['--create', '--topic', topic, '--replica-assignment', '1:2:3,2:3:1,3:1:2']);
        expectMatch(await describe(0), /Leader: 1\s+Replicas: 1,2,3\s+Isr: [123],[123],[123]/);
        expectMatch(await describe(2), /Leader: 3\s+Replicas: 3,1,2\s+Isr: [123],[123],[123]/);
        for (const filter of ['--under-replicated-partitions', '--unavailable-partitions', '--at-min-isr-partitions']) {
          const found = await run('kafka-topics', ['--describe', '--topic', topic, filter]);
          expectMatch(found.trim(), /^$/);
        }
        return undefined;
      },
    ],
    [
      'kafka-topics refuses more replicas than there are brokers',
      async () => {
        const args = ['--create', '--topic', `${topic}-four`, '--partitions', '1', '--replication-factor', '4'];
        const result = await kafkaTool('kafka-topics', ['--bootstrap-server', bootstrap, ...args], { version });
        expectMatch(`${result.exitCode} ${result.stdout}${result.stderr}`, /^1 [\s\S]*InvalidReplicationFactor/);
        return undefined;
      },
    ],
    [
      'kafka-producer-perf-test, acks of all replicas',
      async () => {
        const properties = ['acks=all', `bootstrap.servers=${bootstrap}`];
        const args = ['--topic', topic, '--num-records', String(LARGE_RECORDS), '--record-size', '1000'];
        const perf = [...args, '--throughput', '-1', '--producer-props', ...properties];
        const result = await kafkaTool('kafka-producer-perf-test', perf, { version });
        expectMatch(
          expectSuccess('kafka-producer-perf-test', perf, result),
          new RegExp(`${LARGE_RECORDS} records sent`),
        );
        return undefined;
      },
    ],
    verificationCase(tools),
    [
      'kafka-log-dirs --describe for all brokers',
      async () => {
        const output = await run('kafka-log-dirs', ['--describe', '--topic-list', topic, '--broker-list', '1,2,3']);
        expectMatch(output, /"brokers":\[/);
        const replicas = output.split(`"partition":"${topic}-0"`).length - 1;
        expectMatch(String(replicas), /^3$/);
        return undefined;
      },
    ],
  ];
}

/** From 4.1 on the tool sends Fetch 18 without asking what the broker speaks. */
function verificationCase({ bootstrap, version, topic, run }: Tools): NamedCase {
  return [
    'kafka-replica-verification reads all replicas to their end and finds no lag',
    async () => {
      // One partition: the tool names but one, and an empty one would do.
      const own = `${topic}-verified`;
      await run('kafka-topics', ['--create', '--topic', own, '--replica-assignment', '1:2:3']);
      await run('kafka-verifiable-producer', ['--topic', own, '--max-messages', String(RECORDS), '--acks', '-1']);
      return verifyReplicas(bootstrap, version, own);
    },
  ];
}

/** The tool goes on until it is ended; its first reports come before it has fetched to the end. */
async function verifyReplicas(bootstrap: string, version: string, topic: string): Promise<string | undefined> {
  const args = ['--broker-list', bootstrap, '--topics-include', topic, '--report-interval-ms', '1000', '--time', '-2'];
  const alike = new RegExp(`max lag is 0 for partition ${topic}-0 at offset ${RECORDS} among 1 partitions`);
  const { stdout, stderr } = await kafkaTool('kafka-replica-verification', args, {
    version,
    endAfter: alike,
    timeoutMs: 20_000,
  });
  expectMatch(`${stdout}${stderr}`, alike);
  const differing = stdout.split('\n').find((line) => /doesn't match|unmatched checksum/.test(line));
  if (differing !== undefined) throw new Error(differing);
  return `offset ${RECORDS} at all three`;
}

/** Reassignment: a plan, a move with a throttle, one that is called off. */
function moveCases({ topic, run, reassign, describe }: Tools): NamedCase[] {
  const move = (partition: number, replicas: number[]) => ({
    version: 1,
    partitions: [{ topic, partition, replicas }],
  });
  const listed = (): Promise<string> => run('kafka-reassign-partitions', ['--list']);
  const topicConfigs = (): Promise<string> =>
    run('kafka-configs', ['--describe', '--entity-type', 'topics', '--entity-name', topic]);
  return [
    [
      'kafka-reassign-partitions --generate',
      async () => {
        const input = { version: 1, topics: [{ topic }] };
        const plan = await reassign('--topics-to-move-json-file', input, '--broker-list', '1,2,3', '--generate');
        expectMatch(plan, /Current partition replica assignment\n\{"version":1,"partitions":\[/);
        expectMatch(plan, /Proposed partition reassignment configuration\n\{"version":1,"partitions":\[/);
        return undefined;
      },
    ],
    [
      'kafka-reassign-partitions --execute with a throttle, --verify',
      async () => {
        const fewer = move(0, [1, 2]);
        const started = await reassign('--reassignment-json-file', fewer, '--execute', '--throttle', '50000000');
        expectMatch(started, /inter-broker throttle limit was set to 50000000 B\/s/);
        expectMatch(started, /Successfully started partition reassignment for/);
        expectMatch(await topicConfigs(), /(leader|follower)\.replication\.throttled\.replicas=/);
        await verified(() => reassign('--reassignment-json-file', fewer, '--verify'));
        expectMatch(await describe(0), /Replicas: 1,2\s/);
        expectMatch(await listed(), /No partition reassignments found/);
        if (/throttled/.test(await topicConfigs())) throw new Error('the throttle stayed when the move was done');
        return undefined;
      },
    ],
    [
      'kafka-reassign-partitions --list and --cancel of a move under way',
      async () => {
        const back = move(0, [3, 2]);
        await reassign('--reassignment-json-file', back, '--execute', '--throttle', String(SLOW_THROTTLE));
        expectMatch(await listed(), new RegExp(`${topic}-0: replicas: .*adding: 3`));
        const still = await reassign('--reassignment-json-file', back, '--verify', '--preserve-throttles');
        expectMatch(still, new RegExp(`Reassignment of partition ${topic}-0 is still in progress`));
        const cancelled = await reassign('--reassignment-json-file', back, '--cancel');
        expectMatch(cancelled, /Successfully cancelled partition reassignment/);
        expectMatch(await listed(), /No partition reassignments found/);
        expectMatch(await describe(0), /Replicas: (1,2|2,1)\s/);
        return undefined;
      },
    ],
  ];
}

/** Asks until the move is complete. */
async function verified(verify: () => Promise<string>): Promise<void> {
  await until('the move is complete', async () => /is completed/.test(await verify()), MOVE_MS_MAX);
}

/** Elections: a preferred one that is needed, one that is not, an unclean one with a leader there. */
function leaderCases({ topic, run, reassign, describe }: Tools): NamedCase[] {
  const elect = (type: string, ...args: string[]): Promise<string> =>
    run('kafka-leader-election', ['--election-type', type, ...args]);
  const partition = ['--topic', topic, '--partition', '1'];
  const turn = async (replicas: number[]): Promise<void> => {
    const order = { version: 1, partitions: [{ topic, partition: 1, replicas }] };
    await reassign('--reassignment-json-file', order, '--execute');
    await verified(() => reassign('--reassignment-json-file', order, '--verify'));
  };
  return [
    [
      'kafka-leader-election: preferred, for one partition',
      async () => {
        await turn([3, 2, 1]);
        expectMatch(await describe(1), /Leader: 2\s+Replicas: 3,2,1/);
        expectMatch(
          await elect('preferred', ...partition),
          new RegExp(`Successfully completed leader election \\(PREFERRED\\) for partitions ${topic}-1`),
        );
        expectMatch(await describe(1), /Leader: 3\s/);
        return undefined;
      },
    ],
    [
      'kafka-leader-election says where none is needed',
      async () => {
        for (const type of ['preferred', 'unclean']) {
          const output = await elect(type, ...partition);
          expectMatch(output, new RegExp(`Valid replica already elected for partitions ${topic}-1`));
        }
        return undefined;
      },
    ],
    [
      'kafka-leader-election --all-topic-partitions',
      async () => {
        await turn([1, 2, 3]);
        // Of all partitions only those are named that elected anew.
        const needed = new RegExp(`leader election \\(PREFERRED\\) for partitions .*${topic}-1`);
        expectMatch(await elect('preferred', '--all-topic-partitions'), needed);
        expectMatch(await describe(1), /Leader: 1\s/);
        const again = await elect('preferred', '--all-topic-partitions');
        if (again.includes(`${topic}-1`)) throw new Error(`elected again:\n${again}`);
        return undefined;
      },
    ],
  ];
}

/** Configs of brokers, one and all, and the end of the topic. */
function brokerCases({ bootstrap, version, topic, run }: Tools): NamedCase[] {
  const all = ['--entity-type', 'brokers', '--entity-default'];
  const one = ['--entity-type', 'brokers', '--entity-name', '2'];
  /** What each broker says by itself: its neighbours hear of a change by the metadata store. */
  const everywhere = async (entity: readonly string[], pattern: RegExp): Promise<void> => {
    for (const address of bootstrap.split(',')) {
      const args = ['--bootstrap-server', address, '--describe', ...entity];
      const seen = async (): Promise<boolean> => {
        const result = await kafkaTool('kafka-configs', args, { version });
        return pattern.test(expectSuccess('kafka-configs', args, result));
      };
      await until(`${address} shows ${pattern}`, seen);
    }
  };
  return [
    [
      'kafka-configs for one broker and for all, seen at each',
      async () => {
        await run('kafka-configs', ['--alter', ...all, '--add-config', 'log.retention.ms=7200000']);
        await run('kafka-configs', ['--alter', ...one, '--add-config', 'log.retention.ms=3600000']);
        await everywhere(all, /log\.retention\.ms=7200000/);
        await everywhere(
          one,
          /log\.retention\.ms=3600000 .*DYNAMIC_BROKER_CONFIG:log\.retention\.ms=3600000.*DYNAMIC_DEFAULT_BROKER_CONFIG:log\.retention\.ms=7200000/,
        );
        await run('kafka-configs', ['--alter', ...one, '--delete-config', 'log.retention.ms']);
        await run('kafka-configs', ['--alter', ...all, '--delete-config', 'log.retention.ms']);
        await everywhere(all, /^(?![\s\S]*log\.retention\.ms)/);
        return undefined;
      },
    ],
    [
      'kafka-topics --delete takes every replica',
      async () => {
        await run('kafka-topics', ['--delete', '--topic', topic]);
        await until('no broker has a replica', async () => {
          const args = ['--describe', '--topic-list', topic, '--broker-list', '1,2,3'];
          return !(await run('kafka-log-dirs', args)).includes(`"${topic}-`);
        });
        return undefined;
      },
    ],
  ];
}

function expectSuccess(tool: string, args: readonly string[], { exitCode, stdout, stderr }: ToolResult): string {
  if (exitCode !== 0) throw new Error(`${tool} ${args.join(' ')} ended with ${exitCode}:\n${stdout}${stderr}`);
  return `${stdout}${stderr}`;
}
