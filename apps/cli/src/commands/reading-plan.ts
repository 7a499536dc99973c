import type { Admin } from '@millrace/admin';
import type { TopicPartition } from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import type { AutoOffsetReset, ManualAssignment } from '@millrace/consumer';
import type { StartAt } from '../parse/start-at.ts';
import type { ConsumeOptions } from './consume-options.ts';
import { choosePartitions, findTopics } from './find-topics.ts';
import { byLeader } from './partition-leaders.ts';

/** What is to be read. */
export interface ReadingPlan {
  readonly topics: readonly string[];
  /** Partitions and where they begin, for reading without a group. */
  readonly assignment: readonly ManualAssignment[];
  readonly autoOffsetReset: AutoOffsetReset;
  /** Where each partition ended when the command began, by {@link partitionName}; undefined where the end does not matter. */
  readonly ends: ReadonlyMap<string, number> | undefined;
  /** Those that have no leader: where they begin and end cannot be known, and the others do not wait for them. */
  readonly offline: readonly TopicPartition[];
  /** How many partitions there are, those included. */
  readonly partitionCount: number;
  /** Begins that were asked for and are not there, in words. */
  readonly warnings: readonly string[];
}

/** Looks up where reading begins and ends. */
export async function readingPlan(
  admin: Admin,
  topicNames: readonly string[],
  options: ConsumeOptions,
): Promise<ReadingPlan> {
  const topics = await findTopics(admin, [...new Set(topicNames)]);
  const partitions = topics.flatMap((topic) => choosePartitions(topic, options.partition));
  const { led, offline } = await byLeader(admin, topics, partitions);
  const find = async (at: 'earliest' | 'latest' | number): Promise<Map<string, number>> => {
    const found = await admin.listOffsets(
      led.map((each) => ({ ...each, at })),
      { isolationLevel: options.isolationLevel },
    );
    return new Map(found.map((each) => [partitionName(each), each.offset]));
  };
  const start = startOf(options);
  const ends = await find('latest');
  const warnings: string[] = [];
  let assignment: ManualAssignment[] = [];
  if (options.group === undefined) {
    const starts = await find('earliest');
    const times = start.at === 'time' ? await find(start.timestamp) : undefined;
    assignment = led.map((each) => {
      const key = partitionName(each);
      const known = { first: starts.get(key)!, end: ends.get(key)!, atTime: times?.get(key) };
      const { offset, warning } = firstOffset(start, known);
      if (warning !== undefined) warnings.push(`${each.topic} ${each.partition} ${warning}`);
      return { ...each, offset };
    });
  }
  return {
    topics: topics.map(({ name }) => name),
    assignment,
    // By hand every begin is known, so this counts only for records that are deleted meanwhile: what is left is wanted.
    autoOffsetReset: options.group === undefined || start.at === 'beginning' ? 'earliest' : 'latest',
    ends: options.exitAtEnd === true ? ends : undefined,
    offline,
    partitionCount: partitions.length,
    warnings,
  };
}

/** Where reading begins: new records only, unless something else is said, as Kafka's console consumer has it. */
export function startOf({ fromBeginning, offset }: Pick<ConsumeOptions, 'fromBeginning' | 'offset'>): StartAt {
  return offset ?? { at: fromBeginning === true ? 'beginning' : 'end' };
}

/** The offset of the first record that is read of one partition. */
export function firstOffset(
  start: StartAt,
  { first, end, atTime }: { readonly first: number; readonly end: number; readonly atTime: number | undefined },
): { readonly offset: number; readonly warning?: string } {
  switch (start.at) {
    case 'beginning':
      return { offset: first };
    case 'end':
      return { offset: end };
    case 'last':
      return { offset: Math.max(end - start.count, first) };
    case 'time':
      return { offset: atTime === undefined || atTime < 0 ? end : atTime };
    case 'offset':
      if (start.offset < first) return { offset: first, warning: `has records from offset ${first} on only` };
      if (start.offset > end) return { offset: end, warning: `ends at offset ${end}; reading begins there` };
      return { offset: start.offset };
  }
}
