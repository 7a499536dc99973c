import type { AssignEvent, CommitEvent, CommittedEvent, History, PollEvent, Tick } from '../history.ts';
import type { Violation } from './violation.ts';

/** What a history says of one group and one partition, each in its order. */
interface GroupFacts {
  readonly group: string;
  readonly partition: string;
  readonly commits: CommitEvent[];
  readonly reads: CommittedEvent[];
  readonly polls: PollEvent[];
  readonly assigns: AssignEvent[];
}

/** Committed offsets are kept, lie within what was read, and partitions belong to one member at a time. */
export function checkGroups(history: History): Violation[] {
  const violations: Violation[] = [];
  for (const facts of groupFacts(history)) {
    violations.push(...lostCommits(facts), ...committedUnread(facts), ...doubleAssignments(facts));
  }
  return violations;
}

function groupFacts(history: History): Iterable<GroupFacts> {
  const all = new Map<string, GroupFacts>();
  const factsOf = (group: string, partition: string): GroupFacts => {
    const key = `${group} ${partition}`;
    let facts = all.get(key);
    if (facts === undefined) {
      facts = { group, partition, commits: [], reads: [], polls: [], assigns: [] };
      all.set(key, facts);
    }
    return facts;
  };
  for (const event of history.events) {
    if (event.kind === 'commit') factsOf(event.group, event.partition).commits.push(event);
    else if (event.kind === 'committed') factsOf(event.group, event.partition).reads.push(event);
    else if (event.kind === 'poll' && event.group !== null) factsOf(event.group, event.partition).polls.push(event);
    else if (event.kind === 'assign' && event.group !== null) factsOf(event.group, event.partition).assigns.push(event);
  }
  return all.values();
}

/**
 * A read of a committed offset must give that of a commit which may be the last at some moment of the read: one that began
 * before the read ended, and that no other commit, begun after it was over, has certainly replaced before the read began.
 */
function lostCommits({ group, partition, commits, reads }: GroupFacts): Violation[] {
  const violations: Violation[] = [];
  for (const read of reads) {
    const acknowledged = commits.filter(({ outcome, end }) => outcome === 'ok' && end < read.start);
    const newestStart = acknowledged.reduce((newest, { start }) => Math.max(newest, start), -1);
    const isPossible =
      (read.offset === -1 && newestStart < 0) ||
      commits.some(
        (commit) =>
          commit.offset === read.offset &&
          commit.outcome !== 'failed' &&
          commit.start < read.end &&
          !(commit.end < newestStart),
      );
    if (isPossible) continue;
    const last = acknowledged.at(-1);
    const message = `${read.client} is told that ${group} has committed ${read.offset}; the last acknowledged commit is ${last?.offset ?? 'none'}`;
    violations.push({ anomaly: 'lost-commit', partition, message, at: read.end });
  }
  return violations;
}

/** A stretch of offsets that a group has read, or was told that it cannot be read, and when. */
interface Covered {
  readonly from: number;
  readonly to: number;
  readonly at: Tick;
}

/** A member commits what the group has read from the beginning on. */
function committedUnread({ group, partition, commits, polls, assigns }: GroupFacts): Violation[] {
  const covered: Covered[] = polls.map(({ position, next, end }) => ({ from: position, to: next, at: end }));
  for (const { client, end, skipped } of polls) {
    if (skipped !== 'out of range') continue;
    // Whoever is told that there is nothing any more starts anew where the log begins.
    const seek = assigns.find((assign) => assign.client === client && assign.at > end);
    if (seek !== undefined) covered.push({ from: 0, to: seek.position, at: seek.at });
  }
  covered.sort((a, b) => a.at - b.at);
  const violations: Violation[] = [];
  let upTo = 0;
  let next = 0;
  let waiting: Covered[] = [];
  for (const commit of commits) {
    for (; next < covered.length && covered[next]!.at < commit.start; next += 1) waiting.push(covered[next]!);
    for (let found = true; found; ) {
      const reachable = waiting.filter(({ from }) => from <= upTo);
      found = reachable.length > 0;
      waiting = waiting.filter(({ from }) => from > upTo);
      for (const { to } of reachable) upTo = Math.max(upTo, to);
    }
    if (commit.offset <= upTo) continue;
    const message = `${commit.client} commits ${commit.offset} for ${group}, which has read only up to ${upTo}`;
    violations.push({ anomaly: 'committed-unread', partition, message, at: commit.start });
    upTo = commit.offset;
  }
  return violations;
}

function doubleAssignments({ group, partition, assigns }: GroupFacts): Violation[] {
  const violations: Violation[] = [];
  const ownerOf = new Map<number, string>();
  for (const { generation, client, at } of assigns) {
    const owner = ownerOf.get(generation);
    ownerOf.set(generation, client);
    if (owner === undefined || owner === client) continue;
    const message = `in generation ${generation} of ${group} it belongs to ${owner} and to ${client}`;
    violations.push({ anomaly: 'double-assignment', partition, message, at });
  }
  return violations;
}
