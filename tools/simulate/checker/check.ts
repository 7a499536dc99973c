import type { History } from '../history.ts';
import { checkFullReads } from './full-reads.ts';
import { checkGroups } from './groups.ts';
import { knownRecords } from './known-records.ts';
import { partitionFacts } from './partition-facts.ts';
import { checkPolls } from './polls.ts';
import { protests } from './protests.ts';
import { checkOffsets, checkSends } from './sends.ts';
import type { Violation } from './violation.ts';

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
  return violations.sort((a, b) => a.at - b.at);
}
