import type { DescribedGroup, GroupOffset, ListedGroup } from '@millrace/admin';
import { AdminItemsError } from '@millrace/admin';
import type { TopicPartition } from '@millrace/client';
import type { GroupDetail, GroupHistory, GroupOffsetRow, GroupRow } from '../api/contract.ts';
import { refusal } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import type { SeenGroup, WantedHistory } from './group-history.ts';
import { BROKER_TIMEOUT_MS, lookAtTopics, type Offsets, ofEachBroker, offsetsOf, placeName } from './topic-look.ts';

/** A group with its lag on each of its topics. */
export interface GroupLook {
  readonly row: GroupRow;
  readonly lagByTopic: ReadonlyMap<string, number | null>;
}

/** All groups as of one moment. */
interface GroupsLook {
  readonly groups: readonly GroupLook[];
  /** Brokers that have not said which groups they coordinate: what is told of those is from before. */
  readonly silentBrokers: readonly number[];
}

/** Groups asked for their offsets at once. */
const ASKED_AT_ONCE = 16;

/** What was known of the groups at the look before, by cluster: a coordinator that falls silent takes nothing of it away. */
const lastLooks = new WeakMap<Cluster, GroupsLook>();

/** All groups; of those that the cluster does not tell of, what it does tell. No coordinator has the others' groups wait for it. */
export function lookAtGroups(cluster: Cluster): Promise<GroupsLook> {
  return cluster.look('groups', async () => {
    const [{ told: listed, silentBrokers }, topics] = await Promise.all([
      ofEachBroker(cluster, (brokerIds) => cluster.admin.listGroups({ brokerIds, timeoutMs: BROKER_TIMEOUT_MS })),
      lookAtTopics(cluster),
    ]);
    const { described, unanswered } = await describeAll(cluster, listed);
    const groups: GroupLook[] = [];
    for (let i = 0; i < listed.length; i += ASKED_AT_ONCE) {
      const some = listed.slice(i, i + ASKED_AT_ONCE).map((group) => {
        if (unanswered.has(group.groupId)) return silentLook(cluster, group);
        return lookAt(cluster, group, described, topics.offsets);
      });
      groups.push(...(await Promise.all(some)));
    }
    const isListed = new Set(listed.map(({ groupId }) => groupId));
    for (const { row } of lastLooks.get(cluster)?.groups ?? []) {
      if (!silentBrokers.includes(row.coordinator) || isListed.has(row.group)) continue;
      groups.push(silentLook(cluster, { ...row, groupId: row.group, coordinatorId: row.coordinator }));
    }
    groups.sort((a, b) => (a.row.group < b.row.group ? -1 : 1));
    const look = { groups, silentBrokers };
    lastLooks.set(cluster, look);
    return look;
  });
}

/** A group whose coordinator does not answer: what it reads is known from before, and how far it is nobody knows. */
function silentLook(cluster: Cluster, { groupId, state, protocolType, coordinatorId }: ListedGroup): GroupLook {
  const before = lastLooks.get(cluster)?.groups.find(({ row }) => row.group === groupId);
  const topics = before?.row.topics ?? [];
  return {
    lagByTopic: new Map(topics.map((topic) => [topic, null])),
    row: {
      ...{ group: groupId, state, protocolType, coordinator: coordinatorId, topics },
      ...{ members: null, lag: null, hidesTopics: false, isSilent: true },
    },
  };
}

/** The groups that could be described, and those whose coordinator did not answer in time. */
interface Described {
  readonly described: ReadonlyMap<string, DescribedGroup>;
  readonly unanswered: ReadonlySet<string>;
}

async function describeAll(cluster: Cluster, listed: readonly ListedGroup[]): Promise<Described> {
  const described = new Map<string, DescribedGroup>();
  const unanswered = new Set<string>();
  const describe = async (ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return;
    try {
      const groups = await cluster.admin.describeGroups(ids, { timeoutMs: BROKER_TIMEOUT_MS });
      for (const group of groups) described.set(group.groupId, group);
    } catch (error) {
      if (!(error instanceof AdminItemsError)) throw error;
      for (const [id, failure] of error.failures) if (failure.retriable) unanswered.add(id);
      const rest = ids.filter((id) => !error.failures.has(id));
      if (rest.length < ids.length) await describe(rest);
    }
  };
  const byCoordinator = Map.groupBy(listed, ({ coordinatorId }) => coordinatorId);
  await Promise.all([...byCoordinator.values()].map((some) => describe(some.map(({ groupId }) => groupId))));
  return { described, unanswered };
}

async function lookAt(
  cluster: Cluster,
  { groupId, state, protocolType, coordinatorId }: ListedGroup,
  described: ReadonlyMap<string, DescribedGroup>,
  offsets: Offsets,
): Promise<GroupLook> {
  const group = described.get(groupId);
  const committed = await cluster.admin
    .listGroupOffsets(groupId, 'all', { timeoutMs: BROKER_TIMEOUT_MS })
    .catch(() => undefined);
  const lagByTopic = lagsOf(committed ?? [], assignedTo(group), offsets);
  const assigned = group?.members.flatMap(({ assignment, topics }) => [
    ...topics,
    ...assignment.map(({ topic }) => topic),
  ]);
  // Of a group that nobody describes it is not known what its members read without having committed.
  const lag = group === undefined ? null : sumOf([...lagByTopic.values()]);
  note(cluster, groupId, { state: group?.state ?? state, group, lag });
  return {
    lagByTopic,
    row: {
      group: groupId,
      state: group?.state ?? state,
      protocolType,
      coordinator: coordinatorId,
      members: group?.members.length ?? null,
      topics: [...new Set([...lagByTopic.keys(), ...(assigned ?? [])])].sort(),
      lag,
      hidesTopics: false,
      isSilent: false,
    },
  };
}

/** The lags together; null where one is not known, or there is none. */
function sumOf(lags: readonly (number | null)[]): number | null {
  if (lags.length === 0 || lags.includes(null)) return null;
  return lags.reduce<number>((sum, lag) => sum + (lag ?? 0), 0);
}

/** Every look at a group, whoever takes it, is one more point of its history. */
function note(
  { groupHistories }: Cluster,
  groupId: string,
  seen: Omit<SeenGroup, 'members'> & { readonly group: DescribedGroup | undefined },
): void {
  const members = seen.group?.members.map((member) => ({
    id: member.memberId,
    name: `${member.groupInstanceId ?? member.clientId} ${member.clientHost}`,
    assignment: member.assignment,
  }));
  groupHistories.note(groupId, { state: seen.state, members, lag: seen.lag, lags: seen.lags }, Date.now());
}

/** The history of a group; from now on it is looked at by itself, so that it goes on when nobody sits before the page. */
export function watchGroup(cluster: Cluster, groupId: string, wanted: WantedHistory): GroupHistory {
  cluster.watchedGroups.add(groupId, () => describeGroup(cluster, groupId));
  return cluster.groupHistories.of(groupId, wanted);
}

/** What a group lags on each topic: all that it has committed, and all that its members read. */
export function lagsOf(
  committed: readonly GroupOffset[],
  assigned: readonly TopicPartition[],
  offsets: Offsets,
): Map<string, number | null> {
  const lags = new Map<string, number | null>();
  for (const place of committed) {
    const end = offsets.get(placeName(place))?.end;
    const before = lags.get(place.topic);
    // One partition that is not known makes the sum unknown: a smaller number would be a lie.
    const isUnknown = end === undefined || before === null;
    lags.set(place.topic, isUnknown ? null : (before ?? 0) + Math.max(0, end - place.offset));
  }
  const hasCommitted = new Set(committed.map(placeName));
  for (const place of assigned) if (!hasCommitted.has(placeName(place))) lags.set(place.topic, null);
  return lags;
}

function assignedTo(group: DescribedGroup | undefined): TopicPartition[] {
  return group?.members.flatMap(({ assignment }) => assignment) ?? [];
}

/** A group with its members, and what it has committed. */
export async function describeGroup(cluster: Cluster, groupId: string): Promise<GroupDetail> {
  const { admin } = cluster;
  const [[group], committed] = await Promise.all([admin.describeGroups([groupId]), admin.listGroupOffsets(groupId)]);
  if (group === undefined || (group.state === 'Dead' && committed.length === 0)) {
    throw refusal('CONSOLE_NOT_FOUND', 'noGroup', { group: groupId, cluster: cluster.name });
  }
  const readers = new Map(
    group.members.flatMap(({ memberId, assignment }) =>
      assignment.map((place) => [placeName(place), memberId] as const),
    ),
  );
  // Only what this group reads is asked for: another topic's leader that does not answer is not waited for.
  const places = assignedTo(group);
  const offsets = await offsetsOf(cluster.admin, unique([...places, ...committed]));
  const rows = offsetRows(committed, readers, offsets);
  const lag = sumOf([...lagsOf(committed, places, offsets).values()]);
  note(cluster, groupId, { state: group.state, group, lag, lags: rows });
  return {
    group: groupId,
    state: group.state,
    assignor: group.assignor,
    coordinator: group.coordinator.nodeId,
    members: group.members.map((member) => ({
      id: member.memberId,
      instanceId: member.groupInstanceId,
      clientId: member.clientId,
      host: member.clientHost,
      assignment: member.assignment,
    })),
    offsets: rows,
    lag,
    hidesTopics: false,
  };
}

/** Whether somebody may see a topic. */
type Sees = (topic: string) => boolean;

/** A group of the list as somebody may see it: what it lags on other topics would tell how much is in them. */
export function rowSeenBy({ row, lagByTopic }: GroupLook, sees: Sees): GroupRow {
  const topics = row.topics.filter(sees);
  if (topics.length === row.topics.length) return row;
  const lags = [...lagByTopic].flatMap(([topic, lag]) => (sees(topic) ? [lag] : []));
  // Of a group that nobody describes the lag is not known, whichever topics are looked at.
  return { ...row, topics, hidesTopics: true, lag: row.members === null ? null : sumOf(lags) };
}

/** A group's page as somebody may see it. */
export function detailSeenBy(detail: GroupDetail, sees: Sees): GroupDetail {
  const isSeen = ({ topic }: { readonly topic: string }): boolean => sees(topic);
  const offsets = detail.offsets.filter(isSeen);
  const places = [...detail.offsets, ...detail.members.flatMap(({ assignment }) => assignment)];
  if (places.every(isSeen)) return detail;
  return {
    ...detail,
    members: detail.members.map((member) => ({ ...member, assignment: member.assignment.filter(isSeen) })),
    offsets,
    lag: sumOf(offsets.map(({ lag }) => lag)),
    hidesTopics: true,
  };
}

function unique(places: readonly TopicPartition[]): TopicPartition[] {
  const byName = new Map(places.map(({ topic, partition }) => [placeName({ topic, partition }), { topic, partition }]));
  return [...byName.values()];
}

function offsetRows(
  committed: readonly GroupOffset[],
  readers: ReadonlyMap<string, string>,
  offsets: Offsets,
): GroupOffsetRow[] {
  const places = new Map<string, number | null>([...readers.keys()].map((name) => [name, null]));
  for (const place of committed) places.set(placeName(place), place.offset);
  const rows = [...places].map(([name, offset]): GroupOffsetRow => {
    const at = name.lastIndexOf('/');
    const found = offsets.get(name);
    return {
      topic: name.slice(0, at),
      partition: Number(name.slice(at + 1)),
      committed: offset,
      start: found?.start,
      end: found?.end,
      lag: offset === null || found === undefined ? null : Math.max(0, found.end - offset),
      member: readers.get(name) ?? null,
    };
  });
  return rows.sort((a, b) => a.topic.localeCompare(b.topic) || a.partition - b.partition);
}
