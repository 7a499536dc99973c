import { setTimeout } from 'node:timers/promises';
import type { Admin } from '@millrace/admin';
import type { TopicMetadata, TopicPartition } from '@millrace/client';
import { nearestName } from '@millrace/ports';
import { CliError, failure } from '../errors.ts';
import { formatRanges } from '../output/format.ts';

const UNKNOWN_TOPIC = 'KAFKA_UNKNOWN_TOPIC_OR_PARTITION';
const FORBIDDEN_TOPIC = 'KAFKA_TOPIC_AUTHORIZATION_FAILED';

/** What there is of what was asked for, and what is to be thrown once it has been shown. */
export interface Found<T> {
  readonly found: T[];
  /** Names those that there are not, with the name that may have been meant, or that may not be seen; undefined where all are there. */
  readonly missing: Error | undefined;
}

/**
 * The topics of these names, in order, each once.
 * @throws CliError for one that does not exist, with the name that may have been meant
 */
export async function findTopics(admin: Admin, given: readonly string[]): Promise<TopicMetadata[]> {
  const { found, missing } = await lookForTopics(admin, given);
  if (missing !== undefined) throw missing;
  return found;
}

/**
 * The same for what only shows: a name with a slip hides none of the others, and neither does a topic that this user may not see.
 * @throws CliError where there is none of them
 */
export async function lookForTopics(admin: Admin, given: readonly string[]): Promise<Found<TopicMetadata>> {
  const names = [...new Set(given)];
  try {
    const found = await admin.describeTopics(names).catch(async (error: unknown) => {
      if (!isUnknownTopic(error) || !(await hasSeveralBrokers(admin))) throw error;
      await newsToSpread();
      return admin.describeTopics(names);
    });
    return { found, missing: undefined };
  } catch (error) {
    if (!isUnknownTopic(error) && !isForbiddenTopic(error)) throw error;
    const existing = new Set(await admin.listTopics({ internal: true }));
    const missing = isForbiddenTopic(error) ? (error as Error) : unknownTopics(existing, names, error);
    const there = names.filter((name) => existing.has(name));
    if (there.length === 0 || there.length === names.length) throw missing;
    return { found: await admin.describeTopics(there), missing };
  }
}

/** Brokers hear of what the controller does one after the other: the one that is asked may be the last. */
const NEWS_SPREAD_MS = 300;

/** Waits until all brokers should have heard of what has just happened. */
export function newsToSpread(): Promise<void> {
  return setTimeout(NEWS_SPREAD_MS);
}

function isForbiddenTopic(error: unknown): boolean {
  return (error as { code?: unknown }).code === FORBIDDEN_TOPIC;
}

function isUnknownTopic(error: unknown): boolean {
  return (error as { code?: unknown }).code === UNKNOWN_TOPIC;
}

async function hasSeveralBrokers(admin: Admin): Promise<boolean> {
  return (await admin.describeCluster()).brokers.length > 1;
}

export async function findTopic(admin: Admin, name: string): Promise<TopicMetadata> {
  const [topic] = await findTopics(admin, [name]);
  return topic!;
}

function unknownTopics(existing: ReadonlySet<string>, names: readonly string[], cause: unknown): CliError {
  const missing = names.filter((name) => !existing.has(name));
  const [first] = missing;
  const meant = first === undefined ? undefined : nearestName(first, existing);
  const listed = missing.map((name) => `"${name}"`).join(', ');
  return new CliError(UNKNOWN_TOPIC, `There is no topic ${listed === '' ? 'of that name' : listed}`, {
    hint: meant === undefined ? undefined : `Did you mean "${meant}"?`,
    cause,
  });
}

/**
 * The partitions that are meant: those named, else all.
 * @throws CliError for one that the topic does not have
 */
export function choosePartitions(topic: TopicMetadata, wanted: readonly number[] | undefined): TopicPartition[] {
  const there = topic.partitions.map(({ partition }) => partition);
  const missing = (wanted ?? []).filter((partition) => !there.includes(partition));
  if (missing.length > 0) {
    throw failure(`Topic "${topic.name}" has no partition ${formatRanges(missing)}: it has ${formatRanges(there)}`);
  }
  return (wanted ?? there).map((partition) => ({ topic: topic.name, partition }));
}
