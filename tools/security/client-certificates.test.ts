/** What clients do about certificates: theirs and the broker's are replaced under them, and a broker shows what nobody may trust. */
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import type { ClientOptions, Logger, TlsSource } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { startBroker } from '@millrace/testing';
import { describe, expect, it } from 'vitest';
import type { BrokerProcess } from '../../apps/broker/src/broker-process.ts';
import { ZooKeeperScene } from '../../apps/broker/src/testing/zookeeper-scene.ts';
import { freePort } from '../kafka/index.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`../../packages/network/fixtures/${name}.pem`, import.meta.url), 'utf8');

/** An authority that has issued two certificates, and one that is its own. */
const OLD = { authority: fixture('authority.cert'), broker: fixture('issued-first'), client: fixture('issued-second') };
const own = `${fixture('localhost.key')}\n${fixture('localhost.cert')}`;
const NEW = { authority: fixture('localhost.cert'), broker: own, client: own };
const BOTH = `${OLD.authority}${NEW.authority}`;

/** Files of a client, and of a broker that wants to see its clients' certificates and is started again with each change. */
class Scene {
  readonly #inside: ZooKeeperScene;
  readonly #port: number;
  #broker: BrokerProcess | undefined;
  /** How often clients have asked for their files. */
  asked = 0;
  /** What the function throws in the place of giving files. */
  fault: Error | undefined;

  private constructor(inside: ZooKeeperScene, port: number) {
    this.#inside = inside;
    this.#port = port;
  }

  static async open(): Promise<Scene> {
    return new Scene(await ZooKeeperScene.open(), await freePort());
  }

  get client(): ClientOptions {
    const tls: TlsSource = async () => {
      this.asked += 1;
      if (this.fault !== undefined) throw this.fault;
      const [ca, own] = await Promise.all([readFile(this.#file('client-ca')), readFile(this.#file('client'))]);
      return { ca, cert: own, key: own };
    };
    return { bootstrapServers: `localhost:${this.#port}`, tls };
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) await writeFile(this.#file(name), text);
  }

  /** Starts the broker, again where it runs: every connection is made anew. */
  async start(): Promise<void> {
    await this.#broker?.stop();
    this.#broker = await this.#inside.start('broker', {
      listeners: `SSL://localhost:${this.#port}`,
      'security.inter.broker.protocol': 'SSL',
      'ssl.client.auth': 'required',
      'ssl.keystore.location': this.#file('broker'),
      'ssl.truststore.location': this.#file('broker-ca'),
      'offsets.topic.replication.factor': '1',
    });
  }

  close(): Promise<void> {
    return this.#inside.close();
  }

  #file(name: string): string {
    return join(this.#inside.folder, `${name}.pem`);
  }
}

/** A producer, a consumer of a group and an administrator, all at work until they are stopped. */
class Clients {
  readonly failed: unknown[] = [];
  readonly sent: string[] = [];
  readonly read = new Set<string>();
  readonly #working: Promise<unknown>;
  readonly #consumer: Consumer;
  #isStopped = false;

  constructor(client: ClientOptions) {
    this.#consumer = new Consumer({ ...client, groupId: 'g', autoOffsetReset: 'earliest' });
    this.#consumer.subscribe('t');
    const reading = this.#consumer.run({ eachRecord: ({ value }) => void this.read.add(String(value)) });
    reading.catch((error: unknown) => this.failed.push(error));
    this.#working = Promise.all([this.#produce(client), this.#administer(client)]);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#working;
    await expect.poll(() => this.read.size, { timeout: 10_000 }).toBe(this.sent.length);
    await this.#consumer.close();
  }

  /** Resolves when all have done something more. */
  async goOn(): Promise<void> {
    const [sent, read] = [this.sent.length, this.read.size];
    await expect.poll(() => this.sent.length > sent + 2 && this.read.size > read, { timeout: 20_000 }).toBe(true);
  }

  async #produce(client: ClientOptions): Promise<void> {
    await using producer = new Producer(client);
    await this.#repeat(async () => {
      await producer.send({ topic: 't', value: String(this.sent.length) });
      this.sent.push(String(this.sent.length));
    });
  }

  async #administer(client: ClientOptions): Promise<void> {
    await using admin = new Admin(client);
    await this.#repeat(() => admin.listTopics());
  }

  async #repeat(act: () => Promise<unknown>): Promise<void> {
    while (!this.#isStopped) {
      await act().catch((error: unknown) => this.failed.push(error));
      await sleep(20);
    }
  }
}

it('Clients go on while the authority and the certificates on both sides are replaced, and where their function fails for a while', async () => {
  const scene = await Scene.open();
  try {
    await scene.write({
      broker: OLD.broker,
      'broker-ca': OLD.authority,
      client: OLD.client,
      'client-ca': OLD.authority,
    });
    await scene.start();
    const clients = new Clients(scene.client);
    await clients.goOn();
    const steps: readonly Readonly<Record<string, string>>[] = [
      { 'broker-ca': BOTH, 'client-ca': BOTH },
      { broker: NEW.broker, client: NEW.client },
      { 'broker-ca': NEW.authority, 'client-ca': NEW.authority },
    ];
    for (const files of steps) {
      await scene.write(files);
      scene.fault = new Error('the vault is closed');
      await scene.start();
      const asked = scene.asked;
      await expect.poll(() => scene.asked, { timeout: 10_000 }).toBeGreaterThan(asked + 3);
      scene.fault = undefined;
      await clients.goOn();
    }
    await clients.stop();
    expect(clients.failed).toEqual([]);
    await using late = new Admin({ ...scene.client, tls: { ca: OLD.authority, cert: OLD.client, key: OLD.client } });
    await expect(late.listTopics()).rejects.toMatchObject({ cause: { code: 'NETWORK_TLS_FAILED' } });
  } finally {
    await scene.close();
  }
}, 120_000);

it('What a function throws is told when the time is over, as the cause', async () => {
  const thrown = new Error('the vault is closed');
  const tls: TlsSource = () => {
    throw thrown;
  };
  await using admin = new Admin({ bootstrapServers: 'localhost:1', tls, apiTimeoutMs: 300 });
  const failed = await admin.listTopics().catch((error: unknown) => error);
  const message = expect.stringContaining('the function tls failed: the vault is closed');
  expect(failed).toMatchObject({
    code: 'CLIENT_TIMED_OUT',
    message,
    cause: { retriable: true, cause: { code: 'NETWORK_CREDENTIALS_FAILED', message, cause: thrown } },
  });
});

const EXPIRED = { key: fixture('expired.key'), cert: fixture('expired.cert') };
const ELSEWHERE = { key: fixture('issued-elsewhere'), cert: fixture('issued-elsewhere') };
const ISSUED = { key: OLD.broker, cert: OLD.broker };

/** What each client does first, and rejects. */
const CLIENTS: readonly (readonly [string, (options: ClientOptions) => Promise<unknown>])[] = [
  [
    'a producer',
    async (options) => {
      await using producer = new Producer(options);
      await producer.send({ topic: 't', value: 'x' });
    },
  ],
  [
    'a consumer',
    async (options) => {
      await using consumer = new Consumer({ ...options, groupId: 'g' });
      consumer.subscribe('t');
      await consumer.run({ eachRecord() {} });
    },
  ],
  [
    'an admin',
    async (options) => {
      await using admin = new Admin(options);
      await admin.listTopics();
    },
  ],
];

describe.each([
  ['has expired', EXPIRED, EXPIRED.cert, /certificate has expired \(CERT_HAS_EXPIRED\)/],
  [
    'is of another host',
    ELSEWHERE,
    OLD.authority,
    /localhost\. is not in the cert's altnames.*ERR_TLS_CERT_ALTNAME_INVALID/,
  ],
  ['is of an authority that is not trusted', ISSUED, NEW.authority, /no authority that is trusted here/],
])('a broker whose certificate %s', (_, tls, ca, why) => {
  it.each(CLIENTS)('is told to %s at once, and for good', async (_client, use) => {
    await using broker = await startBroker({ tls });
    const told: string[] = [];
    const logger: Logger = { debug() {}, info() {}, error() {}, warn: (_fields, line) => void told.push(line) };
    const beganMs = performance.now();
    const options = { bootstrapServers: `localhost:${broker.port}`, tls: { ca }, logger };
    const failed = await use(options).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      retriable: false,
      message: expect.stringMatching(why),
      cause: { code: 'NETWORK_TLS_FAILED', retriable: false, cause: expect.any(Error) },
    });
    expect(told[0]).toMatch(why);
    // Not when the time of what was asked for is over, 30 s and more.
    expect(performance.now() - beganMs).toBeLessThan(10_000);
  });
});

it('A broker that comes back with a certificate that has expired is told to clients that are at work, too', async () => {
  const port = await freePort();
  const good = await startBroker({ port, tls: ISSUED, topics: ['t'] });
  const told: string[] = [];
  const logger: Logger = { debug() {}, info() {}, error() {}, warn: (_fields, line) => void told.push(line) };
  const ca = `${OLD.authority}${EXPIRED.cert}`;
  const options = { bootstrapServers: `localhost:${port}`, tls: { ca }, logger };
  const producer = new Producer(options);
  await producer.send({ topic: 't', value: 'before' });
  const consumer = new Consumer({ ...options, groupId: 'g', autoOffsetReset: 'earliest' });
  consumer.subscribe('t');
  const seen = Promise.withResolvers<void>();
  const running = consumer.run({ eachRecord: () => seen.resolve() });
  running.catch(() => undefined);
  await seen.promise;
  await good.close();
  await using _expired = await startBroker({ port, tls: EXPIRED });
  const refusal = { retriable: false, message: expect.stringContaining('CERT_HAS_EXPIRED') };
  await expect(producer.send({ topic: 't', value: 'after' })).rejects.toMatchObject(refusal);
  await expect(running).rejects.toMatchObject(refusal);
  expect(told.some((line) => line.includes('CERT_HAS_EXPIRED'))).toBe(true);
  // It was reached: what is wrong is what it has shown.
  expect(told.filter((line) => line.includes('CERT_HAS_EXPIRED') && line.includes('cannot be reached'))).toEqual([]);
  await consumer.close();
  await producer.close();
}, 30_000);
