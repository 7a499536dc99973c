/**
 * The broker that the suite runs against: a fresh Millrace process by default; Apache Kafka, or any broker, when
 * `COMPAT_TARGET` says so. So the same suite proves itself against the real thing.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { within } from '../clients/index.ts';
import { BROKER_IDS, PLAIN_SETTINGS, startCluster } from '../faults/cluster-process.ts';
import { EnsembleCluster } from '../faults/ensemble-cluster.ts';
import { KAFKA_3, startApacheKafka } from '../kafka/index.ts';
import { root } from '../source/index.ts';

export interface Target {
  /** `host:port` */
  readonly bootstrap: string;
  /** What it is, for reports. */
  readonly name: string;
  stop(): Promise<void>;
}

const START_MS_MAX = 20_000;
const STOP_MS_MAX = 20_000;

/** Settings by Kafka's names, for whichever broker is started. */
export type TargetConfig = Readonly<Record<string, string>>;

/**
 * @param wanted - `millrace`; `apache` or `apache@4.1.0`; or `host:port` of a broker that runs already.
 * @throws Error with what the broker printed when it does not start.
 */
export async function startTarget(
  wanted: string = process.env.COMPAT_TARGET ?? 'millrace',
  config: TargetConfig = {},
): Promise<Target> {
  if (wanted === 'millrace') return startMillrace(config);
  if (wanted === 'apache' || wanted.startsWith('apache@')) {
    const version = wanted.split('@')[1] ?? KAFKA_3;
    const kafka = await startApacheKafka({ version, config });
    return { bootstrap: kafka.bootstrap, name: `Apache Kafka ${version}`, stop: () => kafka.stop() };
  }
  return { bootstrap: wanted, name: wanted, stop: async () => undefined };
}

/** Three brokers: a local cluster of Millrace, or those at `host:port,...` that run already. */
export async function startClusterTarget(wanted = 'millrace'): Promise<Target> {
  if (wanted.startsWith('apache')) {
    throw new Error(`${wanted} is started with one broker only: give host:port of three that run`);
  }
  if (wanted !== 'millrace') return { bootstrap: wanted, name: wanted, stop: async () => undefined };
  const folder = mkdtempSync(join(tmpdir(), 'millrace-compat-'));
  const cluster = await startCluster({ engine: 'local', folder, settings: PLAIN_SETTINGS });
  return {
    bootstrap: cluster.bootstrapServers,
    name: 'Millrace, three brokers',
    async stop() {
      await cluster.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Three brokers on an ensemble, in three racks, of which consumers may read at the nearest replica, with topics that are created by
 * themselves three times over: what librdkafka's tests of clusters are written for.
 */
export async function startRackedTarget(wanted = 'millrace'): Promise<Target> {
  if (wanted !== 'millrace') return startClusterTarget(wanted);
  const folder = mkdtempSync(join(tmpdir(), 'millrace-compat-'));
  const cluster = await EnsembleCluster.start({
    folder,
    makes: new Map(BROKER_IDS.map((id) => [id, 'millrace'] as const)),
    settings: {
      ...PLAIN_SETTINGS,
      'num.partitions': 4,
      'min.insync.replicas': 1,
      // Some tests make rules of access; who is under none may do everything.
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'allow.everyone.if.no.acl.found': 'true',
      'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector',
    },
    ownSettings: (brokerId) => ({ 'broker.rack': `RACK${brokerId}` }),
  });
  return {
    bootstrap: cluster.bootstrapServers,
    name: 'Millrace, three brokers in three racks, on ZooKeeper',
    async stop() {
      await cluster.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The process as a user starts it, on a free port and in a temporary folder. */
async function startMillrace(config: TargetConfig): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-compat-'));
  const settings = {
    listeners: 'PLAINTEXT://127.0.0.1:0',
    'log.dirs': folder,
    'group.initial.rebalance.delay.ms': '0',
    // Test files run side by side, so no fixed port may be taken.
    'millrace.http.port': '-1',
    ...config,
  };
  const overrides = Object.entries(settings).flatMap(([name, value]) => ['--override', `${name}=${value}`]);
  const child = spawn(process.execPath, [join(root, 'apps/broker/src/main.ts'), ...overrides], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await exited;
    clearTimeout(late);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return { bootstrap: await within(START_MS_MAX, 'the start', ready(child)), name: 'Millrace', stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The address that the broker says it is ready at. */
function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const listen = (chunk: Buffer): void => {
      output += chunk;
      const address = /is ready at PLAINTEXT:\/\/([\w.]+:\d+)/.exec(output)?.[1];
      if (address !== undefined) resolve(address);
    };
    child.stdout?.on('data', listen);
    child.stderr?.on('data', listen);
    child.on('error', reject);
    child.on('close', (code) => reject(new Error(`Millrace ended with ${code} before it was ready:\n${output}`)));
  });
}
