import type { Random } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { invalidTopicName } from '../cluster/topic-name.ts';
import type { BrokerConfig } from '../config/broker-config.ts';
import { type ConfigProperties, topicConfigFault } from '../config/topic-config.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { CONFIGS_PER_RESOURCE_MAX, listed, tooManyConfigs } from './config-bounds.ts';
import { assignReplicas } from './replica-assignment.ts';

/** How many partitions one topic may ask for at a time (KRaft's `MAX_PARTITIONS_PER_BATCH`). */
export const PARTITIONS_PER_TOPIC_REQUEST_MAX = 10_000;

/** A topic that somebody wants, as CreateTopics has it. */
export interface NewTopic {
  readonly name: string;
  /** -1 takes `num.partitions`. */
  readonly numPartitions: number;
  /** -1 takes `default.replication.factor`. */
  readonly replicationFactor: number;
  /** Who holds which partition; empty lets the controller choose. */
  readonly assignments: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[];
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

/** A topic that can be created: what its nodes will say. */
export interface TopicPlan {
  readonly name: string;
  /** Partition N stands at place N. */
  readonly replicas: readonly (readonly number[])[];
  readonly configs: ConfigProperties;
}

/** What a plan is made from. */
export interface PlanningContext {
  readonly cluster: ClusterImage;
  readonly config: BrokerConfig;
  readonly random: Random;
  /** Topics that are being made and that the cluster may not show yet, each under its {@link metricName}. */
  readonly coming: ReadonlyMap<string, string>;
}

/** Checks a topic that somebody wants and decides where its replicas go, or says why it cannot be (`ZkAdminManager.createTopics`). */
export function planTopic(topic: NewTopic, context: PlanningContext): TopicPlan | Refusal {
  const { cluster, config, coming } = context;
  const invalid = invalidTopicName(topic.name);
  if (invalid !== undefined) return invalid;
  if (cluster.topic(topic.name) !== undefined) {
    return Refusal.of(ErrorCode.TOPIC_ALREADY_EXISTS, `Topic '${topic.name}' already exists.`);
  }
  if (topic.configs.length > CONFIGS_PER_RESOURCE_MAX) return tooManyConfigs(topic.configs.length);
  const withoutValue = topic.configs.filter(({ value }) => value === null).map(({ name }) => name);
  if (withoutValue.length > 0) {
    return Refusal.of(ErrorCode.INVALID_CONFIG, `Null value not supported for topic configs: ${listed(withoutValue)}`);
  }
  const collision = collidingTopic(topic.name, cluster, coming);
  if (collision !== undefined) {
    const message = `Topic '${topic.name}' collides with existing topics: ${collision}`;
    return Refusal.of(ErrorCode.INVALID_TOPIC_EXCEPTION, message);
  }
  const replicas = topic.assignments.length === 0 ? chooseReplicas(topic, context) : givenReplicas(topic, cluster);
  if (isRefusal(replicas)) return replicas;
  const configs = Object.fromEntries(topic.configs.map(({ name, value }) => [name, value as string]));
  const fault = topicConfigFault(configs, config.topicDefaults);
  return fault === undefined ? { name: topic.name, replicas, configs } : Refusal.of(ErrorCode.INVALID_CONFIG, fault);
}

/** What a topic's metrics are named after: dots are underscores there. */
export function metricName(topic: string): string {
  return topic.replaceAll('.', '_');
}

/** A topic whose name differs only in dots and underscores: the two would share the names of their metrics. */
function collidingTopic(name: string, cluster: ClusterImage, coming: PlanningContext['coming']): string | undefined {
  if (!/[._]/.test(name)) return undefined;
  const key = metricName(name);
  const beside = coming.get(key);
  if (beside !== undefined && beside !== name) return beside;
  for (const other of cluster.topics.keys()) {
    if (other.length === key.length && metricName(other) === key) return other;
  }
  return undefined;
}

function chooseReplicas(topic: NewTopic, { cluster, config, random }: PlanningContext): number[][] | Refusal {
  const numPartitions = topic.numPartitions === -1 ? config.numPartitions : topic.numPartitions;
  const factor = topic.replicationFactor === -1 ? config.defaultReplicationFactor : topic.replicationFactor;
  if (numPartitions <= 0) {
    return Refusal.of(ErrorCode.INVALID_PARTITIONS, 'Number of partitions must be larger than 0.');
  }
  if (numPartitions > PARTITIONS_PER_TOPIC_REQUEST_MAX) return tooManyPartitions(numPartitions);
  if (factor <= 0) return Refusal.of(ErrorCode.INVALID_REPLICATION_FACTOR, 'Replication factor must be larger than 0.');
  if (factor > cluster.brokers.size) {
    const message = `Replication factor: ${factor} larger than available brokers: ${cluster.brokers.size}.`;
    return Refusal.of(ErrorCode.INVALID_REPLICATION_FACTOR, message);
  }
  return assignReplicas([...cluster.brokers.values()], numPartitions, factor, random);
}

export function tooManyPartitions(count: number): Refusal {
  const message = `Excessively large number of partitions per request: ${count}, at most ${PARTITIONS_PER_TOPIC_REQUEST_MAX} are allowed.`;
  return Refusal.of(ErrorCode.POLICY_VIOLATION, message);
}

function givenReplicas(topic: NewTopic, cluster: ClusterImage): (readonly number[])[] | Refusal {
  if (topic.numPartitions !== -1 || topic.replicationFactor !== -1) {
    return Refusal.of(
      ErrorCode.INVALID_REQUEST,
      'Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.',
    );
  }
  const count = topic.assignments.length;
  if (count > PARTITIONS_PER_TOPIC_REQUEST_MAX) return tooManyPartitions(count);
  const replicas: (readonly number[])[] = [];
  for (const { partitionIndex, brokerIds } of topic.assignments) replicas[partitionIndex] = brokerIds;
  const isConsecutive = replicas.length === count && topic.assignments.every((each) => each.partitionIndex >= 0);
  if (!isConsecutive || Object.keys(replicas).length !== count) {
    const message = 'partitions should be a consecutive 0-based integer sequence';
    return Refusal.of(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
  }
  return assignmentFault(replicas, cluster, replicas[0]?.length ?? 0) ?? replicas;
}

/** What is wrong with replicas that somebody has laid down; every partition must have `factor` of them. */
export function assignmentFault(
  replicas: readonly (readonly number[])[],
  cluster: ClusterImage,
  factor: number,
): Refusal | undefined {
  const refuse = (message: string): Refusal => Refusal.of(ErrorCode.INVALID_REPLICA_ASSIGNMENT, message);
  for (const brokers of replicas) {
    if (brokers.length === 0) return refuse('The manual partition assignment includes an empty replica list.');
    if (new Set(brokers).size < brokers.length) {
      return refuse(`The manual partition assignment includes the broker ${listed(brokers, ', ')} more than once.`);
    }
    const unknown = brokers.filter((broker) => !cluster.brokers.has(broker));
    if (unknown.length > 0) return refuse(`Unknown broker(s) in replica assignment: ${listed(unknown, ', ')}.`);
    if (brokers.length !== factor) return refuse('All partitions should have the same number of replicas.');
  }
  return undefined;
}
