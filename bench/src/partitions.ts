/** `pnpm bench partitions`: 10,000 partitions on one broker: how long everything takes, and what it costs. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { Metadata } from '@millrace/protocol';
import { RawClient } from '../../tools/faults/raw-client.ts';
import { SpawnedBroker, type SpawnedBrokerOptions, usageOf } from '../../tools/faults/spawned-broker.ts';
import type { Bench, BenchContext, Findings } from './bench.ts';
import { digits } from './report/statistics.ts';

/** What one step took, and how the broker was after it. */
interface Step {
  readonly name: string;
  readonly tookMs: number;
  readonly note: string;
  readonly rssBytes: number;
  readonly openFiles: number;
}

const TOPICS = 1000;
const TOPICS_QUICK = 100;
const PARTITIONS_PER_TOPIC = 10;
/** Topics that one request asks for. */
const TOPICS_PER_REQUEST = 100;
const TIMEOUT_MS = 600_000;
const IDLE_MS = 15_000;
const MIB = 1024 * 1024;
const HTTP_PORT = /metrics on port (\d+)/;

export const bench: Bench = {
  title: 'Ten thousand partitions on one broker',
  about: '10,000 partitions on one broker: create, list, produce to all, start again in order and after kill -9',
  parts: ['partitions'],
  seconds: { full: 130, quick: 35 },
  run: measurePartitions,
};

async function measurePartitions(context: BenchContext, findings: Findings): Promise<void> {
  const topics = context.isQuick ? TOPICS_QUICK : TOPICS;
  const folder = mkdtempSync(join(tmpdir(), 'bench-partitions-'));
  const run = new PartitionRun(context, topics, { folder, settings: { 'millrace.http.port': 0 } });
  try {
    await run.all();
  } finally {
    await run.close();
    rmSync(folder, { recursive: true, force: true });
    findings.raw('steps', run.steps);
    findings.table({
      title: `${topics} topics of ${PARTITIONS_PER_TOPIC} partitions, one step after the other`,
      columns: ['step', 'took', '', 'RSS', 'open files'],
      rows: run.steps.map(({ name, tookMs, note, rssBytes, openFiles }) => [
        name,
        `${digits(tookMs)} ms`,
        note,
        `${digits(rssBytes / MIB)} MiB`,
        String(openFiles),
      ]),
      notes: ['One round. Starts are from the start of the process to its word that it is ready.'],
    });
  }
}

class PartitionRun {
  readonly steps: Step[] = [];
  readonly #context: BenchContext;
  readonly #options: SpawnedBrokerOptions;
  readonly #names: readonly string[];
  #broker: SpawnedBroker | undefined;

  constructor(context: BenchContext, topics: number, options: SpawnedBrokerOptions) {
    this.#context = context;
    this.#options = options;
    this.#names = Array.from({ length: topics }, (_, n) => `topic-${String(n).padStart(4, '0')}`);
  }

  async all(): Promise<void> {
    await this.#start('start, empty');
    await this.#step('create', () => this.#create());
    await this.#step('metadata of all topics', () => this.#metadata());
    await this.#step('describe log directories', () => this.#logDirs());
    await this.#step('scrape /metrics', () => this.#scrape());
    await this.#step('produce to each partition', () => this.#produce());
    await this.#step('produce to each again', () => this.#produce());
    await this.#stop('stop in order');
    await this.#start('start after that');
    await this.#step('do nothing', () => this.#idle());
    await this.#step('produce to each partition', () => this.#produce());
    await this.#broker!.kill();
    await this.#start('start after kill -9');
    await this.#step('produce to each partition', () => this.#produce());
    await this.#step('read each to its end', () => this.#endOffsets());
    await this.#step('delete half of the topics', () => this.#deleteHalf());
    await this.#stop('stop in order');
    await this.#start('start after that');
  }

  async #idle(): Promise<string> {
    const { pid } = this.#broker!;
    const before = usageOf(pid).cpuSeconds;
    await sleep(IDLE_MS);
    return `${digits(((usageOf(pid).cpuSeconds - before) * 100_000) / IDLE_MS)}% of a processor`;
  }

  async close(): Promise<void> {
    await this.#broker?.kill();
  }

  async #start(name: string): Promise<void> {
    const broker = await SpawnedBroker.start(this.#options);
    this.#broker = broker;
    this.#note(name, broker.readyMs, `${(usageOf(broker.pid).cpuSeconds * 1000).toFixed(0)} ms of processor`);
  }

  async #stop(name: string): Promise<void> {
    const broker = this.#broker!;
    const { rssBytes, openFiles } = usageOf(broker.pid);
    const startedAt = performance.now();
    const { code } = await broker.stop();
    if (code !== 0) throw new Error(`the broker ended with ${code}:\n${broker.output.slice(-2000)}`);
    this.steps.push({ name, tookMs: performance.now() - startedAt, note: '', rssBytes, openFiles });
  }

  async #step(name: string, work: () => Promise<string>): Promise<void> {
    const startedAt = performance.now();
    const note = await work();
    this.#note(name, performance.now() - startedAt, note);
  }

  #note(name: string, tookMs: number, note: string): void {
    const { rssBytes, openFiles } = usageOf(this.#broker!.pid);
    this.steps.push({ name, tookMs, note, rssBytes, openFiles });
    this.#context.progress(`${name}: ${tookMs.toFixed(0)} ms, ${(rssBytes / MIB).toFixed(0)} MiB ${note}`);
  }

  async #withAdmin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
    await using admin = new Admin({
      bootstrapServers: this.#broker!.bootstrap,
      apiTimeoutMs: TIMEOUT_MS,
      requestTimeoutMs: TIMEOUT_MS,
    });
    return await use(admin);
  }

  #create(): Promise<string> {
    return this.#withAdmin(async (admin) => {
      for (let at = 0; at < this.#names.length; at += TOPICS_PER_REQUEST) {
        const topics = this.#names.slice(at, at + TOPICS_PER_REQUEST);
        await admin.createTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS_PER_TOPIC })));
      }
      return `${TOPICS_PER_REQUEST} topics a request`;
    });
  }

  async #metadata(): Promise<string> {
    const client = await RawClient.connect(this.#broker!.port);
    const { topics } = await client.ask(Metadata, 12, { topics: null });
    client.close();
    const partitions = topics.reduce((sum, topic) => sum + topic.partitions.length, 0);
    return `${partitions} partitions`;
  }

  #logDirs(): Promise<string> {
    return this.#withAdmin(async (admin) => {
      const [dir] = await admin.describeLogDirs();
      return `${dir?.replicas.length} replicas`;
    });
  }

  async #scrape(): Promise<string> {
    const port = HTTP_PORT.exec(this.#broker!.output)?.[1];
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return `${digits(text.length / MIB)} MiB`;
  }

  async #produce(): Promise<string> {
    await using producer = new Producer({
      bootstrapServers: this.#broker!.bootstrap,
      deliveryTimeoutMs: TIMEOUT_MS,
      requestTimeoutMs: TIMEOUT_MS,
    });
    const sends: Promise<unknown>[] = [];
    for (const topic of this.#names) {
      for (let partition = 0; partition < PARTITIONS_PER_TOPIC; partition += 1) {
        sends.push(producer.send({ topic, partition, value: 'a record of some thirty bytes...' }));
      }
    }
    await Promise.all(sends);
    return `${sends.length} records, acknowledged`;
  }

  #endOffsets(): Promise<string> {
    return this.#withAdmin(async (admin) => {
      let records = 0;
      for (const topic of this.#names) {
        const queries = Array.from({ length: PARTITIONS_PER_TOPIC }, (_, partition) => ({ topic, partition }));
        const ends = await admin.listOffsets(queries.map((query) => ({ ...query, at: 'latest' })));
        records += ends.reduce((sum, { offset }) => sum + offset, 0);
      }
      return `${records} records`;
    });
  }

  #deleteHalf(): Promise<string> {
    return this.#withAdmin(async (admin) => {
      const topics = this.#names.slice(0, this.#names.length / 2);
      await admin.deleteTopics(topics);
      return `${topics.length} topics; ${readdirSync(this.#options.folder).length} entries in the folder`;
    });
  }
}
