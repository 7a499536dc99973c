/** Crashes a broker again and again under load, and holds what is there in the end against what it had acknowledged. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { type Random, seededRandom } from '@millrace/ports';
import { within } from '../clients/client.ts';
import { freePort } from '../kafka/broker.ts';
import { CleanedCheck } from './cleaned-check.ts';
import { Ledger, PartitionCheck } from './ledger.ts';
import {
  type CommittedOffset,
  CommittingReader,
  checkCommits,
  type FetchedRecord,
  fetchAll,
  GroupMember,
  LoadProducer,
  type LoadTarget,
  readUncut,
} from './load.ts';
import { type Ending, SpawnedBroker, type SpawnedBrokerOptions } from './spawned-broker.ts';

/** Where a broker runs, and how it is crashed there. */
export interface CrashSite {
  /** Where the broker's data goes. */
  readonly folder: string;
  /** Ends the broker without warning, and has the folder there again for the next one. */
  crash(broker: SpawnedBroker): Promise<void>;
}

export interface CrashRunOptions {
  readonly site: CrashSite;
  /** Crashes. Default 20. */
  readonly rounds?: number;
  /** Decides when crashes come. Default 1. */
  readonly seed?: number;
  /** Of the topic that keeps everything. Default 6. */
  readonly partitions?: number;
  /** For each topic. Default 2. */
  readonly producers?: number;
  /** Longest time under load before a crash. Default 3,000 ms. */
  readonly loadMsMax?: number;
  /** Another program than the broker's source. */
  readonly program?: readonly string[];
  /** Beside those of the run. */
  readonly settings?: SpawnedBrokerOptions['settings'];
  /** Told of each round. */
  readonly onRound?: (line: string) => void;
}

/** What became of the records of a topic that is compacted, or whose old segments are deleted. */
export interface CleanedTopicReport {
  readonly topic: string;
  readonly acknowledged: number;
  /** Records that were there in the end. */
  readonly kept: number;
  /** How far the log start offsets moved, in all partitions together. */
  readonly logStartOffsets: number;
}

export interface CrashReport {
  readonly crashes: number;
  /** Those that came before the broker was ready. */
  readonly crashesWhileStarting: number;
  /** Those that left files of a compaction behind which was under way. */
  readonly crashesWhileCompacting: number;
  /** Those that left segments behind which retention or compaction had given up and whose files were not yet removed. */
  readonly crashesWhileDeleting: number;
  readonly recordsAcknowledged: number;
  readonly recordsRead: number;
  readonly commitsAcknowledged: number;
  readonly cleaned: readonly CleanedTopicReport[];
  /** From the start of a process after a crash to its word that it is ready. */
  readonly recoveryMs: readonly number[];
  /** From the same to the first record acknowledged after it. */
  readonly serviceMs: readonly number[];
  /** How the last process ended on SIGTERM. */
  readonly lastEnding: Ending;
  readonly violations: readonly string[];
  readonly violationCount: number;
}

const TOPIC = 'kept';
/** Every n-th crash comes while the broker starts. */
const EARLY_CRASH_EVERY = 4;
const PRODUCERS = 2;
const CATCH_UP_MS_MAX = 120_000;

/** A topic on which compaction or retention, or both, are always at work. */
interface CleanedTopic {
  readonly topic: string;
  readonly partitions: number;
  readonly keys: number;
  readonly configs: Readonly<Record<string, string | number>>;
}

const SMALL_SEGMENTS = { 'segment.bytes': 30_000, 'file.delete.delay.ms': 300 };
/** Larger, because each one that is written anew costs a dozen syncs. */
const COMPACTING = {
  'segment.bytes': 100_000,
  'min.cleanable.dirty.ratio': 0.1,
  'delete.retention.ms': 300,
};
const RETENTION_BYTES = 120_000;
const CLEANED_TOPICS: readonly CleanedTopic[] = [
  {
    topic: 'deleted',
    partitions: 2,
    keys: 100,
    configs: { ...SMALL_SEGMENTS, 'cleanup.policy': 'delete', 'retention.bytes': RETENTION_BYTES },
  },
  {
    topic: 'compacted',
    partitions: 2,
    keys: 300,
    configs: { ...SMALL_SEGMENTS, ...COMPACTING, 'cleanup.policy': 'compact' },
  },
  {
    topic: 'compacted-deleted',
    partitions: 2,
    // So many that what compaction leaves is still more than retention does.
    keys: 3000,
    configs: {
      ...SMALL_SEGMENTS,
      ...COMPACTING,
      'cleanup.policy': 'compact,delete',
      'retention.bytes': RETENTION_BYTES,
    },
  },
];

/** Small segments and frequent checkpoints, so that crashes meet rolls, snapshots, compactions and half-written checkpoints. */
const SETTINGS = {
  'log.segment.bytes': 200_000,
  'log.flush.offset.checkpoint.interval.ms': 300,
  'replica.high.watermark.checkpoint.interval.ms': 150,
  'log.retention.check.interval.ms': 100,
  'log.cleaner.backoff.ms': 20,
  // Slow enough for crashes to come in the middle of it.
  'log.cleaner.io.max.bytes.per.second': 5_000_000,
  'offsets.topic.num.partitions': 4,
  'offsets.topic.segment.bytes': 100_000,
};

/** For the last look: nothing is cleaned away between asking where a log begins and reading it. */
const QUIET = { 'log.retention.check.interval.ms': 600_000, 'log.cleaner.enable': false };

/** What files of a compaction that is not finished end in. */
const COMPACTING_SUFFIXES = ['.cleaned', '.swap'];
const DELETED_SUFFIX = '.deleted';

/** @throws Error when something hangs; what the broker broke of its promises is in the report. */
export async function runCrashes(options: CrashRunOptions): Promise<CrashReport> {
  return new CrashRun(options, await freePort()).run();
}

/** The same with `kill -9` in a folder: what was written is there afterwards, synced or not. */
export function killNine({
  folder,
  ...options
}: Omit<CrashRunOptions, 'site'> & { folder: string }): Promise<CrashReport> {
  const crash = async (broker: SpawnedBroker): Promise<void> => void (await broker.kill());
  return runCrashes({ ...options, site: { folder, crash } });
}

class CrashRun {
  readonly #options: CrashRunOptions;
  readonly #process: SpawnedBrokerOptions;
  readonly #random: Random;
  readonly #target: LoadTarget;
  readonly #ledger = new Ledger();
  readonly #recoveryMs: number[] = [];
  readonly #serviceMs: number[] = [];
  readonly #cleaned: readonly { plan: CleanedTopic; target: LoadTarget }[];
  #crashesWhileStarting = 0;
  #crashesWhileCompacting = 0;
  #crashesWhileDeleting = 0;
  #producers: LoadProducer[] = [];
  #readers: CommittingReader[] = [];
  #members: GroupMember[] = [];
  #broker: SpawnedBroker | undefined;

  constructor(options: CrashRunOptions, port: number) {
    const { site, program, partitions = 6, seed = 1 } = options;
    const settings = { ...SETTINGS, ...options.settings };
    const bootstrapServers = `127.0.0.1:${port}`;
    this.#options = options;
    this.#process = { folder: site.folder, port, settings, ...(program === undefined ? {} : { program }) };
    this.#random = seededRandom(seed);
    this.#target = { bootstrapServers, topic: TOPIC, partitions, ledger: this.#ledger };
    this.#cleaned = CLEANED_TOPICS.map((plan) => ({
      plan,
      target: {
        bootstrapServers,
        topic: plan.topic,
        partitions: plan.partitions,
        keys: plan.keys,
        ledger: new Ledger(),
      },
    }));
  }

  async run(): Promise<CrashReport> {
    const { rounds = 20 } = this.#options;
    try {
      this.#broker = await SpawnedBroker.start(this.#process);
      await this.#startLoad();
      for (let round = 1; round <= rounds; round += 1) await this.#round(round);
      const recordsRead = await this.#finish();
      const cleaned = await this.#checkCleaned();
      const lastEnding = await this.#broker.stop();
      return this.#report(rounds, recordsRead, cleaned, lastEnding);
    } finally {
      await this.#abort();
    }
  }

  async #startLoad(): Promise<void> {
    const { producers = PRODUCERS, partitions = this.#target.partitions } = this.#options;
    const topics = this.#cleaned.map(({ plan: { topic, partitions, configs } }) => ({ topic, partitions, configs }));
    await this.#withAdmin((admin) => admin.createTopics([{ topic: TOPIC, partitions }, ...topics]));
    this.#producers = [this.#target, ...this.#cleaned.map(({ target }) => target)].flatMap((target) =>
      Array.from({ length: producers }, (_, id) => new LoadProducer(target, id)),
    );
    this.#readers = [new CommittingReader(this.#target, 'reader')];
    this.#members = [new GroupMember(this.#target, 'member')];
    await Promise.all(this.#members.map((member) => member.start()));
    await this.#nextAcknowledged();
  }

  async #round(round: number): Promise<void> {
    if (round % EARLY_CRASH_EVERY === 0) {
      await this.#crashStarting();
    } else {
      await sleep(this.#random.nextInt(this.#options.loadMsMax ?? 3000));
      await this.#crash();
    }
    const underWay = this.#producers.reduce((sum, producer) => sum + producer.unacknowledged, 0);
    const committed = this.#committed();
    const recordsBefore = this.#ledger.recordsAcknowledged;
    this.#broker = await SpawnedBroker.start(this.#process);
    this.#recoveryMs.push(this.#broker.readyMs);
    await this.#nextAcknowledged(recordsBefore);
    this.#serviceMs.push(performance.now() - this.#broker.startedAt);
    await this.#checkGroups(committed);
    this.#options.onRound?.(
      `crash ${round}: ${this.#sum((ledger) => ledger.recordsAcknowledged)} records acknowledged, ${underWay} were under way, ` +
        `ready again after ${Math.round(this.#broker.readyMs)} ms, ${this.#sum((ledger) => ledger.violationCount)} violations`,
    );
  }

  async #crash(): Promise<void> {
    await this.#options.site.crash(this.#broker!);
    const names = readdirSync(this.#options.site.folder, { recursive: true }).map(String);
    if (names.some((name) => COMPACTING_SUFFIXES.some((suffix) => name.endsWith(suffix)))) {
      this.#crashesWhileCompacting += 1;
    }
    if (names.some((name) => name.endsWith(DELETED_SUFFIX))) this.#crashesWhileDeleting += 1;
  }

  /** Crashes the broker that runs, and the next one on its way up: while it recovers, elects, or opens its port. */
  async #crashStarting(): Promise<void> {
    await this.#crash();
    this.#broker = new SpawnedBroker(this.#process);
    const usual = this.#recoveryMs.at(-1) ?? 300;
    await sleep(usual * 0.3 + this.#random.nextInt(Math.ceil(usual)));
    await this.#crash();
    this.#crashesWhileStarting += 1;
  }

  #committed(): readonly CommittedOffset[] {
    const partitions = Array.from({ length: this.#target.partitions }, (_, partition) => partition);
    return [...this.#readers, ...this.#members].flatMap(({ group }) =>
      partitions.map((partition) => [group, partition, this.#ledger.committedOffset(group, partition)] as const),
    );
  }

  async #checkGroups(expected: readonly CommittedOffset[]): Promise<void> {
    await this.#withAdmin((admin) => checkCommits(admin, TOPIC, this.#ledger, expected));
  }

  /** Lets the load come to its end, crashes once more, and reads everything. */
  async #finish(): Promise<number> {
    await this.#awaitCleaning();
    await within(CATCH_UP_MS_MAX, 'acknowledging what was sent', Promise.all(this.#producers.map((p) => p.finish())));
    await this.#catchUp();
    await Promise.all([...this.#readers, ...this.#members].map((each) => each.stop()));
    const committed = this.#committed();
    await this.#crash();
    const settings = { ...this.#process.settings, ...QUIET };
    this.#broker = await SpawnedBroker.start({ ...this.#process, settings });
    await this.#checkGroups(committed);
    await using client = new KafkaClient({ bootstrapServers: this.#target.bootstrapServers });
    let recordsRead = 0;
    for (let partition = 0; partition < this.#target.partitions; partition += 1) {
      const check = new PartitionCheck(this.#ledger, partition);
      for await (const { offset, value } of fetchAll(client, TOPIC, partition)) {
        check.record(offset, value);
        recordsRead += 1;
      }
      check.end(this.#options.producers ?? PRODUCERS);
    }
    return recordsRead;
  }

  /** Reads the topics that compaction and retention worked on; that they did is part of what must be so. */
  async #checkCleaned(): Promise<CleanedTopicReport[]> {
    const reports: CleanedTopicReport[] = [];
    for (const { plan, target } of this.#cleaned) {
      const report = await this.#checkTopic(plan, target.ledger);
      const policy = String(plan.configs['cleanup.policy']);
      const isIdle = policy.includes('delete') ? report.logStartOffsets === 0 : report.kept === report.acknowledged;
      if (isIdle) this.#ledger.violation(`${plan.topic}: nothing was cleaned away by cleanup.policy=${policy}`);
      reports.push(report);
    }
    return reports;
  }

  async #checkTopic({ topic, partitions, keys, configs }: CleanedTopic, ledger: Ledger): Promise<CleanedTopicReport> {
    await using client = new KafkaClient({ bootstrapServers: this.#target.bootstrapServers });
    const isCompacted = String(configs['cleanup.policy']).includes('compact');
    let [kept, logStartOffsets] = [0, 0];
    for (let partition = 0; partition < partitions; partition += 1) {
      const { logStartOffset, logEndOffset, records } = await readUncut(() => this.#read(client, topic, partition));
      const check = new CleanedCheck(ledger, { topic, partition, keys, isCompacted, logStartOffset, logEndOffset });
      for (const record of records) check.record(record);
      kept += records.length;
      check.end();
      logStartOffsets += logStartOffset;
      if (logStartOffset > 0) await this.#checkSize(topic, partition);
    }
    return { topic, acknowledged: ledger.recordsAcknowledged, kept, logStartOffsets };
  }

  async #read(client: KafkaClient, topic: string, partition: number) {
    const [first, end] = await this.#withAdmin((admin) =>
      Promise.all((['earliest', 'latest'] as const).map((at) => admin.listOffsets([{ topic, partition, at }]))),
    );
    const logStartOffset = first?.[0]?.offset ?? 0;
    const records: FetchedRecord[] = [];
    for await (const record of fetchAll(client, topic, partition, logStartOffset)) records.push(record);
    return { logStartOffset, logEndOffset: end?.[0]?.offset ?? 0, records };
  }

  /** Retention by size leaves as much as it is told to. */
  async #checkSize(topic: string, partition: number): Promise<void> {
    const dirs = await this.#withAdmin((admin) => admin.describeLogDirs({ partitions: [{ topic, partition }] }));
    const sizeBytes = dirs.flatMap(({ replicas }) => replicas)[0]?.sizeBytes ?? 0;
    const isCompacted = topic.startsWith('compacted');
    // What was deleted before may be compacted since.
    if (isCompacted || sizeBytes >= RETENTION_BYTES) return;
    this.#ledger.violation(`${topic}-${partition}: retention left ${sizeBytes} of ${RETENTION_BYTES} bytes`);
  }

  #sum(read: (ledger: Ledger) => number): number {
    return [this.#ledger, ...this.#cleaned.map(({ target }) => target.ledger)].reduce(
      (sum, each) => sum + read(each),
      0,
    );
  }

  /** Waits until the groups have committed everything: whoever survives the kills must also get to the end. */
  async #catchUp(): Promise<void> {
    const ends = await this.#withAdmin((admin) =>
      admin.listOffsets(
        Array.from({ length: this.#target.partitions }, (_, partition) => ({ topic: TOPIC, partition, at: 'latest' })),
      ),
    );
    let deadline = performance.now() + CATCH_UP_MS_MAX;
    let behindAt = Number.NaN;
    const isBehind = () =>
      [...this.#readers, ...this.#members].find(({ group }) =>
        ends.some(({ partition, offset }) => (this.#ledger.committedOffset(group, partition) ?? 0) < offset),
      );
    for (let behind = isBehind(); behind !== undefined; behind = isBehind()) {
      if (performance.now() > deadline) {
        this.#ledger.violation(`group ${behind.group} is not at the end and has not got on for ${CATCH_UP_MS_MAX} ms`);
        return;
      }
      // Commits of the others, or of the same offset again, do not bring this one to the end.
      const { group } = behind;
      const at = ends.reduce((sum, { partition }) => sum + (this.#ledger.committedOffset(group, partition) ?? 0), 0);
      if (at !== behindAt) deadline = performance.now() + CATCH_UP_MS_MAX;
      behindAt = at;
      await sleep(20);
    }
  }

  /**
   * Lets compaction and retention come to something on a machine that is slow, while there is something new for them; what they did is looked
   * at in the end.
   */
  async #awaitCleaning(): Promise<void> {
    const deadline = performance.now() + CATCH_UP_MS_MAX;
    const deleting = this.#cleaned.filter(({ plan }) => String(plan.configs['cleanup.policy']).includes('delete'));
    const places = deleting.map(({ plan }) => ({ topic: plan.topic, partition: 0, at: 'earliest' as const }));
    const isDone = async (): Promise<boolean> => {
      const firsts = await this.#withAdmin((admin) => admin.listOffsets(places));
      const cleaned = join(this.#options.site.folder, 'cleaner-offset-checkpoint');
      const hasDeleted = firsts.every(({ offset }) => offset > 0);
      return hasDeleted && existsSync(cleaned) && /^compacted /m.test(readFileSync(cleaned, 'utf8'));
    };
    while (!(await isDone()) && performance.now() < deadline) await sleep(50);
  }

  /** Waits until more records are acknowledged than were. */
  async #nextAcknowledged(before = this.#ledger.recordsAcknowledged): Promise<void> {
    const deadline = performance.now() + CATCH_UP_MS_MAX;
    while (this.#ledger.recordsAcknowledged === before) {
      if (performance.now() > deadline) throw new Error(`nothing was acknowledged for ${CATCH_UP_MS_MAX} ms`);
      await sleep(2);
    }
  }

  async #withAdmin<T>(use: (admin: Admin) => Promise<T>): Promise<T> {
    await using admin = new Admin({ bootstrapServers: this.#target.bootstrapServers });
    return await use(admin);
  }

  async #abort(): Promise<void> {
    await Promise.allSettled([
      ...this.#producers.map((producer) => producer.abort()),
      ...this.#readers.map((reader) => reader.close()),
      ...this.#members.map((member) => member.stop()),
    ]);
    await this.#broker?.kill();
  }

  #report(
    rounds: number,
    recordsRead: number,
    cleaned: readonly CleanedTopicReport[],
    lastEnding: Ending,
  ): CrashReport {
    const ledgers = [this.#ledger, ...this.#cleaned.map(({ target }) => target.ledger)];
    return {
      crashes: rounds + 1 + this.#crashesWhileStarting,
      crashesWhileStarting: this.#crashesWhileStarting,
      crashesWhileCompacting: this.#crashesWhileCompacting,
      crashesWhileDeleting: this.#crashesWhileDeleting,
      recordsAcknowledged: this.#ledger.recordsAcknowledged,
      recordsRead,
      commitsAcknowledged: this.#ledger.commitsAcknowledged,
      cleaned,
      recoveryMs: this.#recoveryMs,
      serviceMs: this.#serviceMs,
      lastEnding,
      violations: ledgers.flatMap(({ violations }) => violations),
      violationCount: this.#sum(({ violationCount }) => violationCount),
    };
  }
}
