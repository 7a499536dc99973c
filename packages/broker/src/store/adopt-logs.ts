import { isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import type { Random } from '@millrace/ports';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { randomUuid } from '../shared/uuid.ts';
import { type FoundLog, type FoundPartition, foundPartition, plausibleEpoch } from './found-logs.ts';
import { makePersistentNodes } from './registration.ts';
import {
  decodeControllerEpoch,
  decodePartitionState,
  decodeProducerIdBlock,
  decodeTopic,
  encodeClusterId,
  encodeConfig,
  encodePartitionState,
  encodeProducerIdBlock,
  encodeTopic,
  type LeaderAndIsr,
  paths,
  type ReplicaAssignment,
  settledAssignment,
  type TopicAssignment,
} from './znodes.ts';

/** What logs know and the metadata store does not. */
export interface UnknownToStore<Log extends FoundLog = FoundLog> {
  /** Logs of topics or partitions that the store does not have. */
  readonly unknown: readonly Log[];
  /** Logs that were led in a later epoch than the store has come to. */
  readonly ahead: readonly Log[];
  /** Logs that name another topic id than the store, which has checksums where `partition.metadata` has none. */
  readonly misnamed: readonly { readonly log: Log; readonly topicId: string }[];
}

/** What {@link adoptLogs} has done. */
export interface Adoption {
  /** Topics that were taken from their logs, with the partitions they have now. */
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: number;
    readonly missing: readonly number[];
  }[];
  /** How many partitions' leader epochs were raised. */
  readonly raised: number;
}

/** A UUID in base64, as Kafka prints it. */
const TOPIC_ID = /^[A-Za-z0-9_-]{22}$/;

/**
 * By how much epochs of controllers and leaders are raised where it is not known how far the last one had come; as many times as the store
 * was restored, since what is restored may be what there was before all of them.
 */
export const EPOCH_LEAP = 1000;

/** How often others may take producer ids at the same moment. */
const LEAP_ATTEMPTS_MAX = 50;

/** States that are written in one transaction. */
const STATES_PER_WRITE_MAX = 100;

/** Holds logs against the store that should know all of them. */
export async function compareWithStore<Log extends FoundLog>(
  store: MetadataStore,
  logs: Iterable<Log>,
): Promise<UnknownToStore<Log>> {
  const unknown: Log[] = [];
  const ahead: Log[] = [];
  const misnamed: { log: Log; topicId: string }[] = [];
  const topics = new Map<string, TopicAssignment | undefined>();
  for (const log of logs) {
    const { topic, partition, leaderEpoch } = log;
    if (!topics.has(topic)) topics.set(topic, await readTopic(store, topic));
    const known = topics.get(topic);
    if (known === undefined || partition >= known.partitions.length) {
      unknown.push(log);
      continue;
    }
    if (known.topicId !== undefined && log.topicId !== undefined && log.topicId !== known.topicId) {
      misnamed.push({ log, topicId: known.topicId });
    }
    const epoch = (await readState(store, topic, partition))?.state.leaderEpoch ?? -1;
    if (plausibleEpoch(leaderEpoch) > epoch) ahead.push(log);
  }
  return { unknown, ahead, misnamed };
}

/** How {@link adoptLogs} fills in what logs do not say. */
export interface AdoptOptions {
  readonly logs: readonly FoundLog[];
  /** Who holds and leads the partitions of which no log says so, or of which there is none. */
  readonly brokerId: number;
  /** What the log folders say; the store's own gives way to it. */
  readonly clusterId?: string | undefined;
  readonly random: Random;
  /** How often the store was restored before. */
  readonly restorations: number;
  /** Producer ids go on from here: no counting has come so far, so none comes twice. */
  readonly nowMs: number;
}

/**
 * Puts into a store what logs know and it does not: topics and partitions that are missing, with their ids, and leader epochs.
 * Configs are not in the logs; those of the broker's own topics are put back. Epochs of the controller and producer ids begin
 * anew above all that can have been.
 */
export async function adoptLogs(store: MetadataStore, options: AdoptOptions): Promise<Adoption> {
  const { logs, clusterId, restorations } = options;
  const leap = EPOCH_LEAP * (restorations + 1);
  await makePersistentNodes(store);
  if (clusterId !== undefined) await writeClusterId(store, clusterId);
  const controllerEpoch = await leapControllerEpoch(store, leap);
  await leapProducerIds(store, options);
  const { unknown } = await compareWithStore(store, logs);
  const topics: { name: string; partitions: number; missing: number[] }[] = [];
  for (const [name, found] of Map.groupBy(unknown, ({ topic }) => topic)) {
    topics.push(await adoptTopic(store, name, found, options));
  }
  await takeTopicIds(store, logs);
  const raised = await leapLeaderEpochs(store, logs, { brokerId: options.brokerId, controllerEpoch, epochs: leap });
  return { topics, raised };
}

/**
 * Has a store that is an older copy, as logs show that know later leader epochs, go on above all that anybody can remember of the one that
 * it was put in the place of: its controllers, leaders and producer ids. Resolves with how many leader epochs were behind their logs.
 */
export async function goAboveLogs(
  store: MetadataStore,
  { logs, brokerId, nowMs }: Pick<AdoptOptions, 'logs' | 'brokerId' | 'nowMs'>,
): Promise<number> {
  const controllerEpoch = await leapControllerEpoch(store, EPOCH_LEAP);
  await leapProducerIds(store, { brokerId, nowMs });
  return leapLeaderEpochs(store, logs, { brokerId, controllerEpoch, epochs: EPOCH_LEAP });
}

/** What partitions get of which neither the store nor a log says it, and by how much epochs are raised. */
interface Leap {
  readonly brokerId: number;
  readonly controllerEpoch: number;
  readonly epochs: number;
}

/**
 * A log knows the epochs in which it was written to, and clients all that they were told: one that knows a later epoch than the broker
 * takes no metadata from it any more. Partitions that were made after the state that is restored have none; they get one, for the
 * controller would begin theirs at 0. Resolves with how many states were behind the logs.
 */
async function leapLeaderEpochs(store: MetadataStore, logs: readonly FoundLog[], leap: Leap): Promise<number> {
  const logsOf = Map.groupBy(logs, (log) => paths.partitionState(log.topic, log.partition));
  let raised = 0;
  let writes: Operation[] = [];
  for (const topic of await store.children(paths.topics)) {
    const { topicId, partitions = [] } = (await readTopic(store, topic)) ?? {};
    if (partitions.length > 0) await makeNode(store, paths.partitions(topic));
    const settled = [...partitions];
    for (const [partition, assignment] of partitions.entries()) {
      const path = paths.partitionState(topic, partition);
      const present = (await readState(store, topic, partition))?.state;
      const found = await foundPartition(logsOf.get(path) ?? []);
      const above = leapt({ assignment, present, found }, leap, topicId !== undefined);
      settled[partition] = above.assignment;
      if (above.wasBehind) raised += 1;
      const data = encodePartitionState(above.state);
      if (present === undefined) await makeNode(store, paths.partition(topic, partition));
      writes.push(
        present === undefined ? { type: 'create', path, data } : { type: 'set', path, data, expected: 'any' },
      );
      if (writes.length < STATES_PER_WRITE_MAX) continue;
      await store.multi(writes);
      writes = [];
    }
    const isMoved = settled.some((assignment, partition) => assignment !== partitions[partition]);
    if (isMoved && topicId !== undefined) await store.set(paths.topic(topic), encodeTopic(topicId, settled), 'any');
  }
  if (writes.length > 0) await store.multi(writes);
  return raised;
}

/** A partition as the store has it, and as its logs are. */
interface KnownPartition {
  readonly assignment: ReplicaAssignment;
  readonly present: LeaderAndIsr | undefined;
  readonly found: FoundPartition;
}

/**
 * A partition's state in epochs above all that there were. Who led and was in sync by a state that is behind the logs may have been left
 * behind since: there the logs say who has everything, and where that is nobody to whom the partition is assigned, who has it at all.
 */
function leapt(
  { assignment, present, found }: KnownPartition,
  { brokerId, controllerEpoch, epochs }: Leap,
  canMove: boolean,
): { readonly state: LeaderAndIsr; readonly assignment: ReplicaAssignment; readonly wasBehind: boolean } {
  const leaderEpoch = Math.max(present?.leaderEpoch ?? 0, found.leaderEpoch) + epochs;
  const wasBehind = present !== undefined && found.leaderEpoch > present.leaderEpoch;
  if (present !== undefined && (!wasBehind || found.complete.length === 0)) {
    return { state: { ...present, leaderEpoch }, assignment, wasBehind };
  }
  const assigned = found.complete.filter((id) => assignment.replicas.includes(id));
  const isMoved = assigned.length === 0 && found.complete.length > 0 && canMove;
  const isr = isMoved ? found.complete : assigned;
  if (isr.length === 0) {
    const isr = assignment.replicas.includes(brokerId) ? [brokerId] : assignment.replicas;
    const fresh = { leader: isr[0] as number, isr, controllerEpoch, leaderRecoveryState: 0 };
    return { state: { ...(present ?? fresh), leaderEpoch }, assignment, wasBehind };
  }
  const rest = { controllerEpoch, leaderRecoveryState: 0, ...present };
  const state = { ...rest, leader: isr[0] as number, isr, leaderEpoch };
  return { state, assignment: isMoved ? settledAssignment(found.replicas) : assignment, wasBehind };
}

async function makeNode(store: MetadataStore, path: string): Promise<void> {
  if ((await store.exists(path)) === undefined) await store.create(path, Buffer.alloc(0));
}

/** Puts a topic, or what it lacks, into the store; the states of its partitions come with all others. */
async function adoptTopic(
  store: MetadataStore,
  name: string,
  found: readonly FoundLog[],
  { brokerId, random }: AdoptOptions,
): Promise<{ name: string; partitions: number; missing: number[] }> {
  const known = await readTopic(store, name);
  const first = known?.partitions.length ?? 0;
  const logsOf = Map.groupBy(found, ({ partition }) => partition);
  const count = Math.max(...logsOf.keys()) + 1;
  const partitions = [...(known?.partitions ?? [])];
  const missing: number[] = [];
  for (let partition = first; partition < count; partition += 1) {
    const logs = logsOf.get(partition);
    if (logs === undefined) missing.push(partition);
    const { replicas } = await foundPartition(logs ?? []);
    partitions.push(settledAssignment(replicas.length === 0 ? [brokerId] : replicas));
  }
  const data = encodeTopic(known?.topicId ?? idOf(found) ?? randomUuid(random), partitions);
  if (known === undefined) await store.create(paths.topic(name), data);
  else await store.set(paths.topic(name), data, 'any');
  if (isInternalTopic(name)) await adoptConfig(store, name);
  return { name, partitions: count, missing };
}

/** An old export may have a topic that was deleted and made anew since: then all of its logs name another id than it does. */
async function takeTopicIds(store: MetadataStore, logs: readonly FoundLog[]): Promise<void> {
  for (const [name, found] of Map.groupBy(logs, ({ topic }) => topic)) {
    const known = await readTopic(store, name);
    const id = idOf(found);
    const isOther = id !== undefined && found.every(({ topicId }) => topicId === undefined || topicId === id);
    if (known === undefined || !isOther || known.topicId === id || !TOPIC_ID.test(id)) continue;
    await store.set(paths.topic(name), encodeTopic(id, known.partitions), 'any');
  }
}

/** The id that most of a topic's logs name: one of them may be damaged. */
function idOf(found: readonly FoundLog[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { topicId } of found)
    if (topicId !== undefined && TOPIC_ID.test(topicId)) counts.set(topicId, (counts.get(topicId) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0];
}

/** The broker's own topics are compacted; with the broker's defaults their content would be deleted after a week. */
async function adoptConfig(store: MetadataStore, name: string): Promise<void> {
  if ((await store.exists(paths.topicConfig(name))) !== undefined) return;
  await store.create(paths.topicConfig(name), encodeConfig({ 'cleanup.policy': 'compact' }));
}

async function writeClusterId(store: MetadataStore, id: string): Promise<void> {
  if ((await store.exists(paths.clusterId)) === undefined) await store.create(paths.clusterId, encodeClusterId(id));
  else await store.set(paths.clusterId, encodeClusterId(id), 'any');
}

async function leapControllerEpoch(store: MetadataStore, leap: number): Promise<number> {
  const present = await contentOf(store, paths.controllerEpoch);
  const epoch = (present === undefined ? 0 : decodeControllerEpoch(present)) + leap;
  const data = Buffer.from(String(epoch));
  if (present === undefined) await store.create(paths.controllerEpoch, data);
  else await store.set(paths.controllerEpoch, data, 'any');
  return epoch;
}

/**
 * Has producer ids go on above all that were given out, for a store that does not know how many these were. Others may take theirs meanwhile.
 * @throws MetadataError when the store cannot be used
 */
export async function leapProducerIds(
  store: MetadataStore,
  { brokerId, nowMs }: Pick<AdoptOptions, 'brokerId' | 'nowMs'>,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const { data, stat } = await store.get(paths.producerIdBlock);
    const last = Math.trunc(nowMs);
    // Nothing is taken back, and one that has leapt already need not do so again.
    if ((decodeProducerIdBlock(data)?.last ?? -1) >= last) return;
    const block = encodeProducerIdBlock({ brokerId, first: last, last });
    try {
      await store.set(paths.producerIdBlock, block, { exactly: stat.version });
      return;
    } catch (error) {
      if (!isMetadataError(error, 'BAD_VERSION', 'CONNECTION_LOSS') || attempt === LEAP_ATTEMPTS_MAX) throw error;
    }
  }
}

async function readTopic(store: MetadataStore, topic: string): Promise<TopicAssignment | undefined> {
  const data = await contentOf(store, paths.topic(topic));
  return data === undefined ? undefined : decodeTopic(topic, data);
}

async function readState(
  store: MetadataStore,
  topic: string,
  partition: number,
): Promise<{ state: LeaderAndIsr; version: number } | undefined> {
  const path = paths.partitionState(topic, partition);
  try {
    const { data, stat } = await store.get(path);
    return { state: decodePartitionState(path, data), version: stat.version };
  } catch (error) {
    if (isMetadataError(error, 'NO_NODE')) return undefined;
    throw error;
  }
}

async function contentOf(store: MetadataStore, path: string): Promise<Buffer | undefined> {
  try {
    return (await store.get(path)).data;
  } catch (error) {
    if (isMetadataError(error, 'NO_NODE')) return undefined;
    throw error;
  }
}
