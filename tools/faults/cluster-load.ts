/** Three clients and two groups at work on a cluster, and what they were promised: for all that happens to its brokers meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin, AdminItemsError } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { Metadata } from '@millrace/protocol';
import { within } from '../clients/client.ts';
import { CleanedLoad, type CleanedReport } from './cleaned-load.ts';
import { startJava, startLibrdkafka } from './foreign-paced.ts';
import { Ledger, PartitionCheck } from './ledger.ts';
import { CommittingReader, checkCommits, fetchAll, GroupMember, type LoadTarget } from './load.ts';
import { KafkaJsPaced, type PacedProducer, SdkPaced } from './paced-producers.ts';
import { RawClient } from './raw-client.ts';

export const TOPIC = 'kept';
export const PARTITIONS = 6;
const MEMBER = 'member';
const READER = 'reader';
const SETTLE_MS_MAX = 60_000;
/** So long the reading of one partition may take, of the longest runs. */
const READ_MS_MAX = 300_000;
const ASK_MS = 100;
/** One that all brokers speak. */
const METADATA_VERSION = 5;
/** So long an acknowledgement may be under way between processes of one machine. */
const ON_ITS_WAY_MS_MAX = 100;

/** The producers of a load. */
export const CLIENTS = ['millrace', 'kafkajs', 'librdkafka', 'java'] as const;
export type ClientName = (typeof CLIENTS)[number];
const CLIENTS_UNLESS_TOLD: readonly ClientName[] = ['millrace', 'kafkajs', 'librdkafka'];

/** What the groups had committed at a moment. */
export type Commits = readonly (readonly [group: string, partition: number, offset: number | undefined])[];

/** What became of the promises. */
export interface LoadReport {
  readonly recordsAcknowledged: number;
  readonly recordsRead: number;
  readonly commitsAcknowledged: number;
  /** Rejected sends by client. Ours count as violations. */
  readonly failedSends: Readonly<Record<string, number>>;
  /** What each client has sent again by its own count, in its own units; undefined where it does not tell. */
  readonly retries: Readonly<Record<string, Readonly<Record<string, number>> | undefined>>;
  /** What of each client it was: its settings, and what it does not tell. */
  readonly clients: Readonly<Record<string, string>>;
  /** Topics that are compacted, or whose old segments are deleted. */
  readonly cleaned: readonly CleanedReport[];
  readonly violations: readonly string[];
  readonly violationCount: number;
}

export interface ClusterLoadOptions {
  /** Whether topics that are compacted, or whose old segments are deleted, are among the load's. Default: no. */
  readonly isCleaning?: boolean;
  /** A record of each client for each partition so often. Default: 10. */
  readonly paceMs?: number | undefined;
  /** Who writes. Java's producer needs a JDK and Kafka's jars. Default: all but Java's. */
  readonly clients?: readonly ClientName[] | undefined;
  /** Whether kafkajs has the patience for partitions without a leader for longer than its default settings wait. Default: no. */
  readonly isPatient?: boolean | undefined;
  /** Whether what every replica has of them is held against what was acknowledged, and not what leaders have alone. Default: no. */
  readonly isEveryReplicaRead?: boolean | undefined;
}

export class ClusterLoad {
  readonly ledger = new Ledger();
  readonly admin: Admin;
  readonly #target: LoadTarget;
  readonly #replicas: number;
  readonly #options: ClusterLoadOptions;
  readonly #cleaned: CleanedLoad | undefined;
  #producers: PacedProducer[] = [];
  #reader: CommittingReader | undefined;
  #member: GroupMember | undefined;

  /** For a cluster of so many brokers, each of which holds every partition. */
  constructor(bootstrapServers: string, replicas: number, options: ClusterLoadOptions = {}) {
    this.#replicas = replicas;
    this.#options = options;
    this.#target = {
      bootstrapServers,
      topic: TOPIC,
      partitions: PARTITIONS,
      ledger: this.ledger,
      paceMs: options.paceMs,
    };
    this.admin = new Admin({ bootstrapServers, apiTimeoutMs: SETTLE_MS_MAX });
    this.#cleaned =
      options.isCleaning === true ? new CleanedLoad(bootstrapServers, this.admin, options.paceMs) : undefined;
  }

  get producers(): readonly PacedProducer[] {
    return this.#producers;
  }

  async start(): Promise<void> {
    await this.#create();
    await this.#cleaned?.create(this.#replicas);
    await this.whole();
    await this.#knownEverywhere();
    for (const name of this.#options.clients ?? CLIENTS_UNLESS_TOLD) {
      const producer = await this.#startProducer(name);
      if (producer !== undefined) this.#producers.push(producer);
    }
    this.#reader = new CommittingReader(this.#target, READER);
    this.#member = new GroupMember(this.#target, MEMBER);
    await this.#member.start();
    this.#cleaned?.start();
    await this.whole();
  }

  /** Undefined where this machine has no such client. */
  async #startProducer(name: ClientName): Promise<PacedProducer | undefined> {
    switch (name) {
      case 'millrace':
        return new SdkPaced(this.#target);
      case 'kafkajs':
        return KafkaJsPaced.start(this.#target, this.#options.isPatient);
      case 'librdkafka':
        return startLibrdkafka(this.#target);
      case 'java':
        return startJava(this.#target);
    }
  }

  /** Brokers are ready before the one that is asked has heard of all the others. */
  async #create(): Promise<void> {
    const deadline = performance.now() + SETTLE_MS_MAX;
    for (;;) {
      try {
        await this.admin.createTopics([{ topic: TOPIC, partitions: PARTITIONS, replicationFactor: this.#replicas }]);
        return;
      } catch (error) {
        const code = error instanceof AdminItemsError ? error.failures.get(TOPIC)?.code : undefined;
        if (code !== 'KAFKA_INVALID_REPLICATION_FACTOR' || performance.now() > deadline) throw error;
        await sleep(ASK_MS);
      }
    }
  }

  get #topics(): string[] {
    return [TOPIC, ...(this.#cleaned?.topics ?? [])];
  }

  /** Until every broker tells clients of every partition: kafkajs does not ask again where it asks one that has not heard of a topic yet. */
  async #knownEverywhere(): Promise<void> {
    const { brokers } = await this.admin.describeCluster();
    const deadline = performance.now() + SETTLE_MS_MAX;
    for (const { nodeId, port } of brokers) {
      while (!(await tellsOf(port, this.#topics).catch(() => false))) {
        if (performance.now() > deadline) {
          throw new Error(`broker ${nodeId} has not heard of ${this.#topics.join(', ')}`);
        }
        await sleep(ASK_MS);
      }
    }
  }

  /** Until every partition is in sync everywhere, and is led by its first replica again. */
  async whole(): Promise<void> {
    await this.#untilInSync('everywhere', (inSync) => inSync.length === this.#replicas);
    await this.admin.electLeaders('all').catch(() => undefined);
  }

  /** Until a broker is in sync nowhere. */
  without(brokerId: number): Promise<void> {
    return this.#untilInSync(`without broker ${brokerId}`, (inSync) => !inSync.includes(brokerId));
  }

  async #untilInSync(where: string, isEnough: (inSync: readonly number[]) => boolean): Promise<void> {
    const deadline = performance.now() + SETTLE_MS_MAX;
    let seen = '';
    const holds = async (): Promise<boolean> => {
      const partitions = (await this.admin.describeTopics(this.#topics)).flatMap((topic) => topic.partitions);
      seen = partitions.map(({ inSyncReplicas }) => inSyncReplicas.join(',')).join('; ');
      return partitions.every(({ inSyncReplicas }) => isEnough(inSyncReplicas));
    };
    const isNotAnswered = (error: unknown): boolean => {
      seen = String(error);
      return false;
    };
    while (!(await holds().catch(isNotAnswered))) {
      if (performance.now() > deadline) {
        throw new Error(`the topics were not in sync ${where} after ${SETTLE_MS_MAX} ms, last seen: ${seen}`);
      }
      await sleep(ASK_MS);
    }
  }

  async controller(): Promise<number | undefined> {
    return (await this.admin.describeCluster()).controllerId ?? undefined;
  }

  async coordinator(): Promise<number> {
    return (await this.admin.describeGroups([MEMBER]))[0]!.coordinator.nodeId;
  }

  async leaderOf(partition: number): Promise<number> {
    const [topic] = await this.admin.describeTopics([TOPIC]);
    return topic!.partitions[partition]!.leaderId;
  }

  async ledBy(brokerId: number): Promise<number[]> {
    const [topic] = await this.admin.describeTopics([TOPIC]);
    return topic!.partitions.filter(({ leaderId }) => leaderId === brokerId).map(({ partition }) => partition);
  }

  /**
   * Until every client that tells has had an acknowledgement of each of these partitions that was not on its way already when what was done to
   * the cluster was done. To be called right after that.
   */
  async acknowledgedFromNowOn(partitions: readonly number[]): Promise<void> {
    const moment = performance.now() + ON_ITS_WAY_MS_MAX;
    const isDone = (): boolean =>
      this.#producers.every(({ gaps, failedSends }) => {
        return gaps === undefined || failedSends > 0 || gaps.haveAcknowledgedSince(moment, partitions);
      });
    const deadline = moment + SETTLE_MS_MAX;
    while (!isDone()) {
      if (performance.now() > deadline) {
        throw new Error(`no acknowledgement for ${SETTLE_MS_MAX} ms: ${this.#silent(moment, partitions)}`);
      }
      await sleep(1);
    }
  }

  /** Who waits for which partitions. */
  #silent(moment: number, partitions: readonly number[]): string {
    const lacking = this.#producers.flatMap(({ name, gaps }) => {
      const silent = partitions.filter((each) => gaps?.haveAcknowledgedSince(moment, [each]) === false);
      return silent.length === 0 ? [] : [`${name} of partitions ${silent.join(', ')}`];
    });
    return lacking.join('; ');
  }

  /** The longest gaps of these partitions at each client that tells, since they were last begun. */
  gapsOf(partitions: readonly number[]): { readonly client: string; readonly ms: number }[] {
    return this.#producers.flatMap(({ name: client, gaps }) =>
      gaps === undefined ? [] : [{ client, ms: gaps.longestOf(partitions) }],
    );
  }

  commits(): Commits {
    return [READER, MEMBER].flatMap((group) =>
      Array.from(
        { length: PARTITIONS },
        (_, partition) => [group, partition, this.ledger.committedOffset(group, partition)] as const,
      ),
    );
  }

  /** None of them may have gone back. */
  checkCommits(commits: Commits): Promise<void> {
    return checkCommits(this.admin, TOPIC, this.ledger, commits);
  }

  /** Lets the load come to its end, and reads everything. */
  async finish(): Promise<LoadReport> {
    const due = new Map<number, readonly number[]>();
    for (const producer of this.#producers) {
      due.set(producer.id, await within(SETTLE_MS_MAX, `the last sends of ${producer.name}`, producer.finish()));
    }
    await within(SETTLE_MS_MAX, 'the last commit of the reader', Promise.resolve(this.#reader?.stop()));
    await within(SETTLE_MS_MAX, 'the last commit of the member', Promise.resolve(this.#member?.stop()));
    const recordsRead = await this.#readAll(due);
    const cleaned = (await this.#cleaned?.finish(this.#options.isEveryReplicaRead === true)) ?? [];
    const ledgers = [this.ledger, ...(this.#cleaned?.ledgers ?? [])];
    const { recordsAcknowledged, commitsAcknowledged } = this.ledger;
    return {
      recordsAcknowledged,
      recordsRead,
      commitsAcknowledged,
      failedSends: Object.fromEntries(this.#producers.map(({ name, failedSends }) => [name, failedSends])),
      retries: Object.fromEntries(this.#producers.map(({ name, retries }) => [name, retries])),
      clients: Object.fromEntries(this.#producers.map(({ name, about }) => [name, about])),
      cleaned,
      violations: ledgers.flatMap(({ violations }) => violations),
      violationCount: ledgers.reduce((sum, { violationCount }) => sum + violationCount, 0),
    };
  }

  async #readAll(due: ReadonlyMap<number, readonly number[]>): Promise<number> {
    await using client = new KafkaClient({ bootstrapServers: this.#target.bootstrapServers });
    let recordsRead = 0;
    for (let partition = 0; partition < PARTITIONS; partition += 1) {
      const reading = this.#readPartition(client, partition, due);
      recordsRead += await within(READ_MS_MAX, `reading ${TOPIC}-${partition}`, reading);
    }
    return recordsRead;
  }

  async #readPartition(
    client: KafkaClient,
    partition: number,
    due: ReadonlyMap<number, readonly number[]>,
  ): Promise<number> {
    const check = new PartitionCheck(this.ledger, partition);
    let recordsRead = 0;
    for await (const { offset, value } of fetchAll(client, TOPIC, partition)) {
      check.record(offset, value);
      recordsRead += 1;
    }
    for (const [producer, counts] of due) check.endOf(producer, counts[partition] ?? 0);
    return recordsRead;
  }

  /** Who does not close in time keeps nobody from the verdict, which there may be already. */
  async abort(): Promise<void> {
    const closing = [
      ...this.#producers.map((producer) => producer.abort()),
      Promise.resolve(this.#reader?.close()),
      Promise.resolve(this.#member?.stop()),
      Promise.resolve(this.#cleaned?.abort()),
    ];
    await Promise.allSettled(closing.map((each) => within(SETTLE_MS_MAX, 'closing a client', each)));
    await this.admin.close();
  }
}

/** Whether a broker tells clients of all partitions of these topics. */
async function tellsOf(port: number, names: readonly string[]): Promise<boolean> {
  const client = await RawClient.connect(port);
  try {
    const request = { topics: names.map((name) => ({ name })), allowAutoTopicCreation: false };
    const { topics } = await client.ask(Metadata, METADATA_VERSION, request);
    return topics.every(
      ({ errorCode, partitions }) => errorCode === 0 && partitions.every((each) => each.errorCode === 0),
    );
  } finally {
    client.close();
  }
}
