import { isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import type { Random } from '@millrace/ports';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import { randomUuid } from '../shared/uuid.ts';
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
  settledAssignment,
  type TopicAssignment,
} from './znodes.ts';

/** A partition's log as it describes itself. */
export interface FoundLog {
  readonly topic: string;
  readonly partition: number;
  /** Undefined where `partition.metadata` says none. */
  readonly topicId: string | undefined;
  /** The last leader epoch that the log knows; -1 for none. */
  readonly leaderEpoch: number;
}

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
const EPOCH_LEAP = 1000;

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
    if (leaderEpoch > epoch) ahead.push(log);
  }
  return { unknown, ahead, misnamed };
}

/** Raises the leader epochs of partitions to what their logs know, so that the next leader's is above it. */
export async function raiseLeaderEpochs(store: MetadataStore, logs: readonly FoundLog[]): Promise<number> {
  let raised = 0;
  for (const { topic, partition, leaderEpoch } of logs) {
    const present = await readState(store, topic, partition);
    if (present === undefined || present.state.leaderEpoch >= leaderEpoch) continue;
    const data = encodePartitionState({ ...present.state, leaderEpoch });
    await store.set(paths.partitionState(topic, partition), data, { exactly: present.version });
    raised += 1;
  }
  return raised;
}

/** How {@link adoptLogs} fills in what logs do not say. */
export interface AdoptOptions {
  readonly logs: readonly FoundLog[];
  /** Who holds and leads the partitions. */
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
    topics.push(await adoptTopic(store, name, found, { ...options, controllerEpoch }));
  }
  await takeTopicIds(store, logs);
  const { ahead } = await compareWithStore(store, logs);
  const raised = await raiseLeaderEpochs(store, ahead);
  const isr = [options.brokerId];
  const fresh = { leader: options.brokerId, leaderEpoch: 0, isr, controllerEpoch, leaderRecoveryState: 0 };
  await leapLeaderEpochs(store, fresh, logs, leap);
  return { topics, raised };
}

/**
 * A log knows the epochs in which it was written to, and clients all that they were told: one that knows a later epoch than the broker
 * takes no metadata from it any more. Partitions that were made after the state that is restored have none; they get one, for the
 * controller would begin theirs at 0.
 */
async function leapLeaderEpochs(
  store: MetadataStore,
  fresh: LeaderAndIsr,
  logs: readonly FoundLog[],
  leap: number,
): Promise<void> {
  const logEpochs = new Map(logs.map((log) => [paths.partitionState(log.topic, log.partition), log.leaderEpoch]));
  let writes: Operation[] = [];
  for (const topic of await store.children(paths.topics)) {
    const { partitions } = (await readTopic(store, topic)) ?? { partitions: [] };
    if (partitions.length > 0) await makeNode(store, paths.partitions(topic));
    for (let partition = 0; partition < partitions.length; partition += 1) {
      const path = paths.partitionState(topic, partition);
      const state = (await readState(store, topic, partition))?.state;
      const leaderEpoch = Math.max(state?.leaderEpoch ?? 0, logEpochs.get(path) ?? 0) + leap;
      const data = encodePartitionState({ ...(state ?? fresh), leaderEpoch });
      if (state === undefined) await makeNode(store, paths.partition(topic, partition));
      writes.push(state === undefined ? { type: 'create', path, data } : { type: 'set', path, data, expected: 'any' });
      if (writes.length < STATES_PER_WRITE_MAX) continue;
      await store.multi(writes);
      writes = [];
    }
  }
  if (writes.length > 0) await store.multi(writes);
}

async function makeNode(store: MetadataStore, path: string): Promise<void> {
  if ((await store.exists(path)) === undefined) await store.create(path, Buffer.alloc(0));
}

async function adoptTopic(
  store: MetadataStore,
  name: string,
  found: readonly FoundLog[],
  { brokerId, controllerEpoch, random }: AdoptOptions & { readonly controllerEpoch: number },
): Promise<{ name: string; partitions: number; missing: number[] }> {
  const known = await readTopic(store, name);
  const first = known?.partitions.length ?? 0;
  const count = Math.max(...found.map(({ partition }) => partition)) + 1;
  const epochs = new Map(found.map(({ partition, leaderEpoch }) => [partition, leaderEpoch]));
  const added = Array.from({ length: count - first }, () => settledAssignment([brokerId]));
  const partitions = [...(known?.partitions ?? []), ...added];
  const data = encodeTopic(known?.topicId ?? idOf(found) ?? randomUuid(random), partitions);
  const operations: Operation[] = [];
  if (known === undefined) {
    operations.push(
      { type: 'create', path: paths.topic(name), data },
      { type: 'create', path: paths.partitions(name), data: Buffer.alloc(0) },
    );
  } else {
    operations.push({ type: 'set', path: paths.topic(name), data, expected: 'any' });
  }
  for (let partition = first; partition < count; partition += 1) {
    const leaderEpoch = Math.max(epochs.get(partition) ?? -1, 0);
    const isr = [brokerId];
    const state = encodePartitionState({ leader: brokerId, leaderEpoch, isr, controllerEpoch, leaderRecoveryState: 0 });
    operations.push(
      { type: 'create', path: paths.partition(name, partition), data: Buffer.alloc(0) },
      { type: 'create', path: paths.partitionState(name, partition), data: state },
    );
  }
  // One by one: all of a large topic is more than a transaction takes, and nobody else is at this store.
  for (const operation of operations) await store.multi([operation]);
  if (isInternalTopic(name)) await adoptConfig(store, name);
  const missing = Array.from({ length: count - first }, (_, index) => first + index);
  return { name, partitions: count, missing: missing.filter((partition) => !epochs.has(partition)) };
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

async function leapProducerIds(store: MetadataStore, { brokerId, nowMs }: AdoptOptions): Promise<void> {
  const present = decodeProducerIdBlock((await contentOf(store, paths.producerIdBlock)) ?? Buffer.alloc(0));
  const last = Math.max(present?.last ?? -1, Math.trunc(nowMs));
  await store.set(paths.producerIdBlock, encodeProducerIdBlock({ brokerId, first: last, last }), 'any');
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
