/**
 * A cluster that goes from open to secured while clients write: three brokers, restarted one after the other, phase after phase, as Kafka's
 * upgrade notes have it (`security_rolling_upgrade_test`). Then certificates that are changed in place. No send may fail.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import type { ClientOptions } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { MemoryMetadataStore } from '@millrace/metadata';
import { systemClock, systemRandom } from '@millrace/ports';
import { Producer } from '@millrace/producer';
import { ZooKeeperListener, ZooKeeperServer } from '@millrace/zookeeper';
import { SpawnedBroker } from '../faults/spawned-broker.ts';
import { freePort } from '../kafka/index.ts';
import { root } from '../source/index.ts';

const HOST = '127.0.0.1';
const IDS = [1, 2, 3] as const;
const TOPIC = 'rolling';
const PAUSE_MS = 10;
const IN_SYNC_MS_MAX = 60_000;

interface Member {
  readonly id: number;
  readonly plainPort: number;
  readonly securePort: number;
  process: SpawnedBroker | undefined;
}

type Settings = Readonly<Record<string, string>>;

interface Phase {
  readonly name: string;
  readonly listeners: readonly ('plain' | 'secure')[];
  readonly between: 'plain' | 'secure';
}

/** What is different between one restart of all brokers and the next. */
const PHASES: readonly Phase[] = [
  { name: 'open', listeners: ['plain'], between: 'plain' },
  { name: 'a secured listener beside it', listeners: ['plain', 'secure'], between: 'plain' },
  { name: 'brokers speak over it', listeners: ['plain', 'secure'], between: 'secure' },
  { name: 'the open listener is gone', listeners: ['secure'], between: 'secure' },
];

/** What the change has done to clients. */
export interface RollingReport {
  readonly sent: number;
  readonly failed: readonly string[];
  /** The longest that one send has waited. */
  readonly longestMs: number;
  /** Acknowledged, and not read in the end. */
  readonly lost: number;
  readonly seconds: number;
}

/** Secures a cluster step by step. @throws Error where it does not get in sync again */
export async function changeRolling(print: (line: string) => void): Promise<RollingReport> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-rolling-'));
  const beganMs = performance.now();
  const server = new ZooKeeperServer({ store: new MemoryMetadataStore(), clock: systemClock, random: systemRandom });
  const listener = await ZooKeeperListener.listen(server, { host: HOST, port: 0 });
  const members: Member[] = [];
  for (const id of IDS)
    members.push({ id, plainPort: await freePort(), securePort: await freePort(), process: undefined });
  const cluster = new RollingCluster(members, folder, `${HOST}:${listener.port}`);
  const writers: Writer[] = [];
  try {
    await cluster.roll(0);
    await cluster.createTopic();
    for (const [phase, { name }] of PHASES.entries()) {
      if (phase > 0) await cluster.roll(phase);
      print(`phase ${phase}: ${name}; ${writers.reduce((sum, { sent }) => sum + sent, 0)} sends so far`);
      if (phase === 0) writers.push(new Writer('plain', cluster.client('plain')));
      if (phase === 1) writers.push(new Writer('secure', cluster.client('secure')));
      // Who still speaks in the open goes over before the listener goes.
      if (phase === 2) await writers[0]?.stop();
      await sleep(500);
    }
    cluster.renewCertificates();
    print('certificates written anew');
    await sleep(4_000);
    await writers[1]?.stop();
    const values = await readAll(cluster.client('secure'), writers);
    return {
      sent: writers.reduce((sum, { sent }) => sum + sent, 0),
      failed: writers.flatMap(({ failed }) => failed),
      longestMs: Math.max(...writers.map(({ longestMs }) => longestMs)),
      lost: writers.flatMap(({ acknowledged }) => acknowledged).filter((value) => !values.has(value)).length,
      seconds: (performance.now() - beganMs) / 1000,
    };
  } finally {
    for (const writer of writers) await writer.stop();
    await cluster.stop();
    await listener.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const fixture = (name: string): string => readFileSync(join(root, 'packages/network/fixtures', name), 'utf8');

class RollingCluster {
  readonly #members: readonly Member[];
  readonly #folder: string;
  readonly #zooKeeper: string;

  constructor(members: readonly Member[], folder: string, zooKeeper: string) {
    this.#members = members;
    this.#folder = folder;
    this.#zooKeeper = zooKeeper;
    this.renewCertificates();
  }

  /** The same key and certificate in other bytes: files are looked at by their content. */
  renewCertificates(): void {
    const text = `# ${performance.now()}\n${fixture('localhost.key.pem')}\n${fixture('localhost.cert.pem')}`;
    for (const { id } of this.#members) writeFileSync(this.#keystore(id), text, { mode: 0o600 });
  }

  /** Restarts all brokers with the settings of a phase, one after the other, each when the one before is in sync again. */
  async roll(phase: number): Promise<void> {
    for (const member of this.#members) {
      await member.process?.stop();
      const folder = join(this.#folder, `b${member.id}`);
      member.process = await SpawnedBroker.start({ folder, settings: this.#settings(member, phase) });
      if (phase > 0) await this.#inSync(PHASES[phase]?.listeners.includes('plain') === true ? 'plain' : 'secure');
    }
  }

  async createTopic(): Promise<void> {
    await using admin = new Admin(this.client('plain'));
    const configs = { 'min.insync.replicas': '2' };
    await admin.createTopics([{ topic: TOPIC, partitions: 3, replicationFactor: 3, configs }]);
    await this.#inSync('plain');
  }

  client(kind: 'plain' | 'secure'): ClientOptions {
    const ports = this.#members.map(({ plainPort, securePort }) => (kind === 'plain' ? plainPort : securePort));
    const bootstrapServers = ports.map((port) => `localhost:${port}`).join(',');
    if (kind === 'plain') return { bootstrapServers };
    const sasl = { mechanism: 'PLAIN', username: 'client', password: 'client-pw' } as const;
    return { bootstrapServers, sasl, tls: { ca: fixture('localhost.cert.pem') } };
  }

  async stop(): Promise<void> {
    for (const { process } of this.#members) if (process?.isRunning === true) await process.stop();
  }

  #settings({ id, plainPort, securePort }: Member, phase: number): Settings {
    const { listeners, between } = PHASES[phase] as Phase;
    const endpoints = { plain: `OPEN://localhost:${plainPort}`, secure: `SECURED://localhost:${securePort}` };
    const jaas =
      'org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" password="broker-pw" user_broker="broker-pw" user_client="client-pw";';
    return {
      'broker.id': String(id),
      'zookeeper.connect': this.#zooKeeper,
      'offsets.topic.replication.factor': '3',
      listeners: listeners.map((kind) => endpoints[kind]).join(','),
      'listener.security.protocol.map': 'OPEN:PLAINTEXT,SECURED:SASL_SSL',
      'inter.broker.listener.name': between === 'plain' ? 'OPEN' : 'SECURED',
      ...(listeners.includes('secure')
        ? {
            'sasl.enabled.mechanisms': 'PLAIN',
            'sasl.mechanism.inter.broker.protocol': 'PLAIN',
            'listener.name.secured.plain.sasl.jaas.config': jaas,
            'ssl.keystore.location': this.#keystore(id),
            'ssl.truststore.location': join(root, 'packages/network/fixtures/localhost.cert.pem'),
          }
        : {}),
    };
  }

  #keystore(id: number): string {
    return join(this.#folder, `b${id}.pem`);
  }

  async #inSync(kind: 'plain' | 'secure'): Promise<void> {
    const untilMs = performance.now() + IN_SYNC_MS_MAX;
    await using admin = new Admin(this.client(kind));
    while (performance.now() < untilMs) {
      // A broker that has just started does not know of it for a moment, as in Kafka.
      const [topic] = await admin.describeTopics([TOPIC]).catch(() => []);
      if (topic?.partitions.every(({ inSyncReplicas }) => inSyncReplicas.length === IDS.length) === true) return;
      await sleep(100);
    }
    throw new Error(`${TOPIC} was not in sync again within ${IN_SYNC_MS_MAX} ms`);
  }
}

/** Sends one record after the other until it is stopped. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly failed: string[] = [];
  sent = 0;
  longestMs = 0;
  readonly #producer: Producer;
  readonly #done: Promise<void>;
  #isStopped = false;

  constructor(name: string, client: ClientOptions) {
    this.#producer = new Producer(client);
    this.#done = this.#run(name);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(name: string): Promise<void> {
    while (!this.#isStopped) {
      const value = `${name} ${this.sent}`;
      this.sent += 1;
      const beganMs = performance.now();
      try {
        await this.#producer.send({ topic: TOPIC, value });
        this.acknowledged.push(value);
      } catch (error) {
        this.failed.push(error instanceof Error ? error.message : String(error));
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - beganMs);
      await sleep(PAUSE_MS);
    }
    await this.#producer.close();
  }
}

async function readAll(client: ClientOptions, writers: readonly Writer[]): Promise<ReadonlySet<string>> {
  const count = writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  const values = new Set<string>();
  await using consumer = new Consumer({ ...client, groupId: 'reader', autoOffsetReset: 'earliest' });
  consumer.subscribe(TOPIC);
  const late = setTimeout(() => void consumer.close(), IN_SYNC_MS_MAX);
  for await (const { value } of consumer) {
    values.add(String(value));
    if (values.size >= count) break;
  }
  clearTimeout(late);
  return values;
}
