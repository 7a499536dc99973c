/** `pnpm bench security`: what TLS, access rules and logins cost: beside Apache Kafka with the same cipher, and beside a broker without. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { makeRunCertificates, type RunCertificates } from '../../tools/compat/secured/certificates.ts';
import { freePort, KAFKA_4, startApacheKafka } from '../../tools/kafka/index.ts';
import { type Bench, type BenchContext, type Findings, isWanted } from './bench.ts';
import { brokerKinds, type RunningBroker, withTopic } from './brokers.ts';
import type { LatencyResult, ThroughputResult } from './clients/jobs.ts';
import { type BrokerUse, type Client, runClient } from './clients/run-client.ts';
import { fill } from './e2e.ts';
import { LoginStorm } from './login-storm.ts';
import { digits, median, si, summarize, timesByRound } from './report/statistics.ts';
import { inTurns } from './rounds.ts';
import { measureRules } from './rules.ts';

type Throughput = ThroughputResult & BrokerUse;
type Latency = LatencyResult & BrokerUse;

const HOST = '127.0.0.1';
const NO_SYNC = 'Millrace, no sync';
/** Both brokers take it, whatever the client would rather have. */
const CIPHER = 'TLS_AES_128_GCM_SHA256';
const CELL = { partitions: 1, recordBytes: 1024, acks: -1, compression: 'none' } as const;
const TIMES = { warmUpMs: 1_000, timeMs: 2_000, fillMs: 3_000 };
const TIMES_QUICK = { warmUpMs: 300, timeMs: 500, fillMs: 500 };
const LOGINS_AT_ONCE = [0, 4, 32];

const producers: readonly Client[] = [
  { label: 'librdkafka', client: 'librdkafka', mode: '' },
  { label: 'millrace enqueue', client: 'millrace', mode: 'enqueue' },
];
const consumers: readonly Client[] = [
  { label: 'librdkafka', client: 'librdkafka', mode: '' },
  { label: 'millrace batches', client: 'millrace', mode: 'batches' },
];
const single: Client = { label: 'millrace', client: 'millrace', mode: 'send' };

export const bench: Bench = {
  title: 'Security',
  about: 'TLS beside Apache Kafka with the same cipher, what access rules cost a request, what logins do to others',
  parts: ['tls', 'rules', 'logins'],
  seconds: { full: 320, quick: 75 },
  run: measureSecurity,
};

async function measureSecurity(context: BenchContext, findings: Findings): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-security-'));
  try {
    const certificates = makeRunCertificates(folder);
    if (isWanted(context, 'tls')) await findings.attempt('tls', () => measureTls(certificates, context, findings));
    if (isWanted(context, 'rules')) await findings.attempt('rules', () => measureRules(context, findings));
    if (isWanted(context, 'logins')) await findings.attempt('logins', () => measureLogins(context, findings));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A broker by a way to it. */
interface Way {
  readonly label: string;
  /** Where topics are made. */
  readonly plain: RunningBroker;
  /** Where the client connects. */
  readonly broker: RunningBroker;
  readonly authority?: string;
}

async function measureTls(certificates: RunCertificates, context: BenchContext, findings: Findings): Promise<void> {
  const started: RunningBroker[] = [];
  try {
    const ways: Way[] = [];
    for (const [name, start] of [
      ['Millrace', startTlsMillrace],
      ['Kafka', startTlsKafka],
    ] as const) {
      const port = await freePort();
      const plain = await start(certificates, port);
      started.push(plain);
      ways.push({ label: `${name}, plain`, plain, broker: plain });
      const broker = { ...plain, bootstrap: `${HOST}:${port}` };
      ways.push({ label: `${name}, TLS`, plain, broker, authority: certificates.authority });
    }
    for (const client of producers) {
      await report(`Produce with ${client.label}`, ways, context, findings, (way) => produce(client, way, context));
    }
    for (const client of consumers) {
      await report(`Consume with ${client.label}`, ways, context, findings, (way) => consume(client, way, context));
    }
  } finally {
    for (const broker of started) await broker.stop();
  }
}

function tlsSettings({ broker }: RunCertificates): Record<string, string> {
  return {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': broker.both,
    'ssl.enabled.protocols': 'TLSv1.3',
    'ssl.cipher.suites': CIPHER,
  };
}

function startTlsMillrace(certificates: RunCertificates, port: number): Promise<RunningBroker> {
  const listeners = `PLAINTEXT://${HOST}:0,SSL://${HOST}:${port}`;
  return brokerKinds[NO_SYNC]!({ config: { ...tlsSettings(certificates), listeners } });
}

async function startTlsKafka(certificates: RunCertificates, tlsPort: number): Promise<RunningBroker> {
  const [port, controllerPort] = [await freePort(), await freePort()];
  const clients = `PLAINTEXT://${HOST}:${port},SSL://${HOST}:${tlsPort}`;
  const kafka = await startApacheKafka({
    version: KAFKA_4,
    port,
    config: {
      ...tlsSettings(certificates),
      'controller.quorum.voters': `1@${HOST}:${controllerPort}`,
      listeners: `${clients},CONTROLLER://${HOST}:${controllerPort}`,
      'advertised.listeners': clients,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT',
    },
  });
  return { name: 'Kafka', bootstrap: kafka.bootstrap, pid: kafka.pid, stop: () => kafka.stop() };
}

function produce(client: Client, { plain, broker, authority }: Way, context: BenchContext): Promise<Throughput> {
  const { warmUpMs, timeMs } = timesOf(context);
  return withTopic(plain, 1, (topic) => {
    const job = { kind: 'produce', topic, ...CELL, warmUpMs, timeMs, ...by(authority) } as const;
    return runClient<Throughput>(client, job, broker, context);
  });
}

function consume(client: Client, { plain, broker, authority }: Way, context: BenchContext): Promise<Throughput> {
  const { warmUpMs, timeMs, fillMs } = timesOf(context);
  return withTopic(plain, 1, async (topic) => {
    const records = await fill(plain, topic, CELL, fillMs, context);
    const reading = { records, warmUpRecords: Math.floor(records / 4), warmUpMs, timeMs };
    const job = { kind: 'consume', topic, partitions: 1, ...reading, ...by(authority) } as const;
    return runClient<Throughput>(client, job, broker, context);
  });
}

function by(authority: string | undefined): { readonly authority?: string } {
  return authority === undefined ? {} : { authority };
}

async function report(
  title: string,
  ways: readonly Way[],
  context: BenchContext,
  findings: Findings,
  run: (way: Way) => Promise<Throughput>,
): Promise<void> {
  context.progress(title);
  await findings.attempt(title, async () => {
    const found = await inTurns(ways, context, run);
    findings.raw(title, Object.fromEntries(found));
    const rates = (label: string): readonly number[] =>
      (found.get(label) ?? []).map(({ records, seconds }) => records / seconds);
    const kafka = (label: string): string => label.replace(/^\w+/, 'Kafka');
    findings.table({
      title: `${title}: 1 KiB, 1 partition, no sync, ${CIPHER}`,
      columns: ['broker', 'records/s', 'to Kafka the same way', 'broker CPU us/record'],
      rows: ways.map(({ label }) => [
        label,
        summarize(rates(label), si),
        timesByRound(rates(label), rates(kafka(label))),
        digits(median((found.get(label) ?? []).map(({ brokerCpuMs, records }) => (brokerCpuMs * 1000) / records))),
      ]),
      notes: ['The ratio is the median of the ratios of each round. Aimed at: at least 1 by TLS.'],
    });
  });
}

/** How long single sends of somebody who is logged in take while others log in. */
async function measureLogins(context: BenchContext, findings: Findings): Promise<void> {
  const port = await freePort();
  const broker = await brokerKinds[NO_SYNC]!({
    config: {
      listeners: `PLAINTEXT://${HOST}:0,SASL_PLAINTEXT://${HOST}:${port}`,
      'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    },
  });
  const sasl = { mechanism: 'SCRAM-SHA-512', username: 'alice', password: 'alice-pw' } as const;
  try {
    await using admin = new Admin({ bootstrapServers: broker.bootstrap });
    await admin.setScramPasswords([{ user: sasl.username, mechanism: sasl.mechanism, password: sasl.password }]);
    const { warmUpMs, timeMs } = timesOf(context);
    const keys = LOGINS_AT_ONCE.map((atOnce) => ({ label: `${atOnce} at once`, atOnce }));
    const found = await inTurns(keys, context, ({ atOnce }) =>
      withTopic(broker, 1, async (topic) => {
        const storm = new LoginStorm(port, sasl, atOnce);
        const job = { kind: 'single', topic, partitions: 1, recordBytes: 100, acks: -1, warmUpMs, timeMs } as const;
        let perSecond = 0;
        const latency = await runClient<Latency>(single, job, broker, context).finally(async () => {
          perSecond = await storm.stop();
        });
        return { latency, perSecond };
      }),
    );
    findings.raw('logins', Object.fromEntries(found));
    const of = (label: string, read: (latency: Latency) => number): number[] =>
      (found.get(label) ?? []).map(({ latency }) => read(latency));
    findings.table({
      title: 'Single sends while others log in by SCRAM-SHA-512, 4096 iterations',
      columns: ['logins', 'a second', 'p50', 'p99', 'longest'],
      rows: keys.map(({ label }) => [
        label,
        summarize(
          (found.get(label) ?? []).map(({ perSecond }) => perSecond),
          digits,
        ),
        `${summarize(
          of(label, ({ p50 }) => p50),
          digits,
        )} ms`,
        `${summarize(
          of(label, ({ p99 }) => p99),
          digits,
        )} ms`,
        `${summarize(
          of(label, ({ max }) => max),
          digits,
        )} ms`,
      ]),
      notes: [
        'Who logs in derives keys for it on the same two cores; the broker derives none, since it keeps what is derived.',
      ],
    });
  } finally {
    await broker.stop();
  }
}

function timesOf({ isQuick }: BenchContext): typeof TIMES {
  return isQuick ? TIMES_QUICK : TIMES;
}
