/**
 * Topics that are compacted, or whose old segments are deleted, in the load on a cluster: every replica cleans by itself, leads one moment and
 * follows the next, and what is left must be what may be left, whoever leads.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { within } from '../clients/client.ts';
import { CleanedCheck } from './cleaned-check.ts';
import { Ledger } from './ledger.ts';
import { type FetchedRecord, fetchAll, readUncut } from './load.ts';
import { SdkPaced } from './paced-producers.ts';
import { reassign } from './reassign.ts';

const SETTLE_MS_MAX = 60_000;
const ASK_MS = 200;
const PARTITIONS = 2;
const KEYS = 50;
const RETENTION_BYTES = 60_000;

interface CleanedTopic {
  readonly topic: string;
  readonly isCompacted: boolean;
  readonly configs: Readonly<Record<string, string | number>>;
}

/** What has waited for a broker to come back must fit into such a segment. */
const BATCH_BYTES = 4096;

/** Small segments, so that something is due all the time. */
const SMALL = { 'segment.bytes': 30_000, 'file.delete.delay.ms': 300 };
const TOPICS: readonly CleanedTopic[] = [
  {
    topic: 'deleted',
    isCompacted: false,
    configs: { ...SMALL, 'cleanup.policy': 'delete', 'retention.bytes': RETENTION_BYTES },
  },
  {
    topic: 'compacted',
    isCompacted: true,
    configs: {
      ...SMALL,
      'cleanup.policy': 'compact',
      'min.cleanable.dirty.ratio': 0.1,
      'delete.retention.ms': 300,
    },
  },
];

/** What brokers are set to, so that cleaning is at work in runs of seconds. */
export const CLEANING_SETTINGS = { 'log.retention.check.interval.ms': 300, 'log.cleaner.backoff.ms': 100 };

/** What a partition's leader has. */
interface Content {
  readonly records: readonly FetchedRecord[];
  readonly logStartOffset: number;
  readonly logEndOffset: number;
}

/** What became of a topic. */
export interface CleanedReport {
  readonly topic: string;
  readonly acknowledged: number;
  /** Records that were there in the end. */
  readonly kept: number;
  /** Readings of whole partitions that were held against what was acknowledged. */
  readonly readings: number;
}

interface Part {
  readonly plan: CleanedTopic;
  readonly ledger: Ledger;
  readonly producer: SdkPaced;
}

export class CleanedLoad {
  readonly topics: readonly string[] = TOPICS.map(({ topic }) => topic);
  readonly #bootstrapServers: string;
  readonly #admin: Admin;
  readonly #paceMs: number | undefined;
  #parts: readonly Part[] = [];

  constructor(bootstrapServers: string, admin: Admin, paceMs?: number) {
    this.#paceMs = paceMs;
    this.#bootstrapServers = bootstrapServers;
    this.#admin = admin;
  }

  async create(replicationFactor: number): Promise<void> {
    const topics = TOPICS.map(({ topic, configs }) => ({ topic, configs, partitions: PARTITIONS, replicationFactor }));
    await this.#admin.createTopics(topics);
  }

  start(): void {
    this.#parts = TOPICS.map((plan) => {
      const { topic } = plan;
      const ledger = new Ledger();
      const own = { topic, partitions: PARTITIONS, ledger, keys: KEYS };
      const target = { ...own, bootstrapServers: this.#bootstrapServers, paceMs: this.#paceMs };
      return { plan, ledger, producer: new SdkPaced(target, { batchBytes: BATCH_BYTES }) };
    });
  }

  get ledgers(): readonly Ledger[] {
    return this.#parts.map(({ ledger }) => ledger);
  }

  /** Waits until something was cleaned away, ends the load, and holds what the leaders have against it; or what every replica has, each as leader. */
  async finish(isEveryReplicaRead: boolean): Promise<CleanedReport[]> {
    for (const part of this.#parts) await this.#untilCleaned(part);
    for (const { plan, producer } of this.#parts) {
      await within(SETTLE_MS_MAX, `the last sends to ${plan.topic}`, producer.finish());
    }
    const reports: CleanedReport[] = [];
    for (const part of this.#parts) reports.push(await this.#judge(part, isEveryReplicaRead));
    return reports;
  }

  async abort(): Promise<void> {
    await Promise.allSettled(this.#parts.map(({ producer }) => producer.abort()));
  }

  /** A run in which nothing was cleaned has shown nothing. */
  async #untilCleaned({ plan, ledger }: Part): Promise<void> {
    const deadline = performance.now() + SETTLE_MS_MAX;
    let seen = '';
    const hasBeen = async (): Promise<boolean> => {
      const known = [...ledger.sentAt(0).keys()].length;
      const { records } = await this.#read(plan.topic, 0);
      seen = `${records.length} of ${known} records`;
      return records.length > 0 && records.length < known;
    };
    const isNotAnswered = (error: unknown): boolean => {
      seen = String(error);
      return false;
    };
    while (!(await hasBeen().catch(isNotAnswered))) {
      if (performance.now() > deadline) {
        ledger.violation(`${plan.topic}: nothing was cleaned away for ${SETTLE_MS_MAX} ms, last seen: ${seen}`);
        return;
      }
      await sleep(ASK_MS);
    }
  }

  async #judge({ plan, ledger }: Part, isEveryReplicaRead: boolean): Promise<CleanedReport> {
    const { topic } = plan;
    const replicas = await this.#replicasOf(topic);
    const turns = isEveryReplicaRead ? replicas[0]!.length : 1;
    let [kept, readings] = [0, 0];
    for (let turn = 0; turn < turns; turn += 1) {
      if (turn > 0) await this.#turn(topic, replicas, turn);
      kept = 0;
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        kept += await this.#check(plan, ledger, partition);
        readings += 1;
      }
    }
    if (!plan.isCompacted) await this.#checkSizes(topic, ledger);
    return { topic, acknowledged: ledger.recordsAcknowledged, kept, readings };
  }

  async #replicasOf(topic: string): Promise<(readonly number[])[]> {
    const [described] = await this.#admin.describeTopics([topic]);
    return described!.partitions.map(({ replicas }) => replicas);
  }

  /** Has the next of the replicas lead. */
  async #turn(topic: string, replicas: readonly (readonly number[])[], turn: number): Promise<void> {
    const wanted = replicas.map((each) => [...each.slice(turn), ...each.slice(0, turn)]);
    await reassign(
      this.#admin,
      wanted.map((each, partition) => ({ topic, partition, replicas: each })),
    );
    const deadline = performance.now() + SETTLE_MS_MAX;
    for (;;) {
      await this.#admin.electLeaders('all').catch(() => undefined);
      const [described] = await this.#admin.describeTopics([topic]);
      if (described!.partitions.every(({ leaderId, partition }) => leaderId === wanted[partition]![0])) return;
      if (performance.now() > deadline) throw new Error(`${topic} is not led by its first replicas`);
      await sleep(ASK_MS);
    }
  }

  /** Gives how many records there are. */
  async #check({ topic, isCompacted }: CleanedTopic, ledger: Ledger, partition: number): Promise<number> {
    const { records, logStartOffset, logEndOffset } = await this.#stillContent(topic, ledger, partition);
    const check = new CleanedCheck(ledger, { topic, partition, keys: KEYS, isCompacted, logStartOffset, logEndOffset });
    for (const record of records) check.record(record);
    check.end();
    return records.length;
  }

  /**
   * What is there when nothing changes any more. Somebody who reads while a compaction is at work may see an old record and not the tombstone
   * that came behind it, as in Kafka; and a leader who is new knows how much is agreed on with the next fetch of its followers only.
   */
  async #stillContent(topic: string, ledger: Ledger, partition: number): Promise<Content> {
    const deadline = performance.now() + SETTLE_MS_MAX;
    const end = Math.max(-1, ...ledger.sentAt(partition).keys()) + 1;
    let last: Content | undefined;
    for (;;) {
      const content = await this.#read(topic, partition);
      const isLate = performance.now() > deadline;
      if (isLate || (last !== undefined && content.logEndOffset >= end && areSame(content, last))) return content;
      last = content;
      await sleep(ASK_MS);
    }
  }

  #read(topic: string, partition: number): Promise<Content> {
    const what = `reading ${topic}-${partition}`;
    return within(
      SETTLE_MS_MAX,
      what,
      readUncut(() => this.#readOnce(topic, partition)),
    );
  }

  async #readOnce(topic: string, partition: number): Promise<Content> {
    const [first, end] = await Promise.all(
      (['earliest', 'latest'] as const).map((at) => this.#admin.listOffsets([{ topic, partition, at }])),
    );
    const [logStartOffset, logEndOffset] = [first![0]!.offset, end![0]!.offset];
    await using client = new KafkaClient({ bootstrapServers: this.#bootstrapServers });
    const records: FetchedRecord[] = [];
    const all = fetchAll(client, topic, partition, logStartOffset, logEndOffset);
    for await (const record of all) records.push(record);
    return { records, logStartOffset, logEndOffset };
  }

  /** Retention by size leaves as much as it is told to, on every replica. */
  async #checkSizes(topic: string, ledger: Ledger): Promise<void> {
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));
    const dirs = await this.#admin.describeLogDirs({ partitions });
    for (const { brokerId, replicas } of dirs) {
      for (const { partition, sizeBytes } of replicas) {
        if (sizeBytes >= RETENTION_BYTES) continue;
        ledger.violation(
          `${topic}-${partition} on ${brokerId}: retention left ${sizeBytes} of ${RETENTION_BYTES} bytes`,
        );
      }
    }
  }
}

function areSame(a: Content, b: Content): boolean {
  const offsets = ({ records }: Content): string => records.map(({ offset }) => offset).join();
  return a.logStartOffset === b.logStartOffset && a.logEndOffset === b.logEndOffset && offsets(a) === offsets(b);
}
