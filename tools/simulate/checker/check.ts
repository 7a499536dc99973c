import type { History } from '../history.ts';
import { checkFullReads } from './full-reads.ts';
import { checkGroups } from './groups.ts';
import { knownRecords } from './known-records.ts';
import { partitionFacts } from './partition-facts.ts';
import { checkPolls } from './polls.ts';
import { protests } from './protests.ts';
import { checkOffsets, checkSends } from './sends.ts';
import type { Anomaly, Violation } from './violation.ts';

/** What the election of a leader that was not in sync brings with it. What in-sync replicas have is the same all the same (`diverged`). */
const EXCUSED_BY_UNCLEAN: ReadonlySet<Anomaly> = new Set<Anomaly>([
  'lost-write',
  'unseen',
  'inconsistent-offsets',
  'duplicate',
  'poll-skip',
  'nonmonotonic-poll',
  'nonmonotonic-send',
  'wrong-offsets',
  'out-of-range',
  'sequence-lost',
  'out-of-sequence',
  'over-deleted',
]);

function isExcused({ anomaly, partition }: Violation, { unclean }: History): boolean {
  return partition !== null && unclean?.has(partition) === true && EXCUSED_BY_UNCLEAN.has(anomaly);
}

/**
 * Holds a history against what a broker promises. No violation: nothing that its clients saw contradicts it.
 * @param uncommitted The values of records that were sent in transactions of which nobody knows that they were committed: compaction takes
 * what was aborted.
 */
export function check(history: History, uncommitted: ReadonlySet<string> = new Set()): Violation[] {
  const violations: Violation[] = [];
  const partitions = partitionFacts(history, uncommitted);
  for (const facts of partitions.values()) {
    const known = knownRecords(facts);
    violations.push(
      ...known.violations,
      ...checkFullReads(facts, known),
      ...checkPolls(facts, known),
      ...checkSends(facts),
      ...checkOffsets(facts),
    );
  }
  violations.push(...checkGroups(history), ...protests(history, partitions));
  return violations.filter((violation) => !isExcused(violation, history)).sort((a, b) => a.at - b.at);
}
