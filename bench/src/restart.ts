import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import { ErrorCode, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { RawClient } from '../../tools/faults/raw-client.ts';
import { SpawnedBroker, usageOf } from '../../tools/faults/spawned-broker.ts';
import { type Bench, type BenchContext, type Findings, isWanted, type Table } from './bench.ts';
import { digits } from './report/statistics.ts';

const MIB = 1024 * 1024;
const LARGE_BYTES = 20 * 1024 * MIB;
const LARGE_BYTES_QUICK = 1024 * MIB;
const PARTITIONS = 1000;
const PARTITIONS_QUICK = 100;
/** Of each of the many partitions, before the restarts. */
const SMALL_BYTES = 2 * MIB;
const VALUE_BYTES = 1000;
const BATCH_BYTES = 256 * 1024;
/** Of the large partition: written, acknowledged, and not yet below the recovery point when the broker is killed. */
const BEHIND_BYTES = [0, 16 * MIB, 128 * MIB, 512 * MIB];
/** The same for each of the many. */
const BEHIND_EACH_BYTES = [0, BATCH_BYTES, 4 * BATCH_BYTES];
const CONNECTIONS = 4;
const TOPIC = 'restart';
const SCANNED_BYTES = /"scannedBytes":(\d+)/g;

/** No checkpoint moves the recovery point on but the one of a roll and the one of a stop in order. */
const SETTINGS = { 'log.flush.offset.checkpoint.interval.ms': 3_600_000, 'millrace.http.port': -1 };
/** To fill a disk in good time: nothing is measured of it. */
const UNSYNCED = { ...SETTINGS, 'log.flush.interval.messages': '9223372036854775807' };

export const bench: Bench = {
  title: 'Restarts',
  about: 'restarts with a 20 GB partition and with 1,000 partitions: in order, and after kill -9; needs 25 GB of disk',
  parts: ['large', 'many'],
  seconds: { full: 300, quick: 60 },
  run: measureRestarts,
};

async function measureRestarts(context: BenchContext, findings: Findings): Promise<void> {
  for (const [part, run] of [
    ['large', () => largePartition(context)],
    ['many', () => manyPartitions(context)],
  ] as const) {
    if (!isWanted(context, part)) continue;
    await findings.attempt(part, async () => {
      const { table, starts } = await run();
      findings.table(table);
      findings.raw(part, starts);
    });
  }
}

async function largePartition(context: BenchContext): Promise<Restarts> {
  const sizeBytes = context.isQuick ? LARGE_BYTES_QUICK : LARGE_BYTES;
  const restarts = new Restarts(context, `A partition of ${digits(sizeBytes / 1024 / MIB)} GiB`, 1);
  return restarts.run(sizeBytes, BEHIND_BYTES);
}

async function manyPartitions(context: BenchContext): Promise<Restarts> {
  const partitions = context.isQuick ? PARTITIONS_QUICK : PARTITIONS;
  const restarts = new Restarts(context, `${partitions} partitions of ${digits(SMALL_BYTES / MIB)} MiB`, partitions);
  return restarts.run(SMALL_BYTES, BEHIND_EACH_BYTES);
}

interface Start {
  readonly after: string;
  readonly readyMs: number;
  readonly cpuMs: number;
  readonly behindBytes: number;
  readonly scannedBytes: number;
  readonly rssPeakBytes: number;
}

class Restarts {
  readonly starts: Start[] = [];
  readonly #context: BenchContext;
  readonly #title: string;
  readonly #partitions: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'bench-restart-'));
  readonly #batch = batchOf(BATCH_BYTES);
  #broker: SpawnedBroker | undefined;

  constructor(context: BenchContext, title: string, partitions: number) {
    this.#context = context;
    this.#title = title;
    this.#partitions = partitions;
  }

  get table(): Table {
    return {
      title: this.#title,
      columns: ['started after', 'behind the recovery point', 'scanned', 'ready after', 'processor', 'largest RSS'],
      rows: this.starts.map((start) => [
        start.after,
        `${digits(start.behindBytes / MIB)} MiB`,
        `${digits(start.scannedBytes / MIB)} MiB`,
        `${digits(start.readyMs)} ms`,
        `${digits(start.cpuMs)} ms`,
        `${digits(start.rssPeakBytes / MIB)} MiB`,
      ]),
      notes: [
        `Batches of ${BATCH_BYTES / 1024} KiB. From the start of the process to its word that it is ready; what it read was in the system's memory, as it is after a kill.`,
      ],
    };
  }

  async run(bytesEach: number, behindEach: readonly number[]): Promise<this> {
    try {
      this.#broker = await this.#start(UNSYNCED);
      await this.#create();
      await this.#produce(bytesEach);
      await this.#stop();
      await this.#restart('a stop in order', 0);
      await this.#stop();
      await this.#restart('another stop in order', 0);
      for (const bytes of behindEach) await this.#killAndRestart(bytes);
      return this;
    } finally {
      await this.#broker?.kill();
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  async #killAndRestart(bytesEach: number): Promise<void> {
    // From a stop in order on, what was written before lies below the recovery point.
    await this.#stop();
    this.#broker = await this.#start(SETTINGS);
    await this.#produce(bytesEach);
    await this.#broker.kill();
    await this.#restart('kill -9', bytesEach * this.#partitions);
  }

  #start(settings: typeof SETTINGS): Promise<SpawnedBroker> {
    return SpawnedBroker.start({ folder: this.#folder, settings });
  }

  async #restart(after: string, behindBytes: number): Promise<void> {
    const broker = await this.#start(SETTINGS);
    this.#broker = broker;
    const { cpuSeconds, rssPeakBytes } = usageOf(broker.pid);
    const scannedBytes = Number([...broker.output.matchAll(SCANNED_BYTES)].at(-1)?.[1] ?? 0);
    const start = { after, readyMs: broker.readyMs, cpuMs: cpuSeconds * 1000, behindBytes, scannedBytes, rssPeakBytes };
    this.starts.push(start);
    this.#context.progress(
      `after ${after}, ${digits(behindBytes / MIB)} MiB: ${start.readyMs.toFixed(0)} ms, ${digits(rssPeakBytes / MIB)} MiB`,
    );
  }

  async #stop(): Promise<void> {
    const { code, output } = await this.#broker!.stop();
    if (code !== 0) throw new Error(`the broker ended with ${code}:\n${output.slice(-2000)}`);
  }

  async #create(): Promise<void> {
    await using admin = new Admin({ bootstrapServers: this.#broker!.bootstrap });
    await admin.createTopics([{ topic: TOPIC, partitions: this.#partitions, configs: { 'retention.ms': -1 } }]);
  }

  /** Writes at least so many bytes to each partition, in whole batches. */
  async #produce(bytesEach: number): Promise<void> {
    const startedAt = performance.now();
    const rounds = Math.ceil(bytesEach / BATCH_BYTES);
    const total = rounds * this.#partitions;
    let next = 0;
    const write = async (): Promise<void> => {
      const client = await RawClient.connect(this.#broker!.port);
      while (next < total) await this.#send(client, next++ % this.#partitions);
      client.close();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, write));
    const writtenBytes = rounds * this.#partitions * BATCH_BYTES;
    const perSecond = writtenBytes / MIB / ((performance.now() - startedAt) / 1000);
    this.#context.progress(`wrote ${digits(writtenBytes / MIB)} MiB, ${digits(perSecond)} MiB/s`);
  }

  async #send(client: RawClient, index: number): Promise<void> {
    const topicData = [{ name: TOPIC, partitionData: [{ index, records: this.#batch }] }];
    const { responses } = await client.ask(Produce, 9, { acks: -1, timeoutMs: 60_000, topicData });
    const errorCode = responses[0]?.partitionResponses[0]?.errorCode;
    if (errorCode !== ErrorCode.NONE) throw new Error(`a batch was refused with error ${errorCode}`);
  }
}

function batchOf(sizeBytes: number): Buffer {
  const builder = new RecordBatchBuilder({ initialBytes: sizeBytes, targetBytes: sizeBytes });
  const value = Buffer.alloc(VALUE_BYTES, 'restart ');
  for (let n = 0; n < Math.floor(sizeBytes / (VALUE_BYTES + 20)); n += 1) builder.append(Date.now(), null, value);
  return builder.build();
}
