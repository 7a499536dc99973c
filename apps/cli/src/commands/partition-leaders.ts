/** Partitions without a leader: nobody can be asked about them, which is no reason to wait with the others. */
import { setTimeout } from 'node:timers/promises';
import type { Admin } from '@millrace/admin';
import type { TopicMetadata, TopicPartition } from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import { type CliError, failure } from '../errors.ts';
import { counted } from '../output/format.ts';

/** Leaders that are about to be elected are waited for so long, in milliseconds. */
const GRACE_MS = 1_000;
const ASKED_EVERY_MS = 100;

/** Partitions by whether somebody can be asked about them. */
export interface ByLeader {
  readonly led: readonly TopicPartition[];
  /** They have had no leader for as long as it was looked for. */
  readonly offline: readonly TopicPartition[];
}

/** Divides partitions by whether they have a leader, which those that have none get a moment to be given. */
export async function byLeader(
  admin: Admin,
  described: readonly TopicMetadata[],
  partitions: readonly TopicPartition[],
): Promise<ByLeader> {
  let divided = divide(described, partitions);
  for (let waitedMs = 0; divided.offline.length > 0 && waitedMs < GRACE_MS; waitedMs += ASKED_EVERY_MS) {
    await setTimeout(ASKED_EVERY_MS);
    divided = divide(await admin.describeTopics(described.map(({ name }) => name)), partitions);
  }
  return divided;
}

function divide(topics: readonly TopicMetadata[], partitions: readonly TopicPartition[]): ByLeader {
  const withLeader = new Set(
    topics.flatMap(({ name, partitions: each }) =>
      each.filter(({ leaderId }) => leaderId >= 0).map(({ partition }) => partitionName({ topic: name, partition })),
    ),
  );
  const isLed = (each: TopicPartition): boolean => withLeader.has(partitionName(each));
  return { led: partitions.filter(isLed), offline: partitions.filter((each) => !isLed(each)) };
}

/** What is to be said of partitions that could not be asked. */
export function offlineError(attempt: string, offline: readonly TopicPartition[], of: number): CliError {
  const names = offline.map(({ topic, partition }) => `partition ${partition} of "${topic}"`);
  const listed = names.length > NAMED_MAX ? [...names.slice(0, NAMED_MAX), `${names.length - NAMED_MAX} more`] : names;
  const have = offline.length === 1 ? 'it has' : 'they have';
  return failure(
    `Cannot ${attempt} ${listed.join(', ')} (${offline.length} of ${counted(of, 'partition')}): ${have} no leader (LEADER_NOT_AVAILABLE)`,
    'Start the brokers that are down; where they run, their logs say why they cannot open it. `millrace topics describe --unavailable` shows all such.',
  );
}

/** So many partitions are named, the others counted. */
const NAMED_MAX = 10;
