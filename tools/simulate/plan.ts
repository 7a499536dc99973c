import { Compression } from '@millrace/records';
import type { FetchPlan } from './clients/fetching.ts';
import type { GroupVersions } from './clients/group-protocol.ts';
import { COPY_TOPIC, type CopierTraits } from './transactions/copier.ts';
import type { TransactionalTraits } from './transactions/transactional-producer.ts';
import { Dice } from './world/dice.ts';
import {
  type Crash,
  type FaultKind,
  type FaultPlanOptions,
  type PlannedEvent,
  planCrash,
  planFaults,
  planScribbles,
  planThrows,
} from './world/fault-plan.ts';

/** A topic that a world is set up with. */
export interface TopicPlan {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly retentionBytes: number | undefined;
  readonly retentionMs: number | undefined;
  readonly isCompacted: boolean;
}

/** What a producer is like; its partitions are those of all topics. */
export interface ProducerTraits {
  readonly name: string;
  readonly kind: 'once' | 'retrying' | 'idempotent';
  readonly acks: 0 | 1 | -1;
  readonly produceVersion: number;
  readonly recordsMax: number;
  readonly valueBytesMax: number;
  readonly compression: Compression;
  readonly keys: number;
  readonly pauseMsMax: number;
  readonly requestTimeoutMs: number;
  readonly inFlightMax: number;
}

/** What a reader is like; with a group, it is a member of that. */
export interface ReaderTraits {
  readonly name: string;
  readonly group: string | undefined;
  readonly versions: GroupVersions;
  readonly listOffsetsVersion: number;
  readonly fetch: FetchPlan;
  readonly sessionTimeoutMs: number;
  readonly pauseMsMax: number;
  readonly commitPercent: number;
  readonly leavePerMille: number;
}

/** A broker that is away, and how it has gone down. */
export interface AbsentBroker {
  readonly brokerId: number;
  readonly crash: Crash;
}

/** Everything that a seed decides before its world begins. */
export interface SeedPlan {
  readonly seed: number;
  /** How many brokers there are, each on a machine of its own. */
  readonly brokers: number;
  /** Whether a broker that is alone keeps its metadata itself, on the same disk as its logs. */
  readonly ownsMetadata: boolean;
  readonly durationMs: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly topics: readonly TopicPlan[];
  readonly producers: readonly ProducerTraits[];
  readonly readers: readonly ReaderTraits[];
  /** Who writes in transactions; then hardly anybody writes otherwise. */
  readonly transactional: readonly TransactionalTraits[];
  /** Who copies what they write, with a group's offsets in the same transactions. */
  readonly copiers: readonly CopierTraits[];
  /** Where the reader of what is committed is; undefined where there are no racks. */
  readonly committedRack: string | undefined;
  readonly faults: readonly PlannedEvent[];
  /** A broker that goes down when nothing else goes wrong any more, and stays away until the others get on without it. */
  readonly absent: AbsentBroker | undefined;
  /** Whether somebody works on the cluster's topics and replicas while it is used. */
  readonly isTended: boolean;
  /** Whether somebody moves replicas between the log folders of their brokers. */
  readonly hasPorter: boolean;
  /** Whether somebody lies to the brokers, and makes and breaks what is its own. */
  readonly hasVandals: boolean;
  /** Whether an acknowledged record is on the disk for good. Without, only processes may die, and no power fails. */
  readonly isDurable: boolean;
}

/** What limits what seeds may decide. */
export interface PlanOptions {
  /** Undefined: all. */
  readonly faults?: readonly FaultKind[] | undefined;
  /** How many brokers a world has. Default 1. */
  readonly brokers?: number;
  /** How many times as long as usual a world lasts. */
  readonly length?: number;
  /** Whether what is written is written in transactions. Default false. */
  readonly transactions?: boolean;
  /** Whether nothing is written beside transactions, and nothing deleted, in any of those worlds. Default false. */
  readonly onlyTransactions?: boolean;
  /** Whether some topics of clusters let replicas lead that are not in sync. Default false. */
  readonly unclean?: boolean;
  /** Whether brokers and readers of clusters have racks, and readers fetch from followers in theirs. Default false. */
  readonly racks?: boolean;
  /** Whether somebody works on the cluster's topics and replicas. Default: in some of the worlds of several brokers. */
  readonly isTended?: boolean;
}

const UNCLEAN_ELECTION = 'unclean.leader.election.enable';

/** Whether a topic lets replicas lead that are not in sync, and may lose by that what it has acknowledged. */
export function isUnclean({ configs }: TopicPlan): boolean {
  return configs[UNCLEAN_ELECTION] === 'true';
}

const PRODUCE_VERSIONS = [3, 4, 5, 7, 8, 9, 10, 11] as const;
const FETCH_VERSIONS = [4, 6, 7, 10, 11, 12, 13, 15, 16, 17] as const;

/** Of all seeds, how many have Kafka's own way of leaving the sync to the system. */
const UNSYNCED_PERCENT = 12;

/** Of all seeds with one broker, how many have it keep its own metadata, as `millrace start` does. */
const OWN_METADATA_PERCENT = 60;

/** Of all seeds with several brokers, how many have somebody who works on their topics and replicas. */
const TENDED_PERCENT = 50;

/** Of all seeds with three brokers or more, how many have one stay away for a time when all faults are over. */
const ABSENT_PERCENT = 40;
const BROKERS_WITHOUT_ONE_MIN = 3;

/** Of all seeds, how many have somebody who moves replicas between the log folders of their brokers. */
const PORTER_PERCENT = 12;
const TWO_FOLDERS = '/data-a,/data-b';

/** Of a hundred that write in transactions, how many speak the new protocol where the brokers do. */
const NEW_PERCENT = 60;

function planCopiers(dice: Dice): CopierTraits[] {
  return Array.from({ length: dice.pick([0, 1, 2, 2, 3]) }, (_, index) => ({
    name: `c${index}`,
    transactionalId: `copy${dice.nextInt(4)}`,
    requestTimeoutMs: dice.pick([150, 400, 1000]),
    transactionTimeoutMs: dice.pick([400, 1500, 5000]),
    isNew: dice.chance(NEW_PERCENT),
    pauseMsMax: dice.pick([5, 20, 80]),
    sessionTimeoutMs: dice.pick([200, 500, 1000]),
    bytesMax: dice.pick([200, 1000, 4000]),
    commitPercent: dice.pick([50, 80, 100]),
    stallPerMille: dice.pick([0, 100, 300]),
  }));
}

/** What the copiers write to. */
function copyTopic(dice: Dice, replicationFactor: number): TopicPlan {
  return {
    name: COPY_TOPIC,
    partitions: dice.between(1, 3),
    replicationFactor,
    configs: { 'segment.bytes': '6000', 'index.interval.bytes': '400', 'file.delete.delay.ms': '20' },
    retentionBytes: undefined,
    retentionMs: undefined,
    isCompacted: false,
  };
}

/** Of all seeds with several brokers, how many have somebody who lies to them. With one broker it is there always. */
const VANDALS_PERCENT = 35;

/** Of all worlds with transactions, in how many the network holds up some batches of those that are aborted. */
const LATE_WORLDS_PERCENT = 25;
/** Of a hundred transactions of a producer there, how many. */
const LATE_PERCENTS: readonly number[] = [0, 15, 30];

const DAY_MS = 86_400_000;

/** Of all worlds with transactions, in how many the topics are compacted. */
const COMPACTED_PERCENT = 30;

/**
 * What a compacted topic has there. Each record has a key of its own, so that compaction has nothing to take but what was aborted, and the
 * markers behind it: what was committed stays, as in every other topic. Segments are small, and always have something to clean. Among
 * several brokers markers stay for a day: a replica that is away for longer than they do never hears of them, and keeps what was aborted.
 */
function compactedConfigs(dice: Dice, brokers: number): Record<string, string> {
  const markersMs = dice.for('markers').pick([0, 20, 100, DAY_MS]);
  return {
    'cleanup.policy': 'compact',
    'segment.bytes': String(dice.between(500, 1500)),
    'min.cleanable.dirty.ratio': '0.01',
    'delete.retention.ms': String(brokers === 1 ? markersMs : DAY_MS),
  };
}

/** Of all worlds with transactions that are not compacted, in how many others write to the same partitions and read them, without any. */
const MIXED_PERCENT = 35;
const PLAIN_PRODUCERS_MAX = 2;
/**
 * And in how many besides records go from the beginning: deleted on demand, by age, and for want of room. Not in the same worlds: a replica that began
 * behind what was deleted knows nothing of who wrote it, and takes it again from an idempotent producer, so that two copies of it are right.
 */
const SHORTENED_PERCENT = 25;

/** Those that write and read without transactions: what they write comes once, as far as the copies of it are judged by that. */
function withoutTransactions({ producers, readers }: SeedPlan): Pick<SeedPlan, 'producers' | 'readers'> {
  return {
    producers: producers
      .slice(0, PLAIN_PRODUCERS_MAX)
      .map((producer) => (producer.kind === 'retrying' ? { ...producer, kind: 'idempotent' } : producer)),
    readers: readers.map((reader) => ({ ...reader, fetch: { ...reader.fetch, readCommitted: false } })),
  };
}

/** A world in which everything is written in transactions, or much, and what is committed goes only where the plan has it go. */
function withTransactions(plan: SeedPlan, mayMix: boolean): SeedPlan {
  const dice = new Dice(plan.seed).for('transactions');
  const replicas = String(Math.min(plan.brokers, REPLICAS_MAX));
  const hasLate = dice.for('network').chance(LATE_WORLDS_PERCENT);
  const copiers = planCopiers(dice.for('copiers'));
  const copies = copiers.length === 0 ? [] : [copyTopic(dice.for('copies'), Number(replicas))];
  const cleanup = dice.for('cleanup');
  const isCompacted = cleanup.chance(COMPACTED_PERCENT);
  const isMixed = mayMix && !isCompacted && dice.for('mixed').chance(MIXED_PERCENT);
  const isShortened = mayMix && !isCompacted && !isMixed && dice.for('shortened').chance(SHORTENED_PERCENT);
  const topics = [...plan.topics.map((topic) => forTransactions(topic, isShortened)), ...copies];
  return {
    ...plan,
    settings: {
      ...plan.settings,
      'transaction.state.log.num.partitions': String(dice.between(1, 2)),
      'transaction.state.log.replication.factor': replicas,
      'transaction.state.log.min.isr': plan.brokers > 2 ? '2' : '1',
      'transaction.state.log.segment.bytes': String(dice.between(600, 6000)),
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': String(dice.pick([100, 500])),
    },
    topics: isCompacted
      ? topics.map((topic) => ({
          ...topic,
          configs: { ...topic.configs, ...compactedConfigs(cleanup.for(topic.name), plan.brokers) },
          isCompacted: true,
        }))
      : topics,
    ...(isMixed ? withoutTransactions(plan) : { producers: [], readers: [] }),
    // Whoever lies to a cluster does it where there is more to take away than transactions.
    hasVandals: plan.brokers === 1 && plan.hasVandals,
    transactional: Array.from({ length: dice.between(1, 4) }, (_, index) => ({
      name: `x${index}`,
      transactionalId: `id${dice.nextInt(3)}`,
      requestTimeoutMs: dice.pick([150, 400, 1000]),
      transactionTimeoutMs: dice.pick([400, 1500, 5000]),
      pauseMsMax: dice.pick([5, 20, 80]),
      batchesMax: dice.between(1, 4),
      commitPercent: dice.pick([40, 70, 95]),
      latePercent: hasLate ? dice.for(`late ${index}`).pick(LATE_PERCENTS) : 0,
      isNew: dice.for(`protocol ${index}`).chance(NEW_PERCENT),
    })),
    copiers,
    // Neither do those flip bits who would have to be told from a broker in disorder.
    faults: plan.faults.filter(
      ({ fault: { kind } }) => !UNWANTED_IN_TRANSACTIONS.has(kind) && (isShortened || kind !== 'delete-records'),
    ),
  };
}

/** @param isShortened Whether records may be taken away by their age, or by how many they are. */
function forTransactions(topic: TopicPlan, isShortened: boolean): TopicPlan {
  const { name, partitions, replicationFactor, configs, retentionBytes, retentionMs } = topic;
  const retention = Object.entries(configs).filter(([key]) => key.startsWith('retention.'));
  return {
    name,
    partitions,
    replicationFactor,
    configs: {
      ...(isShortened ? Object.fromEntries(retention) : {}),
      'segment.bytes': configs['segment.bytes'] ?? '6000',
      'index.interval.bytes': configs['index.interval.bytes'] ?? '400',
      'file.delete.delay.ms': '20',
    },
    retentionBytes: isShortened ? retentionBytes : undefined,
    retentionMs: isShortened ? retentionMs : undefined,
    isCompacted: false,
  };
}

const UNWANTED_IN_TRANSACTIONS: ReadonlySet<FaultKind> = new Set(['bit-flip', 'metadata-flip']);

/** Draws a world from a seed. Each seed has some of the features and faults and not others, so that rare meetings happen. */
export function planSeed(seed: number, options: PlanOptions = {}): SeedPlan {
  const drawn = drawPlan(seed, options);
  const written = options.transactions === true ? withTransactions(drawn, options.onlyTransactions !== true) : drawn;
  const plan = options.racks === true && written.brokers > 1 ? withRacks(written) : written;
  return options.unclean === true && options.transactions !== true ? withUncleanElections(plan) : plan;
}

/** Of all topics of such a world, how many let replicas lead that are not in sync. */
const UNCLEAN_PERCENT = 70;

const RACKS = ['north', 'south'] as const;
const SELECTOR = 'replica.selector.class';

/** The rack of a broker; undefined where there are none. */
export function rackOf({ settings }: SeedPlan, brokerId: number): string | undefined {
  return settings[SELECTOR] === undefined ? undefined : RACKS[brokerId % RACKS.length];
}

/** Readers are somewhere, and leaders send them to a follower that is there too; all else in the world is what it was. */
function withRacks(plan: SeedPlan): SeedPlan {
  const dice = new Dice(plan.seed).for('racks');
  return {
    ...plan,
    settings: { ...plan.settings, [SELECTOR]: 'org.apache.kafka.common.replica.RackAwareReplicaSelector' },
    readers: plan.readers.map((reader) => ({ ...reader, fetch: { ...reader.fetch, rackId: dice.pick(RACKS) } })),
    copiers: plan.copiers.map((copier) => ({ ...copier, rackId: dice.for(copier.name).pick(RACKS) })),
    committedRack: dice.for('committed').pick(RACKS),
  };
}

/** Some topics choose to be led rather than to keep what was acknowledged; all else in the world is what it was. */
function withUncleanElections(plan: SeedPlan): SeedPlan {
  const dice = new Dice(plan.seed).for('unclean');
  const topics = plan.topics.map((topic) => {
    const isUnclean = topic.replicationFactor > 1 && dice.chance(UNCLEAN_PERCENT);
    return isUnclean ? { ...topic, configs: { ...topic.configs, [UNCLEAN_ELECTION]: 'true' } } : topic;
  });
  return { ...plan, topics };
}

function drawPlan(seed: number, options: PlanOptions): SeedPlan {
  const dice = new Dice(seed).for('plan');
  const isDurable = !dice.chance(UNSYNCED_PERCENT);
  const brokers = options.brokers ?? 1;
  const ownsMetadata = brokers === 1 && dice.for('metadata').chance(OWN_METADATA_PERCENT);
  // Replicas that come and go take their time.
  const durationMs = (brokers > 1 ? dice.time(1000, 5000) : dice.time(400, 2400)) * (options.length ?? 1);
  const producers = planProducers(dice.for('producers'));
  const topics = planTopics(dice.for('topics'), producers, brokers);
  const hasPorter = dice.for('porter').chance(PORTER_PERCENT);
  const faults = { durationMs, isDurable, brokers, ownsMetadata, kinds: options.faults };
  const events = [
    ...planFaults(dice.for('faults'), faults),
    ...planThrows(dice.for('throws'), faults),
    ...planScribbles(dice.for('scribbles'), faults),
  ];
  return {
    seed,
    brokers,
    ownsMetadata,
    durationMs,
    settings: {
      ...planSettings(dice.for('settings'), isDurable),
      ...planReplication(dice.for('replication'), brokers),
      ...(hasPorter && { 'log.dirs': TWO_FOLDERS }),
    },
    topics,
    producers,
    readers: planReaders(dice.for('readers')),
    transactional: [],
    copiers: [],
    committedRack: undefined,
    faults: events,
    absent: planAbsent(dice.for('absent'), faults),
    isTended: options.isTended ?? (brokers > 1 && dice.for('garden').chance(TENDED_PERCENT)),
    hasPorter,
    hasVandals: hasVandals(dice.for('vandals'), brokers, events),
    isDurable,
  };
}

function planAbsent(dice: Dice, { brokers, isDurable, kinds }: FaultPlanOptions): AbsentBroker | undefined {
  const mayDie = kinds === undefined || kinds.includes('kill') || kinds.includes('power');
  if (brokers < BROKERS_WITHOUT_ONE_MIN || !mayDie || !dice.chance(ABSENT_PERCENT)) return undefined;
  const brokerId = dice.between(1, brokers);
  return { brokerId, crash: planCrash(dice, isDurable ? dice.pick(['all', 'none', 'some']) : 'all') };
}

/** Not where the metadata are damaged: what comes back of them then is older the more of them there is. */
function hasVandals(dice: Dice, brokers: number, faults: readonly PlannedEvent[]): boolean {
  if (brokers > 1) return dice.chance(VANDALS_PERCENT);
  return !faults.some(({ fault }) => fault.kind === 'metadata-flip');
}

function planSettings(dice: Dice, isDurable: boolean): Record<string, string> {
  return {
    'log.dirs': dice.chance(20) ? TWO_FOLDERS : '/data',
    'auto.create.topics.enable': 'false',
    'offsets.topic.num.partitions': String(dice.between(1, 3)),
    'offsets.topic.segment.bytes': String(dice.between(600, 6000)),
    'group.initial.rebalance.delay.ms': dice.chance(70) ? '0' : '50',
    'group.min.session.timeout.ms': '1',
    'zookeeper.session.timeout.ms': '1500',
    'log.retention.check.interval.ms': String(dice.between(50, 600)),
    'log.segment.delete.delay.ms': String(dice.pick([0, 20, 400])),
    'log.flush.offset.checkpoint.interval.ms': String(dice.between(50, 1000)),
    'replica.high.watermark.checkpoint.interval.ms': String(dice.between(50, 1000)),
    'log.cleaner.backoff.ms': String(dice.between(20, 300)),
    ...(isDurable ? {} : { 'log.flush.interval.messages': '9223372036854775807' }),
  };
}

/** How many replicas keep what is acknowledged. */
const REPLICAS_MAX = 3;

/** What a cluster has beside. */
function planReplication(dice: Dice, brokers: number): Record<string, string> {
  if (brokers === 1) return { 'offsets.topic.replication.factor': '1' };
  const replicas = Math.min(brokers, REPLICAS_MAX);
  return {
    'offsets.topic.replication.factor': String(replicas),
    'min.insync.replicas': dice.chance(80) ? '2' : '1',
    'leader.imbalance.check.interval.seconds': '1',
    'auto.leader.rebalance.enable': String(dice.chance(70)),
    'controlled.shutdown.max.retries': '2',
    'replica.lag.time.max.ms': String(dice.pick([300, 1000, 3000])),
    'replica.fetch.wait.max.ms': String(dice.pick([20, 100, 500])),
    'replica.fetch.backoff.ms': String(dice.pick([20, 100, 1000])),
    'replica.fetch.max.bytes': String(dice.pick([500, 10_000, 1_048_576])),
    'num.replica.fetchers': String(dice.pick([1, 1, 2])),
    'replica.socket.timeout.ms': String(dice.pick([800, 2000])),
    'controller.socket.timeout.ms': String(dice.pick([300, 2000])),
    'controlled.shutdown.retry.backoff.ms': '100',
    'inter.broker.protocol.version': dice.pick(['3.9', '3.9', '2.8', '3.4', '3.6']),
  };
}

/** Bytes of a batch and of a record in it, beside keys and values, at the most. */
const BATCH_OVERHEAD_BYTES = 61;
const RECORD_OVERHEAD_BYTES = 20;

function batchBytesMax({ recordsMax, valueBytesMax }: ProducerTraits): number {
  return BATCH_OVERHEAD_BYTES + recordsMax * (valueBytesMax + RECORD_OVERHEAD_BYTES);
}

/** A topic of a larger cluster has more partitions. */
const BROKERS_PER_SHARE = 5;

/** Topics that take all that the producers send: segments hold their batches, and without keys nothing is compacted. */
function planTopics(dice: Dice, producers: readonly ProducerTraits[], brokers: number): TopicPlan[] {
  const batchBytes = Math.max(...producers.map(batchBytesMax));
  const hasKeys = producers.every(({ keys }) => keys > 0);
  return Array.from({ length: dice.pick([1, 1, 1, 2]) }, (_, index) => {
    const policy = dice.nextInt(10);
    const isCompacted = hasKeys && policy < 4;
    const retentionBytes = policy === 4 || policy === 5 ? dice.between(1500, 8000) : undefined;
    const retentionMs = policy === 5 || policy === 6 || policy === 7 ? dice.between(200, 1500) : undefined;
    const configs: Record<string, string> = {
      'segment.bytes': String(Math.max(dice.between(300, 6000), batchBytes)),
      'index.interval.bytes': String(dice.pick([0, 100, 400, 4096])),
      'file.delete.delay.ms': String(dice.pick([0, 20, 400])),
    };
    if (dice.chance(20)) configs['segment.ms'] = String(dice.between(100, 1000));
    if (dice.chance(20)) configs['message.timestamp.type'] = 'LogAppendTime';
    if (dice.chance(8)) configs['compression.type'] = dice.pick(['gzip', 'uncompressed', 'zstd']);
    if (retentionBytes !== undefined) configs['retention.bytes'] = String(retentionBytes);
    if (retentionMs !== undefined) configs['retention.ms'] = String(retentionMs);
    if (isCompacted) {
      configs['cleanup.policy'] = 'compact';
      configs['min.cleanable.dirty.ratio'] = '0.1';
      configs['delete.retention.ms'] = String(dice.pick([0, 100, DAY_MS]));
    }
    const partitions = dice.between(1, 3) * Math.max(1, Math.floor(brokers / BROKERS_PER_SHARE));
    const replicationFactor = Math.min(brokers, REPLICAS_MAX);
    return {
      name: `t${index}`,
      partitions,
      replicationFactor,
      configs,
      retentionBytes,
      retentionMs,
      isCompacted,
    };
  });
}

function planProducers(dice: Dice): ProducerTraits[] {
  return Array.from({ length: dice.between(1, 3) }, (_, index) => ({
    name: `p${index}`,
    kind: dice.pick(['once', 'retrying', 'idempotent', 'idempotent']),
    acks: dice.pick([0, 1, -1, -1, -1]),
    produceVersion: dice.pick(PRODUCE_VERSIONS),
    recordsMax: dice.pick([1, 2, 4, 8]),
    valueBytesMax: dice.pick([20, 60, 200, 700]),
    compression: dice.chance(90) ? Compression.NONE : Compression.GZIP,
    keys: dice.chance(60) ? dice.between(1, 12) : 0,
    pauseMsMax: dice.pick([20, 50, 100]),
    requestTimeoutMs: dice.pick([150, 400, 1000]),
    inFlightMax: dice.between(1, 5),
  }));
}

function planReaders(dice: Dice): ReaderTraits[] {
  const groups = dice.between(0, 2);
  const members = Array.from({ length: groups }, (_, group) => Array(dice.between(1, 3)).fill(`g${group}`)).flat();
  const readers: (string | undefined)[] = [...members, ...Array(dice.nextInt(2)).fill(undefined)];
  return readers.map((group, index) => planReader(dice, `r${index}`, group));
}

function planReader(dice: Dice, name: string, group: string | undefined): ReaderTraits {
  return {
    name,
    group,
    versions: {
      find: dice.between(0, 6),
      join: dice.between(0, 9),
      sync: dice.between(0, 5),
      heartbeat: dice.between(0, 4),
      leave: dice.between(0, 5),
      commit: dice.between(1, 9),
      fetch: dice.between(1, 9),
    },
    listOffsetsVersion: dice.between(1, 9),
    fetch: {
      version: dice.pick(FETCH_VERSIONS),
      maxWaitMs: dice.pick([0, 20, 100]),
      minBytes: dice.pick([1, 1, 2000]),
      maxBytes: dice.pick([300, 4000, 1_000_000]),
      partitionMaxBytes: dice.pick([200, 2000, 1_000_000]),
      timeoutMs: dice.pick([200, 500, 1000]),
      readCommitted: dice.chance(50),
    },
    sessionTimeoutMs: dice.pick([300, 800, 2000]),
    pauseMsMax: dice.pick([30, 80, 150]),
    commitPercent: dice.pick([10, 40, 90]),
    leavePerMille: dice.pick([0, 10, 40]),
  };
}
