import type { History, ProtestEvent } from '../history.ts';
import { checkFullReads } from './full-reads.ts';
import { checkGroups } from './groups.ts';
import { knownRecords } from './known-records.ts';
import { type PartitionFacts, partitionFacts } from './partition-facts.ts';
import { checkPolls } from './polls.ts';
import { checkOffsets, checkSends } from './sends.ts';
import type { Anomaly, Violation } from './violation.ts';

/** Holds a history against what a broker promises. No violation: nothing that its clients saw contradicts it. */
export function check(history: History): Violation[] {
  const violations: Violation[] = [];
  const partitions = partitionFacts(history);
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

function protests(history: History, partitions: ReadonlyMap<string, PartitionFacts>): Violation[] {
  return history.events
    .filter((event) => event.kind === 'protest')
    .filter((protest) => !isExcused(protest, partitions))
    .map(({ anomaly, partition, message, client, at }) => ({
      anomaly: anomaly as Anomaly,
      partition,
      message: `${client}: ${message}`,
      at,
    }));
}

/**
 * With the end of a log, the sequences that stood there are lost as well. And a broker that starts anew finds the batches that a
 * producer may send again in the log: those that retention, compaction or damage has taken meanwhile it does not know, as in Kafka.
 */
function isExcused({ anomaly, partition }: ProtestEvent, partitions: ReadonlyMap<string, PartitionFacts>): boolean {
  const facts = partition === null ? undefined : partitions.get(partition);
  if (facts === undefined) return false;
  if (anomaly === 'sequence-lost') {
    return facts.losses.length > 0 || facts.isDamaged || facts.mayStartLater || facts.rules.isCompacted;
  }
  return anomaly === 'out-of-sequence' && facts.losses.length > 0;
}
