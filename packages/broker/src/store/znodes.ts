/**
 * The nodes of the metadata store: their paths and their JSON, as Kafka 2.8 to 3.9 wrote them to ZooKeeper (`ZkData`).
 */
import type { BrokerEndpoint, LiveBroker } from '../cluster/broker-channel.ts';
import { topicNameFault } from '../cluster/topic-name.ts';
import { BrokerFault } from '../shared/errors.ts';

/** The last line of defence: what is no topic's name must not become part of a path, or it names another node. */
function legal(topic: string): string {
  const fault = topicNameFault(topic);
  if (fault === undefined) return topic;
  throw new BrokerFault(
    'BROKER_INVALID_TOPIC_NAME',
    `There is no place in the metadata store for such a topic: ${fault}`,
  );
}

/** Paths of the nodes, by what they hold. */
export const paths = {
  controller: '/controller',
  controllerEpoch: '/controller_epoch',
  clusterId: '/cluster/id',
  loginSecret: '/cluster/millrace_login_secret',
  brokerIds: '/brokers/ids',
  brokerId: (id: number): string => `/brokers/ids/${id}`,
  brokerSequence: '/brokers/seqid',
  topics: '/brokers/topics',
  topic: (topic: string): string => `/brokers/topics/${legal(topic)}`,
  partitions: (topic: string): string => `/brokers/topics/${topic}/partitions`,
  partition: (topic: string, partition: number): string => `/brokers/topics/${topic}/partitions/${partition}`,
  partitionState: (topic: string, partition: number): string =>
    `/brokers/topics/${topic}/partitions/${partition}/state`,
  deleteTopics: '/admin/delete_topics',
  deleteTopic: (topic: string): string => `/admin/delete_topics/${legal(topic)}`,
  topicConfigs: '/config/topics',
  topicConfig: (topic: string): string => `/config/topics/${legal(topic)}`,
  brokerConfig: (entity: string): string => `/config/brokers/${entity}`,
  configChanges: '/config/changes',
  configChangePrefix: '/config/changes/config_change_',
  producerIdBlock: '/latest_producer_id_block',
  feature: '/feature',
  isrChanges: '/isr_change_notification',
  isrChangePrefix: '/isr_change_notification/isr_change_',
  isrChange: (name: string): string => `/isr_change_notification/${name}`,
  logDirEvents: '/log_dir_event_notification',
  logDirEventPrefix: '/log_dir_event_notification/log_dir_event_',
  logDirEvent: (name: string): string => `/log_dir_event_notification/${name}`,
  preferredElection: '/admin/preferred_replica_election',
  reassignPartitions: '/admin/reassign_partitions',
  consumer: (groupId: string): string => `/consumers/${groupId}`,
  consumerOffsets: (groupId: string): string => `/consumers/${groupId}/offsets`,
  offsetsOf: (groupId: string, topic: string): string => `/consumers/${groupId}/offsets/${legal(topic)}`,
  consumerOffset: (groupId: string, topic: string, partition: number): string =>
    `/consumers/${groupId}/offsets/${legal(topic)}/${partition}`,
} as const;

/** The name under which the configs of all brokers stand. */
export const DEFAULT_ENTITY = '<default>';

/** Nodes that a cluster has from its first start on, parents before their children, in the order in which Kafka makes them. */
export const persistentPaths: readonly string[] = [
  '/consumers',
  '/brokers',
  paths.brokerIds,
  paths.topics,
  '/config',
  paths.configChanges,
  '/admin',
  paths.deleteTopics,
  paths.brokerSequence,
  paths.isrChanges,
  paths.producerIdBlock,
  paths.logDirEvents,
  paths.topicConfigs,
  '/config/clients',
  '/config/users',
  '/config/brokers',
  '/config/ips',
  '/cluster',
];

/** What a node holds is not what it should: somebody else wrote it, or the store is damaged. */
export class MalformedNodeError extends Error {
  override readonly name = 'MalformedNodeError';
  readonly code = 'METADATA_MALFORMED';
  readonly retriable = false;
  readonly path: string;

  constructor(
    path: string,
    cause: unknown,
    message = `The metadata node ${path} does not hold what it should. Repair or remove it.`,
  ) {
    super(message, { cause });
    this.path = path;
  }
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Reads a node's JSON with `take`, which throws on what it does not understand. */
function decode<T>(path: string, data: Buffer, take: (json: Record<string, unknown>) => T): T {
  try {
    return take(JSON.parse(data.toString()) as Record<string, unknown>);
  } catch (cause) {
    throw new MalformedNodeError(path, cause);
  }
}

function isIntegers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((each) => Number.isInteger(each));
}

function integer(value: unknown): number {
  const number = typeof value === 'string' ? Number(value) : value;
  if (!Number.isSafeInteger(number)) throw new TypeError(`${JSON.stringify(value)} is no integer`);
  return number as number;
}

function integers(value: unknown): number[] {
  if (!isIntegers(value)) throw new TypeError(`${JSON.stringify(value)} is no list of integers`);
  return value;
}

/** The feature under which brokers tell which transactions they know, Kafka's name of it (KIP-890). */
export const TRANSACTION_VERSION = 'transaction.version';

/**
 * `/brokers/ids/N`. What a broker supports does not bind a Kafka controller; the lowest version is 1, for Kafka before 3.8 takes no other.
 * The first PLAINTEXT endpoint stands for itself in `host` and `port`, for readers of version 1. */
export function encodeBroker(broker: LiveBroker, nowMs: number, transactionVersion: number = 0): Buffer {
  const plain = broker.endpoints.find((endpoint) => endpoint.securityProtocol === 'PLAINTEXT');
  return encode({
    version: 5,
    host: plain?.host ?? null,
    port: plain?.port ?? -1,
    endpoints: broker.endpoints.map(({ listener, host, port }) => `${listener}://${bracketed(host)}:${port}`),
    jmx_port: -1,
    timestamp: String(nowMs),
    listener_security_protocol_map: Object.fromEntries(
      broker.endpoints.map(({ listener, securityProtocol }) => [listener, securityProtocol]),
    ),
    features:
      transactionVersion < 1 ? {} : { [TRANSACTION_VERSION]: { min_version: 1, max_version: transactionVersion } },
    ...(broker.rack === null ? {} : { rack: broker.rack }),
  });
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

export function decodeBroker(id: number, data: Buffer): LiveBroker {
  return decode(paths.brokerId(id), data, (json) => {
    const protocols = (json['listener_security_protocol_map'] ?? {}) as Record<string, string>;
    const endpoints = (json['endpoints'] as string[]).map((text): BrokerEndpoint => {
      const match = /^(.*):\/\/\[?(.*?)\]?:(\d+)$/.exec(text);
      if (match === null) throw new TypeError(`${text} is no endpoint`);
      const listener = match[1] as string;
      return {
        listener,
        securityProtocol: protocols[listener] ?? listener,
        host: match[2] as string,
        port: Number(match[3]),
      };
    });
    return { id, rack: typeof json['rack'] === 'string' ? json['rack'] : null, endpoints };
  });
}

/** The highest `transaction.version` that a registered broker knows. */
export function transactionVersionOf(path: string, data: Buffer): number {
  // Created, and not yet set.
  if (data.length === 0) return 0;
  return decode(path, data, (json) => {
    const features = (json['features'] ?? {}) as Record<string, { readonly max_version?: unknown } | undefined>;
    const max = features[TRANSACTION_VERSION]?.max_version;
    return max === undefined ? 0 : integer(max);
  });
}

/** `/controller`. */
export function encodeController(brokerId: number, nowMs: number): Buffer {
  return encode({ version: 2, brokerid: brokerId, timestamp: String(nowMs), kraftControllerEpoch: -1 });
}

export function decodeController(data: Buffer): number {
  return decode(paths.controller, data, (json) => integer(json['brokerid']));
}

/** `/controller_epoch`, which is a bare number. */
export function decodeControllerEpoch(data: Buffer): number {
  return decode(paths.controllerEpoch, data, (json) => integer(json as unknown));
}

/** `/cluster/id`. */
export function encodeClusterId(id: string): Buffer {
  return encode({ version: '1', id });
}

export function decodeClusterId(data: Buffer): string {
  return decode(paths.clusterId, data, (json) => {
    if (typeof json['id'] !== 'string') throw new TypeError('there is no id');
    return json['id'];
  });
}

/** Who holds a partition, the preferred leader first. */
export interface ReplicaAssignment {
  /** All of them: while a reassignment runs, those that it leads to, then those that leave with it. */
  readonly replicas: readonly number[];
  /** Those that a running reassignment adds. */
  readonly adding: readonly number[];
  /** Those that leave when it is done. */
  readonly removing: readonly number[];
}

/** The assignment of a partition that is not being reassigned. */
export function settledAssignment(replicas: readonly number[]): ReplicaAssignment {
  return { replicas, adding: [], removing: [] };
}

/** What `/brokers/topics/T` says. */
export interface TopicAssignment {
  /** Undefined in nodes that were written before Kafka 2.8. */
  readonly topicId: string | undefined;
  /** Partition N stands at place N. */
  readonly partitions: readonly ReplicaAssignment[];
}

/** `/brokers/topics/T`. */
export function encodeTopic(topicId: string, partitions: readonly ReplicaAssignment[]): Buffer {
  const some = (of: (assignment: ReplicaAssignment) => readonly number[]): Record<string, readonly number[]> =>
    Object.fromEntries(
      [...partitions.entries()].flatMap(([index, each]) => (of(each).length > 0 ? [[index, of(each)]] : [])),
    );
  return encode({
    version: 3,
    topic_id: topicId,
    partitions: Object.fromEntries(partitions.map(({ replicas }, index) => [index, replicas])),
    adding_replicas: some(({ adding }) => adding),
    removing_replicas: some(({ removing }) => removing),
  });
}

export function decodeTopic(topic: string, data: Buffer): TopicAssignment {
  return decode(paths.topic(topic), data, (json) => {
    const replicas = json['partitions'] as Record<string, unknown>;
    if (Object.keys(replicas).length === 0) throw new TypeError('there are no partitions');
    const adding = (json['adding_replicas'] ?? {}) as Record<string, unknown>;
    const removing = (json['removing_replicas'] ?? {}) as Record<string, unknown>;
    const partitions = Array.from(
      { length: Object.keys(replicas).length },
      (_, id): ReplicaAssignment => ({
        replicas: integers(replicas[id]),
        adding: integers(adding[id] ?? []),
        removing: integers(removing[id] ?? []),
      }),
    );
    return { topicId: typeof json['topic_id'] === 'string' ? json['topic_id'] : undefined, partitions };
  });
}

/** What `/brokers/topics/T/partitions/P/state` says. */
export interface LeaderAndIsr {
  /** -1 while there is none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  /** The epoch of the controller that wrote it. */
  readonly controllerEpoch: number;
  /** 1 while a leader that was elected uncleanly takes over (KIP-704), else 0. */
  readonly leaderRecoveryState: number;
}

/** `/brokers/topics/T/partitions/P/state`. Built by hand, because a start writes one for every partition. */
export function encodePartitionState(state: LeaderAndIsr): Buffer {
  const recovery = state.leaderRecoveryState === 0 ? '' : `,"leader_recovery_state":${state.leaderRecoveryState}`;
  return Buffer.from(
    `{"controller_epoch":${state.controllerEpoch},"leader":${state.leader},"version":1,` +
      `"leader_epoch":${state.leaderEpoch},"isr":[${state.isr.join(',')}]${recovery}}`,
  );
}

export function decodePartitionState(path: string, data: Buffer): LeaderAndIsr {
  return decode(path, data, (json) => ({
    leader: integer(json['leader']),
    leaderEpoch: integer(json['leader_epoch']),
    isr: integers(json['isr']),
    controllerEpoch: integer(json['controller_epoch']),
    leaderRecoveryState: integer(json['leader_recovery_state'] ?? 0),
  }));
}

/** `/feature` of a cluster whose brokers agree on no features, as ZooKeeper mode has it; from 3.3 on in version 2. */
export function encodeFeature(version: 1 | 2): Buffer {
  return encode({ features: {}, version, status: 1 });
}

/** Whether `/feature` is to be written anew in this version: it says nothing else than that there are no features, in another form. */
export function isOtherFeatureNode(data: Buffer, wanted: 1 | 2): boolean {
  const { features, version, status } = decode(paths.feature, data, (json) => json);
  const isPlain = status === 0 || Object.keys((features ?? {}) as object).length === 0;
  return isPlain && (status !== 1 || version !== wanted);
}

/** A partition by its names. */
export interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

/** `/isr_change_notification/isr_change_N`: partitions whose leader has changed their state by itself, as before 2.7. */
/** `/isr_change_notification/isr_change_N`: partitions whose states somebody has changed who is not the controller. */
export function encodeIsrChange(partitions: readonly PartitionName[]): Buffer {
  return encode({ version: 1, partitions });
}

export function decodeIsrChange(path: string, data: Buffer): PartitionName[] {
  return decode(path, data, (json) => partitionNames(json['partitions']));
}

/** `/admin/preferred_replica_election`, the request of older tools. */
export function decodePreferredElection(data: Buffer): PartitionName[] {
  return decode(paths.preferredElection, data, (json) => partitionNames(json['partitions']));
}

function partitionNames(json: unknown): PartitionName[] {
  return (json as Record<string, unknown>[]).map(({ topic, partition }) => ({
    topic: String(topic),
    partition: integer(partition),
  }));
}

/** A partition and the replicas that it shall have. */
export interface PartitionTarget extends PartitionName {
  readonly replicas: readonly number[];
}

/** `/admin/reassign_partitions`, the request of older tools. */
export function encodeReassignments(targets: readonly PartitionTarget[]): Buffer {
  return encode({ version: 1, partitions: targets });
}

export function decodeReassignments(data: Buffer): PartitionTarget[] {
  return decode(paths.reassignPartitions, data, (json) =>
    (json['partitions'] as Record<string, unknown>[]).map(({ topic, partition, replicas }) => ({
      topic: String(topic),
      partition: integer(partition),
      replicas: integers(replicas),
    })),
  );
}

/** `/log_dir_event_notification/log_dir_event_N`: log folders of a broker have failed, which is the one event there is. */
export function encodeLogDirEvent(broker: number): Buffer {
  return encode({ version: 1, broker, event: 1 });
}

export function decodeLogDirEvent(path: string, data: Buffer): number {
  return decode(path, data, (json) => integer(json['broker']));
}

/** `/config/topics/T`, `/config/brokers/N`. */
export function encodeConfig(config: Readonly<Record<string, string>>): Buffer {
  return encode({ version: 1, config });
}

export function decodeConfig(path: string, data: Buffer): Record<string, string> {
  if (data.length === 0) return {};
  return decode(path, data, (json) => {
    const config = json['config'];
    // What is no config must not count as nothing set: a compacted topic would become one whose records expire.
    if (typeof config !== 'object' || config === null || Array.isArray(config)) {
      throw new TypeError('there is no config');
    }
    return Object.fromEntries(Object.entries(config).map(([name, value]) => [name, String(value)]));
  });
}

/** `/config/changes/config_change_N`; `entityPath` is `topics/T`, `brokers/N` or `brokers/<default>`. */
export function encodeConfigChange(entityPath: string): Buffer {
  return encode({ version: 2, entity_path: entityPath });
}

export function decodeConfigChange(path: string, data: Buffer): string {
  return decode(path, data, (json) => {
    const { entity_path: entityPath, entity_type: type, entity_name: name } = json;
    if (typeof entityPath === 'string') return entityPath;
    // As before Kafka 0.11, and as some tools write it still.
    if (typeof type === 'string' && typeof name === 'string') return `${type}/${name}`;
    throw new TypeError('it names no entity');
  });
}

/** A run of producer ids that one broker hands out. */
export interface ProducerIdBlock {
  readonly brokerId: number;
  readonly first: number;
  readonly last: number;
}

/** `/latest_producer_id_block`. */
export function encodeProducerIdBlock(block: ProducerIdBlock): Buffer {
  const { brokerId, first, last } = block;
  return encode({ version: 1, broker: brokerId, block_start: String(first), block_end: String(last) });
}

export function decodeProducerIdBlock(data: Buffer): ProducerIdBlock | undefined {
  if (data.length === 0) return undefined;
  return decode(paths.producerIdBlock, data, (json) => ({
    brokerId: integer(json['broker']),
    first: integer(json['block_start']),
    last: integer(json['block_end']),
  }));
}
