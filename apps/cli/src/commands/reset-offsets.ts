import type { Admin, DescribedGroup } from '@millrace/admin';
import type { TopicPartition } from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import { nearestName } from '@millrace/ports';
import type { CommandContext } from '../context.ts';
import { failure, usageError } from '../errors.ts';
import { counted, formatCount, printable } from '../output/format.ts';
import { renderTable } from '../output/table.ts';
import { findTopics } from './find-topics.ts';
import { expandTopics, type TopicSelection } from './group-partitions.ts';
import { byLeader, offlineError } from './partition-leaders.ts';

export interface ResetOffsetsOptions {
  readonly topic?: readonly TopicSelection[];
  readonly allTopics?: boolean;
  readonly toEarliest?: boolean;
  readonly toLatest?: boolean;
  readonly toCurrent?: boolean;
  readonly toOffset?: number;
  readonly toDatetime?: number;
  readonly byDuration?: number;
  readonly shiftBy?: number;
  readonly execute?: boolean;
}

/** Where the group is to go on. */
type Target =
  | { readonly to: 'earliest' | 'latest' | 'current' }
  | { readonly to: 'offset'; readonly offset: number }
  | { readonly to: 'shift'; readonly by: number }
  | { readonly to: 'time'; readonly timestamp: number };

/** What is known of a partition before its offset is set. */
export interface PartitionOffsets extends TopicPartition {
  readonly current: number | undefined;
  readonly start: number;
  readonly end: number;
  /** The first offset at the wanted time; -1 where no record is that late, undefined where no time is wanted. */
  readonly atTime: number | undefined;
}

/** A partition's offset before and after. */
export interface PlannedOffset extends TopicPartition {
  readonly current: number | null;
  readonly next: number;
  /** What was asked for lies outside of what the partition holds. */
  readonly clamped: boolean;
}

export async function resetOffsets(
  context: CommandContext,
  groupId: string,
  options: ResetOffsetsOptions,
): Promise<void> {
  const target = targetOf(options, Date.now());
  await context.withAdmin(async (admin) => {
    const group = await refuseMembers(admin, groupId);
    const partitions = await wantedPartitions(admin, groupId, options);
    await refuseOffline(admin, partitions);
    const known = await offsetsOf(admin, groupId, partitions, target);
    const planned = known.map((each) => planOffset(each, target)).filter((each) => each !== undefined);
    if (planned.length === 0) {
      throw failure(
        `Group "${groupId}" has no offset in these partitions that could be ${target.to === 'shift' ? 'shifted' : 'kept'}`,
      );
    }
    const executed = options.execute === true;
    if (isUnknown(group)) await warnOfNewGroup(context, admin, groupId, executed);
    if (executed) {
      await admin.alterGroupOffsets(
        groupId,
        planned.map(({ topic, partition, next }) => ({ topic, partition, offset: next })),
      );
    }
    for (const each of planned.filter(({ clamped }) => clamped)) {
      context.out.warn(
        `${each.topic} ${each.partition} does not reach so far: ${formatCount(each.next)} is as near as it gets`,
      );
    }
    await context.out.result({ groupId, executed, offsets: planned }, (paint) =>
      renderTable(
        [
          { header: 'TOPIC' },
          { header: 'PARTITION', align: 'right' },
          { header: 'CURRENT', align: 'right' },
          { header: executed ? 'NOW' : 'WOULD BE', align: 'right' },
          { header: 'CHANGE', align: 'right' },
        ],
        planned.map(({ topic, partition, current, next }) => [
          topic,
          String(partition),
          current === null ? '' : formatCount(current),
          paint.bold(formatCount(next)),
          changeOf(current, next),
        ]),
        paint,
      ),
    );
    if (!executed) context.out.note('Nothing has been changed. `--execute` does it.');
  });
}

function changeOf(current: number | null, next: number): string {
  if (current === null) return 'new';
  const change = next - current;
  return change === 0 ? '0' : `${change > 0 ? '+' : '-'}${formatCount(Math.abs(change))}`;
}

function targetOf(options: ResetOffsetsOptions, nowMs: number): Target {
  const targets: Target[] = [];
  if (options.toEarliest === true) targets.push({ to: 'earliest' });
  if (options.toLatest === true) targets.push({ to: 'latest' });
  if (options.toCurrent === true) targets.push({ to: 'current' });
  if (options.toOffset !== undefined) targets.push({ to: 'offset', offset: options.toOffset });
  if (options.shiftBy !== undefined) targets.push({ to: 'shift', by: options.shiftBy });
  if (options.toDatetime !== undefined) targets.push({ to: 'time', timestamp: options.toDatetime });
  if (options.byDuration !== undefined) targets.push({ to: 'time', timestamp: nowMs - options.byDuration });
  const [target] = targets;
  if (target === undefined || targets.length > 1) {
    throw usageError(
      `Say ${target === undefined ? '' : 'only once '}where the group is to go on: --to-earliest, --to-latest, --to-offset, --to-datetime, --by-duration, --shift-by or --to-current`,
    );
  }
  return target;
}

/** A group's members would commit their own offsets over the new ones, so brokers refuse; this says it in time. */
async function refuseMembers(admin: Admin, groupId: string): Promise<DescribedGroup | undefined> {
  const [group] = await admin.describeGroups([groupId]);
  const members = group?.members.length ?? 0;
  if (members > 0) {
    throw failure(
      `Group "${groupId}" has ${counted(members, 'member')}; its offsets can be reset while it has none`,
      `Stop them first; \`millrace groups describe ${groupId}\` shows them.`,
    );
  }
  return group;
}

/** Where they begin and end cannot be learnt: that is told, rather than waited for. */
async function refuseOffline(admin: Admin, partitions: readonly TopicPartition[]): Promise<void> {
  const topics = await findTopics(
    admin,
    partitions.map(({ topic }) => topic),
  );
  const { offline } = await byLeader(admin, topics, partitions);
  if (offline.length > 0) throw offlineError('reset offsets of', offline, partitions.length);
}

function isUnknown(group: DescribedGroup | undefined): boolean {
  return group === undefined || group.state === 'Dead';
}

/** A group can be given offsets before it is there, as Kafka's tool has it; a name that is a slip should not look like that. */
async function warnOfNewGroup(context: CommandContext, admin: Admin, groupId: string, isMade: boolean): Promise<void> {
  const others = (await admin.listGroups()).map((each) => each.groupId);
  const meant = nearestName(groupId, others);
  const question = meant === undefined ? '' : ` Did you mean "${printable(meant)}"?`;
  const outcome = isMade ? 'it is made now, with these offsets' : '`--execute` makes it, with these offsets';
  context.out.warn(`there is no group "${printable(groupId)}" yet; ${outcome}.${question}`);
}

async function wantedPartitions(
  admin: Admin,
  groupId: string,
  { topic, allTopics }: ResetOffsetsOptions,
): Promise<TopicPartition[]> {
  if ((topic === undefined) === (allTopics !== true)) {
    throw usageError(
      'Say which topics: `--topic NAME` (or NAME:0,1), or `--all-topics` for those that the group has offsets in',
    );
  }
  if (topic !== undefined) return expandTopics(admin, topic);
  const committed = await admin.listGroupOffsets(groupId);
  if (committed.length === 0) throw failure(`Group "${groupId}" has no offsets`, '`--topic NAME` gives it some.');
  const names = new Set(committed.map((each) => each.topic));
  return expandTopics(
    admin,
    [...names].sort().map((name) => ({ topic: name, partitions: undefined })),
  );
}

async function offsetsOf(
  admin: Admin,
  groupId: string,
  partitions: readonly TopicPartition[],
  target: Target,
): Promise<PartitionOffsets[]> {
  const find = async (at: 'earliest' | 'latest' | number): Promise<Map<string, number>> => {
    const found = await admin.listOffsets(partitions.map((each) => ({ ...each, at })));
    return new Map(found.map((each) => [partitionName(each), each.offset]));
  };
  const [committed, start, end, atTime] = await Promise.all([
    admin.listGroupOffsets(groupId, partitions),
    find('earliest'),
    find('latest'),
    target.to === 'time' ? find(target.timestamp) : undefined,
  ]);
  const current = new Map(committed.map((each) => [partitionName(each), each.offset]));
  return partitions.map((each) => ({
    ...each,
    current: current.get(partitionName(each)),
    start: start.get(partitionName(each))!,
    end: end.get(partitionName(each))!,
    atTime: atTime?.get(partitionName(each)),
  }));
}

/** Where one partition is to go on; undefined where that needs an offset which the group does not have. */
export function planOffset(known: PartitionOffsets, target: Target): PlannedOffset | undefined {
  const { topic, partition, start, end } = known;
  const wanted = wantedOffset(known, target);
  if (wanted === undefined) return undefined;
  const next = Math.min(Math.max(wanted, start), end);
  return { topic, partition, current: known.current ?? null, next, clamped: next !== wanted };
}

function wantedOffset({ current, start, end, atTime }: PartitionOffsets, target: Target): number | undefined {
  switch (target.to) {
    case 'earliest':
      return start;
    case 'latest':
      return end;
    case 'current':
      return current;
    case 'offset':
      return target.offset;
    case 'shift':
      return current === undefined ? undefined : current + target.by;
    case 'time':
      // No record is that late, so the group goes on with what comes next.
      return atTime === undefined || atTime < 0 ? end : atTime;
  }
}
