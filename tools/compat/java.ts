/** Kafka's own command-line tools, which are the Java clients as people know them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CODECS, javaClient, millrace, sampleRecords } from '../clients/index.ts';
import { kafkaTool } from '../kafka/index.ts';
import { expectSuccess } from './expect-success.ts';
import { transactionCases } from './java-transactions.ts';
import { type Case, expectMatch } from './report.ts';

const PERF_RECORDS = 20_000;
const VERIFIABLE_RECORDS = 500;

/** What the cases work with. */
interface Tools {
  readonly bootstrap: string;
  readonly version: string;
  readonly topic: string;
  readonly group: string;
  readonly client: ReturnType<typeof javaClient>;
  run(tool: string, args: readonly string[]): Promise<string>;
  topics(...args: string[]): Promise<string>;
  groups(...args: string[]): Promise<string>;
  /** The options that name the topic to tools for configs. */
  readonly entity: readonly string[];
}

type NamedCase = readonly [string, () => Promise<string | undefined>];

/** The cases for the tools of one version of Kafka, in the order in which they build on each other. */
export function javaCases(bootstrap: string, version: string): Case[] {
  const tools = toolsOf(bootstrap, version);
  return casesOf([topicCases, recordCases, groupCases, offsetCases, adminCases].flatMap((cases) => cases(tools)));
}

/** Those for the tools that write in transactions and look after them. */
export function javaTransactionCases(bootstrap: string, version: string): Case[] {
  return casesOf(transactionCases(toolsOf(bootstrap, version)));
}

function casesOf(cases: readonly NamedCase[]): Case[] {
  return cases.map(([name, run]) => ({ name, run }));
}

function toolsOf(bootstrap: string, version: string): Tools {
  const id = `${version.replaceAll('.', '-')}-${process.pid}`;
  const topic = `java-${id}`;
  const run = async (tool: string, args: readonly string[]): Promise<string> => {
    const result = await kafkaTool(tool, ['--bootstrap-server', bootstrap, ...args], { version });
    return expectSuccess(tool, args, result);
  };
  return {
    bootstrap,
    version,
    topic,
    group: `java-group-${id}`,
    client: javaClient(version),
    run,
    topics: (...args) => run('kafka-topics', args),
    groups: (...args) => run('kafka-consumer-groups', args),
    entity: ['--entity-type', 'topics', '--entity-name', topic],
  };
}

/** Topics and their configs. */
function topicCases({ bootstrap, version, topic, run, topics, entity }: Tools): NamedCase[] {
  return [
    [
      'kafka-broker-api-versions',
      async () => {
        const output = await run('kafka-broker-api-versions', []);
        expectMatch(output, /Produce\(0\): .*usable/);
        const unusable = output.split('\n').filter((line) => line.includes('UNSUPPORTED'));
        return `${output.split('usable').length - 1} APIs usable, ${unusable.length} not advertised`;
      },
    ],
    [
      'kafka-topics --create, --list, --describe',
      async () => {
        await topics('--create', '--topic', topic, '--partitions', '2', '--config', 'retention.ms=3600000');
        expectMatch(await topics('--list'), new RegExp(`^${topic}$`, 'm'));
        const described = await topics('--describe', '--topic', topic);
        expectMatch(described, /PartitionCount: 2\s+ReplicationFactor: 1\s+Configs:.*retention\.ms=3600000/);
        expectMatch(described, /Partition: 1\s+Leader: \d+\s+Replicas: \d+\s+Isr: \d+/);
        return undefined;
      },
    ],
    [
      'kafka-topics --create refuses a topic that exists',
      async () => {
        const args = ['--bootstrap-server', bootstrap, '--create', '--topic', topic];
        const { exitCode, stdout, stderr } = await kafkaTool('kafka-topics', args, { version });
        expectMatch(`${exitCode} ${stdout}${stderr}`, /^1 [\s\S]*already exists/);
        return undefined;
      },
    ],
    [
      'kafka-topics --alter --partitions',
      async () => {
        await topics('--alter', '--topic', topic, '--partitions', '3');
        expectMatch(await topics('--describe', '--topic', topic), /PartitionCount: 3/);
        return undefined;
      },
    ],
    [
      'kafka-configs: describe, alter, delete for a topic',
      async () => {
        await run('kafka-configs', [
          '--alter',
          ...entity,
          '--add-config',
          'retention.ms=7200000,cleanup.policy=compact',
        ]);
        const changed = await run('kafka-configs', ['--describe', ...entity]);
        expectMatch(changed, /retention\.ms=7200000/);
        expectMatch(changed, /cleanup\.policy=compact/);
        await run('kafka-configs', ['--alter', ...entity, '--delete-config', 'retention.ms,cleanup.policy']);
        expectMatch(await run('kafka-configs', ['--describe', '--all', ...entity]), /cleanup\.policy=delete/);
        return undefined;
      },
    ],
    [
      'kafka-configs --describe --all for the broker',
      async () => {
        const nodes = await run('kafka-broker-api-versions', []);
        const broker = /id: (\d+)/.exec(nodes)?.[1] ?? '0';
        const args = ['--describe', '--all', '--entity-type', 'brokers', '--entity-name', broker];
        const output = await run('kafka-configs', args);
        expectMatch(output, /log\.retention\.ms=/);
        return `${output.split('\n').length} lines`;
      },
    ],
  ];
}

/** Records in every codec, among themselves and with the SDKs. */
function recordCases({ bootstrap, topic, client, topics }: Tools): NamedCase[] {
  return [
    ...CODECS.map(
      (codec): NamedCase => [
        `kafka-console-producer and -consumer, ${codec}`,
        async () => {
          const own = `${topic}-${codec}`;
          await topics('--create', '--topic', own, '--partitions', '1');
          const records = sampleRecords(client.name, codec);
          await client.produce(bootstrap, own, codec, records);
          const read = await client.consume(bootstrap, own, records.length);
          if (JSON.stringify(read) !== JSON.stringify(records)) {
            throw new Error(`read ${JSON.stringify(read).slice(0, 500)}`);
          }
          return undefined;
        },
      ],
    ),
    ...CODECS.map(
      (codec): NamedCase => [
        `our SDKs exchange records with the console tools, ${codec}`,
        async () => {
          const own = `${topic}-sdk-${codec}`;
          await topics('--create', '--topic', own, '--partitions', '1');
          const written = [...sampleRecords('millrace', codec), ...sampleRecords(client.name, codec)];
          await millrace.produce(bootstrap, own, codec, sampleRecords('millrace', codec));
          await client.produce(bootstrap, own, codec, sampleRecords(client.name, codec));
          for (const reader of [client, millrace]) {
            const read = await reader.consume(bootstrap, own, written.length);
            if (JSON.stringify(read) !== JSON.stringify(written)) {
              throw new Error(`${reader.name} read ${JSON.stringify(read).slice(0, 500)}`);
            }
          }
          return undefined;
        },
      ],
    ),
  ];
}

/** Groups and their offsets. */
function groupCases({ bootstrap, topic, group, client, groups }: Tools): NamedCase[] {
  return [
    [
      'kafka-console-consumer in a group goes on where it was',
      async () => {
        const own = `${topic}-none`;
        const first = await client.consumeInGroup(bootstrap, own, group, 2);
        const rest = await client.consumeInGroup(bootstrap, own, group, 3);
        const keys = [...first, ...rest].map((record) => record.key);
        expectMatch(JSON.stringify(keys), /^\["first",null,"tombstone","grüße","long"\]$/);
        return undefined;
      },
    ],
    [
      'kafka-consumer-groups: list, describe, reset, delete offsets, delete',
      async () => {
        const own = `${topic}-none`;
        expectMatch(await groups('--list', '--state'), new RegExp(`${group}\\s+Empty`));
        expectMatch(await groups('--describe', '--group', group), new RegExp(`${own}\\s+0\\s+5\\s+5\\s+0`));
        expectMatch(await groups('--describe', '--group', group, '--state'), /Empty\s+0/);
        const reset = ['--reset-offsets', '--group', group, '--topic', own, '--execute'];
        await groups(...reset, '--to-earliest');
        expectMatch(await groups('--describe', '--group', group), new RegExp(`${own}\\s+0\\s+0\\s+5\\s+5`));
        await groups(...reset, '--shift-by', '2');
        expectMatch(await groups('--describe', '--group', group), new RegExp(`${own}\\s+0\\s+2\\s+5\\s+3`));
        await groups('--delete-offsets', '--group', group, '--topic', own);
        await groups('--delete', '--group', group);
        return undefined;
      },
    ],
    [
      'kafka-consumer-groups --describe --members of a running group',
      async () => {
        const own = `${topic}-none`;
        const reading = client.consumeInGroup(bootstrap, own, `${group}-live`, 6);
        try {
          for (let tries = 0; ; tries += 1) {
            const members = await groups('--describe', '--group', `${group}-live`, '--members', '--verbose');
            if (/console-consumer/.test(members)) {
              expectMatch(members, /(?:\(|:)0\b/);
              break;
            }
            if (tries === 10) throw new Error(`no member was ever listed:\n${members}`);
          }
        } finally {
          // The sixth record lets the waiting consumer end.
          await client.produce(bootstrap, own, 'none', sampleRecords(client.name, 'none').slice(0, 1));
          await reading;
        }
        return undefined;
      },
    ],
  ];
}

/** Offsets, and the tools that measure. */
function offsetCases({ bootstrap, version, topic, run }: Tools): NamedCase[] {
  return [
    [
      'kafka-get-offsets: latest, earliest, by time, maximum timestamp',
      async () => {
        const own = `${topic}-gzip`;
        expectMatch(await run('kafka-get-offsets', ['--topic', own]), new RegExp(`^${own}:0:5$`, 'm'));
        expectMatch(await run('kafka-get-offsets', ['--topic', own, '--time', '-2']), new RegExp(`^${own}:0:0$`, 'm'));
        expectMatch(await run('kafka-get-offsets', ['--topic', own, '--time', '1']), new RegExp(`^${own}:0:0$`, 'm'));
        expectMatch(
          await run('kafka-get-offsets', ['--topic', own, '--time', '-3']),
          new RegExp(`^${own}:0:\\d$`, 'm'),
        );
        return undefined;
      },
    ],
    [
      `kafka-producer-perf-test, ${PERF_RECORDS} records`,
      async () => {
        const properties = ['acks=all', 'compression.type=lz4', `bootstrap.servers=${bootstrap}`];
        const args = ['--topic', topic, '--num-records', String(PERF_RECORDS), '--record-size', '200'];
        const perf = [...args, '--throughput', '-1', '--producer-props', ...properties];
        const output = expectSuccess('perf', perf, await kafkaTool('kafka-producer-perf-test', perf, { version }));
        expectMatch(output, new RegExp(`${PERF_RECORDS} records sent`));
        return /([\d.]+ records\/sec)/.exec(output)?.[1];
      },
    ],
    [
      'kafka-consumer-perf-test reads them',
      async () => {
        const count = ['--messages', String(PERF_RECORDS), '--timeout', '20000', '--hide-header'];
        const output = await run('kafka-consumer-perf-test', ['--topic', topic, ...count]);
        const read = Number(output.trim().split('\n').at(-1)?.split(', ')[4]);
        if (read < PERF_RECORDS) throw new Error(`read ${read} of ${PERF_RECORDS}:\n${output}`);
        return undefined;
      },
    ],
    [
      `kafka-verifiable-producer, ${VERIFIABLE_RECORDS} records, idempotent`,
      async () => {
        const own = `${topic}-verifiable`;
        const output = await run('kafka-verifiable-producer', [
          ...['--topic', own, '--max-messages', String(VERIFIABLE_RECORDS), '--acks', '-1'],
        ]);
        expectMatch(output, new RegExp(`"sent":${VERIFIABLE_RECORDS},"acked":${VERIFIABLE_RECORDS}`));
        return undefined;
      },
    ],
  ];
}

/** What is left, and the end of the topic. */
function adminCases({ bootstrap, version, topic, run, topics }: Tools): NamedCase[] {
  return [
    [
      'kafka-delete-records',
      async () => {
        const own = `${topic}-zstd`;
        const offsets = { version: 1, partitions: [{ topic: own, partition: 0, offset: 3 }] };
        const folder = mkdtempSync(join(tmpdir(), 'delete-records-'));
        const file = join(folder, 'offsets.json');
        try {
          writeFileSync(file, JSON.stringify(offsets));
          expectMatch(await run('kafka-delete-records', ['--offset-json-file', file]), /low_watermark: 3/);
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
        expectMatch(await run('kafka-get-offsets', ['--topic', own, '--time', '-2']), new RegExp(`^${own}:0:3$`, 'm'));
        return undefined;
      },
    ],
    [
      'kafka-log-dirs --describe',
      async () => {
        expectMatch(await run('kafka-log-dirs', ['--describe', '--topic-list', topic]), new RegExp(`"${topic}-0"`));
        return undefined;
      },
    ],
    [
      'kafka-cluster cluster-id',
      async () => {
        expectMatch(await clusterId(bootstrap, version), /Cluster ID: [\w-]{22}/);
        return undefined;
      },
    ],
    [
      'kafka-topics --delete',
      async () => {
        await topics('--delete', '--topic', topic);
        if (new RegExp(`^${topic}$`, 'm').test(await topics('--list'))) throw new Error(`${topic} is still listed`);
        return undefined;
      },
    ],
  ];
}

/** Unlike all others, this tool takes the command before the address. */
async function clusterId(bootstrap: string, version: string): Promise<string> {
  const args = ['cluster-id', '--bootstrap-server', bootstrap];
  return expectSuccess('kafka-cluster', args, await kafkaTool('kafka-cluster', args, { version }));
}
