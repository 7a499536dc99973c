import type { Admin, DescribedGroup, GroupMember } from '@millrace/admin';
import { formatAddress, type TopicPartition } from '@millrace/client';
import { partitionName } from '@millrace/client/internal';
import { nearestName } from '@millrace/ports';
import type { CommandContext } from '../context.ts';
import { CliError, failure, usageError } from '../errors.ts';
import { counted, formatCount, listPartitions, printable } from '../output/format.ts';
import type { Paint } from '../output/paint.ts';
import { renderPairs, renderTable } from '../output/table.ts';
import type { Found } from './find-topics.ts';
import { expandTopics, type TopicSelection } from './group-partitions.ts';
import { GROUP_STATES, knownState } from './known-state.ts';
import { byLeader } from './partition-leaders.ts';
import { tellingTheRest } from './partly.ts';

export interface ListGroupsOptions {
  readonly state?: readonly string[];
}

export interface DeleteGroupOffsetsOptions {
  readonly topic: readonly TopicSelection[];
}

export interface RemoveMembersOptions {
  readonly member?: readonly string[];
  readonly all?: boolean;
  readonly reason?: string;
}

export async function listGroups(context: CommandContext, options: ListGroupsOptions): Promise<void> {
  await context.withAdmin(async (admin) => {
    const groups = await admin.listGroups({
      states: options.state?.map((state) => knownState(state, GROUP_STATES, 'groups')),
    });
    if (context.out.quiet && !context.out.json) {
      await context.out.write(groups.map(({ groupId }) => `${groupId}\n`).join(''));
      return;
    }
    if (groups.length === 0) context.out.note('There are no such groups, or none that this user may see.');
    await context.out.result(groups, (paint) =>
      groups.length === 0
        ? ''
        : renderTable(
            [{ header: 'GROUP' }, { header: 'STATE' }, { header: 'TYPE' }, { header: 'COORDINATOR', align: 'right' }],
            groups.map((group) => [
              printable(group.groupId),
              paintState(group.state, paint),
              group.protocolType || 'offsets only',
              String(group.coordinatorId),
            ]),
            paint,
          ),
    );
  });
}

function paintState(state: string, paint: Paint): string {
  if (state === 'Stable') return paint.green(state);
  return state.endsWith('Rebalance') ? paint.yellow(state) : state;
}

export async function describeGroups(context: CommandContext, ids: readonly string[]): Promise<void> {
  await context.withAdmin(async (admin) => {
    const wanted = ids.length === 0 ? (await admin.listGroups()).map(({ groupId }) => groupId) : ids;
    if (wanted.length === 0) {
      context.out.note(
        'There are no groups yet, or none that this user may see. `millrace consume TOPIC --group NAME` makes one.',
      );
    }
    const { found: groups, missing } = await lookForGroups(admin, wanted);
    const described = await Promise.all(
      groups.map(async (group) => ({ ...group, offsets: await progressOf(admin, group) })),
    );
    await context.out.result(described, (paint) => described.map((group) => renderGroup(group, paint)).join('\n\n'));
    if (missing !== undefined) throw missing;
  });
}

/**
 * The groups, as they are.
 * @throws CliError for one that does not exist, with the name that may have been meant
 */
export async function findGroups(admin: Admin, ids: readonly string[]): Promise<DescribedGroup[]> {
  const { found, missing } = await lookForGroups(admin, ids);
  if (missing !== undefined) throw missing;
  return found;
}

/**
 * The same for what only shows: a name with a slip hides none of the others.
 * @throws CliError where there is none of them
 */
async function lookForGroups(admin: Admin, ids: readonly string[]): Promise<Found<DescribedGroup>> {
  const groups = await admin.describeGroups(ids);
  const dead = groups.filter(({ state }) => state === 'Dead');
  if (dead.length === 0) return { found: groups, missing: undefined };
  const existing = (await admin.listGroups()).map(({ groupId }) => groupId);
  const unknown = dead.filter(({ groupId }) => !existing.includes(groupId)).map(({ groupId }) => groupId);
  if (unknown.length === 0) return { found: groups, missing: undefined };
  const meant = nearestName(unknown[0]!, existing);
  const missing = new CliError(
    'KAFKA_GROUP_ID_NOT_FOUND',
    `There is no group ${unknown.map((id) => `"${id}"`).join(', ')}`,
    { hint: meant === undefined ? undefined : `Did you mean "${meant}"?` },
  );
  const found = groups.filter(({ groupId }) => !unknown.includes(groupId));
  if (found.length === 0) throw missing;
  return { found, missing };
}

interface PartitionProgress extends TopicPartition {
  readonly committedOffset: number | null;
  readonly endOffset: number | null;
  readonly lag: number | null;
  readonly memberId: string | null;
}

/**
 * All partitions of the topics that the group has offsets in or that members read: where it is, and how far from the end. A
 * partition without an offset has been read by nobody: all that is in it counts.
 */
async function progressOf(admin: Admin, group: DescribedGroup): Promise<PartitionProgress[]> {
  const committed = await admin.listGroupOffsets(group.groupId);
  const owners = new Map(
    group.members.flatMap((member) => member.assignment.map((each) => [partitionName(each), member.memberId] as const)),
  );
  const known = [...committed, ...group.members.flatMap(({ assignment }) => assignment)];
  const { led, all: there } = await partitionsOf(admin, new Set(known.map(({ topic }) => topic)));
  const all = new Map<string, TopicPartition>();
  for (const { topic, partition } of [...known, ...there])
    all.set(partitionName({ topic, partition }), { topic, partition });
  const offsets = new Map(committed.map((each) => [partitionName(each), each.offset]));
  const [ends, starts] = await Promise.all([
    offsetsAt(admin, led, 'latest'),
    offsetsAt(
      admin,
      led.filter((each) => !offsets.has(partitionName(each))),
      'earliest',
    ),
  ]);
  return [...all.values()].sort(byPartition).map((each) => {
    const key = partitionName(each);
    const committedOffset = offsets.get(key) ?? null;
    const endOffset = ends.get(key) ?? null;
    const readTo = committedOffset ?? starts.get(key) ?? null;
    const lag = readTo === null || endOffset === null ? null : Math.max(endOffset - readTo, 0);
    return { ...each, committedOffset, endOffset, lag, memberId: owners.get(key) ?? null };
  });
}

/** The partitions of those topics that are there: one that was deleted since has none. Of those without a leader no end can be learnt. */
async function partitionsOf(
  admin: Admin,
  topics: ReadonlySet<string>,
): Promise<{ readonly all: readonly TopicPartition[]; readonly led: readonly TopicPartition[] }> {
  const existing = (await admin.listTopics({ internal: true })).filter((topic) => topics.has(topic));
  if (existing.length === 0) return { all: [], led: [] };
  const described = await admin.describeTopics(existing);
  const all = described.flatMap(({ name, partitions }) =>
    partitions.map(({ partition }) => ({ topic: name, partition })),
  );
  const { led } = await byLeader(admin, described, all);
  return { all, led };
}

async function offsetsAt(
  admin: Admin,
  partitions: readonly TopicPartition[],
  at: 'earliest' | 'latest',
): Promise<Map<string, number>> {
  if (partitions.length === 0) return new Map();
  const found = await admin.listOffsets(partitions.map((each) => ({ ...each, at })));
  return new Map(found.map((each) => [partitionName(each), each.offset]));
}

function byPartition(a: TopicPartition, b: TopicPartition): number {
  return a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition;
}

function renderGroup(group: DescribedGroup & { readonly offsets: readonly PartitionProgress[] }, paint: Paint): string {
  const { members, offsets, coordinator } = group;
  const lag = offsets.reduce((sum, each) => sum + (each.lag ?? 0), 0);
  const parts = [
    renderPairs(
      [
        ['Group', paint.bold(printable(group.groupId))],
        ['State', paintState(group.state, paint)],
        [
          'Members',
          `${formatCount(members.length)}${group.assignor === '' ? '' : `, ${printable(group.assignor)} assignor`}`,
        ],
        ['Coordinator', `broker ${coordinator.nodeId} at ${formatAddress(coordinator)}`],
        ['Lag', counted(lag, 'record')],
      ],
      paint,
    ),
  ];
  if (offsets.length > 0) parts.push(renderProgress(offsets, members, paint));
  if (members.length > 0) parts.push(renderMembers(members, paint));
  return parts.join('\n\n');
}

function renderProgress(offsets: readonly PartitionProgress[], members: readonly GroupMember[], paint: Paint): string {
  const names = new Map(members.map((member) => [member.memberId, memberName(member)]));
  return renderTable(
    [
      { header: 'TOPIC' },
      { header: 'PARTITION', align: 'right' },
      { header: 'COMMITTED', align: 'right' },
      { header: 'END', align: 'right' },
      { header: 'LAG', align: 'right' },
      { header: 'MEMBER' },
    ],
    offsets.map(({ topic, partition, committedOffset, endOffset, lag, memberId }) => [
      topic,
      String(partition),
      committedOffset === null ? '' : formatCount(committedOffset),
      endOffset === null ? '' : formatCount(endOffset),
      lag === null ? '' : lag === 0 ? '0' : paint.yellow(formatCount(lag)),
      memberId === null ? '' : (names.get(memberId) ?? memberId),
    ]),
    paint,
  );
}

function renderMembers(members: readonly GroupMember[], paint: Paint): string {
  return renderTable(
    [{ header: 'MEMBER' }, { header: 'CLIENT' }, { header: 'HOST' }, { header: 'READS' }],
    members.map((member) => [
      memberName(member),
      printable(member.clientId),
      printable(member.clientHost.replace(/^\//, '')),
      listPartitions(member.assignment),
    ]),
    paint,
  );
}

/** Static members have a name; the others an id that begins with their client's. */
function memberName({ memberId, groupInstanceId }: GroupMember): string {
  return printable(groupInstanceId ?? memberId);
}

export async function deleteGroups(context: CommandContext, ids: readonly string[]): Promise<void> {
  await context.withAdmin(async (admin) => {
    await findGroups(admin, ids);
    const tell = (done: readonly string[]): Promise<void> =>
      context.out.done({ deleted: done }, () => done.map((id) => `Group ${printable(id)} deleted`).join('\n'));
    await tellingTheRest(
      ids,
      (id) => id,
      () => admin.deleteGroups(ids),
      tell,
    );
    await tell(ids);
  });
}

export async function deleteGroupOffsets(
  context: CommandContext,
  groupId: string,
  options: DeleteGroupOffsetsOptions,
): Promise<void> {
  await context.withAdmin(async (admin) => {
    await findGroups(admin, [groupId]);
    const wanted = await expandTopics(admin, options.topic);
    const committed = await admin.listGroupOffsets(groupId, wanted);
    if (committed.length === 0) throw failure(`Group "${groupId}" has no offsets there`);
    await admin.deleteGroupOffsets(
      groupId,
      committed.map(({ topic, partition }) => ({ topic, partition })),
    );
    const deleted = committed.sort(byPartition).map(({ topic, partition, offset }) => ({ topic, partition, offset }));
    await context.out.done({ groupId, deleted }, () =>
      deleted
        .map(({ topic, partition, offset }) => `${topic} ${partition}: offset ${formatCount(offset)} forgotten`)
        .join('\n'),
    );
  });
}

export async function removeMembers(
  context: CommandContext,
  groupId: string,
  options: RemoveMembersOptions,
): Promise<void> {
  const named = options.member ?? [];
  if ((named.length === 0) === (options.all !== true)) {
    throw usageError('Say which members: `--member NAME`, or `--all`');
  }
  await context.withAdmin(async (admin) => {
    const [group] = await findGroups(admin, [groupId]);
    const members = group!.members.filter(
      ({ memberId, groupInstanceId }) =>
        options.all === true ||
        named.includes(memberId) ||
        (groupInstanceId !== null && named.includes(groupInstanceId)),
    );
    const missing = named.filter(
      (name) => !members.some((member) => member.memberId === name || member.groupInstanceId === name),
    );
    if (missing.length > 0) {
      throw failure(
        `Group "${groupId}" has no member ${missing.map((name) => `"${name}"`).join(', ')}`,
        '`millrace groups describe` shows the members.',
      );
    }
    await admin.removeMembers(
      groupId,
      members.map(({ memberId, groupInstanceId }) => (groupInstanceId === null ? { memberId } : { groupInstanceId })),
      options.reason === undefined ? {} : { reason: options.reason },
    );
    const removed = members.map(memberName);
    await context.out.done({ groupId, removed }, () =>
      removed.length === 0
        ? `Group ${groupId} has no members`
        : removed.map((name) => `Member ${name} removed`).join('\n'),
    );
    if (removed.length > 0) context.out.note('Members that are alive join again.');
  });
}
