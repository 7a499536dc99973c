import type { KafkaClient, OperationOptions } from '@millrace/client';
import { CreatePartitions, CreateTopics, DeleteTopics, ErrorCode, ZERO_UUID } from '@millrace/protocol';
import { ItemFailures } from './errors.ts';
import { failureOf } from './requests.ts';

/** A topic to be made. */
export interface NewTopic {
  readonly topic: string;
  /** The broker's `num.partitions` by default. */
  readonly partitions?: number | undefined;
  /** The broker's `default.replication.factor` by default. */
  readonly replicationFactor?: number | undefined;
  /** The brokers of each partition, the preferred leader first; instead of `partitions` and `replicationFactor`. */
  readonly assignments?: readonly (readonly number[])[] | undefined;
  /** Topic configs by their Kafka names, such as `retention.ms`. */
  readonly configs?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/** A topic that was made, as the broker describes it. */
export interface CreatedTopic {
  readonly topic: string;
  /** Undefined from brokers before 2.8. */
  readonly topicId: string | undefined;
  /** Undefined from brokers before 2.4. */
  readonly partitions: number | undefined;
  readonly replicationFactor: number | undefined;
}

/** A call that may only check. */
export interface ValidatingOptions extends OperationOptions {
  /** Checks everything and changes nothing. False by default. */
  readonly validateOnly?: boolean | undefined;
}

/** How long the controller may take to answer, in milliseconds; a topic that takes longer is made all the same. */
const CONTROLLER_TIMEOUT_MS = 30_000;
/** Brokers from 2.4 on fill in -1 themselves. */
const BROKER_DEFAULT = -1;
const DELETE_BY_ID_VERSION = 6;

export async function createTopics(
  client: KafkaClient,
  topics: readonly NewTopic[],
  options: ValidatingOptions,
): Promise<CreatedTopic[]> {
  const response = await client.sendToController(
    CreateTopics,
    {
      topics: topics.map((topic) => ({
        name: topic.topic,
        numPartitions: topic.assignments === undefined ? (topic.partitions ?? BROKER_DEFAULT) : BROKER_DEFAULT,
        replicationFactor:
          topic.assignments === undefined ? (topic.replicationFactor ?? BROKER_DEFAULT) : BROKER_DEFAULT,
        assignments: (topic.assignments ?? []).map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
        configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value: String(value) })),
      })),
      timeoutMs: CONTROLLER_TIMEOUT_MS,
      validateOnly: options.validateOnly ?? false,
    },
    { ...options, errorOf: (answer) => notController(answer.topics) },
  );
  const failures = new ItemFailures('Creating topics');
  const created: CreatedTopic[] = [];
  for (const result of response.topics) {
    if (
      !failures.add(result.name, failureOf(result.errorCode, `Creating topic "${result.name}"`, result.errorMessage))
    ) {
      continue;
    }
    created.push({
      topic: result.name,
      topicId: result.topicId === ZERO_UUID ? undefined : result.topicId,
      partitions: known(result.numPartitions),
      replicationFactor: known(result.replicationFactor),
    });
  }
  failures.throwIfAny();
  return created;
}

export async function deleteTopics(
  client: KafkaClient,
  topics: readonly string[],
  options: OperationOptions,
): Promise<void> {
  const response = await client.sendToController(
    DeleteTopics,
    (version) =>
      version >= DELETE_BY_ID_VERSION
        ? {
            topics: topics.map((name) => ({ name, topicId: ZERO_UUID })),
            topicNames: [],
            timeoutMs: CONTROLLER_TIMEOUT_MS,
          }
        : { topics: [], topicNames: topics, timeoutMs: CONTROLLER_TIMEOUT_MS },
    { ...options, errorOf: (answer) => notController(answer.responses) },
  );
  const failures = new ItemFailures('Deleting topics');
  for (const { name, errorCode, errorMessage } of response.responses) {
    failures.add(name ?? '', failureOf(errorCode, `Deleting topic "${name}"`, errorMessage));
  }
  failures.throwIfAny();
}

/** More partitions for a topic. */
export interface MorePartitions {
  readonly topic: string;
  /** How many there are to be in all; never fewer than there are. */
  readonly count: number;
  /** The brokers of each new partition; the controller chooses by default. */
  readonly assignments?: readonly (readonly number[])[] | undefined;
}

export async function createPartitions(
  client: KafkaClient,
  topics: readonly MorePartitions[],
  options: ValidatingOptions,
): Promise<void> {
  const response = await client.sendToController(
    CreatePartitions,
    {
      topics: topics.map(({ topic, count, assignments }) => ({
        name: topic,
        count,
        assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
      })),
      timeoutMs: CONTROLLER_TIMEOUT_MS,
      validateOnly: options.validateOnly ?? false,
    },
    { ...options, errorOf: (answer) => notController(answer.results) },
  );
  const failures = new ItemFailures('Adding partitions');
  for (const { name, errorCode, errorMessage } of response.results) {
    failures.add(name, failureOf(errorCode, `Adding partitions to topic "${name}"`, errorMessage));
  }
  failures.throwIfAny();
}

/** A broker that is not the controller says so of every item, which the client takes as the sign to look for the new one. */
export function notController(items: readonly { readonly errorCode: number }[]): number {
  const moved = items.length > 0 && items.every(({ errorCode }) => errorCode === ErrorCode.NOT_CONTROLLER);
  return moved ? ErrorCode.NOT_CONTROLLER : ErrorCode.NONE;
}

function known(count: number): number | undefined {
  return count < 0 ? undefined : count;
}
