import type { History, ProtestEvent } from '../history.ts';
import type { PartitionFacts } from './partition-facts.ts';
import type { Anomaly, Violation } from './violation.ts';

/** What clients met that no broker in order would do, but for what is excused. */
export function protests(history: History, partitions: ReadonlyMap<string, PartitionFacts>): Violation[] {
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

function isExcused(protest: ProtestEvent, partitions: ReadonlyMap<string, PartitionFacts>): boolean {
  const facts = protest.partition === null ? undefined : partitions.get(protest.partition);
  if (facts === undefined) return false;
  // With the end of a log, the sequences that stood there are lost as well.
  const isCut = facts.losses.some(({ at }) => at < protest.at);
  if (protest.anomaly === 'sequence-lost') return isCut || isDamagedBefore(facts, protest) || isTaken(facts, protest);
  return protest.anomaly === 'out-of-sequence' && isCut;
}

function isDamagedBefore(facts: PartitionFacts, protest: ProtestEvent): boolean {
  return facts.damages.some(({ at, file }) => at < protest.at && file.endsWith('.log'));
}

/**
 * A broker that starts anew finds the batches that a producer may send again in the log: those that retention, deletion or
 * compaction has taken meanwhile it does not know, as in Kafka. So the batch, if it was written before, must be gone. Retention
 * and deletion take what is before it as well: where the batch that was acknowledged last still stands, they have not taken this
 * one, which could only stand behind it.
 */
function isTaken(facts: PartitionFacts, { at, sequence }: ProtestEvent): boolean {
  if (sequence === undefined || isReadAfter(facts, at, sequence.values)) return false;
  if (facts.rules.isCompacted) return true;
  return facts.mayStartLater && sequence.acknowledgedTo < startAfter(facts, at);
}

function isReadAfter({ audits, polls }: PartitionFacts, at: number, values: readonly string[]): boolean {
  return [...audits, ...polls].some(
    ({ start, records }) => start > at && records.some(([, value]) => values.includes(value)),
  );
}

/** Where the log has begun at the most; `Infinity` when nobody has looked since. */
function startAfter({ audits }: PartitionFacts, at: number): number {
  return Math.min(...audits.filter(({ start }) => start > at).map(({ logStart }) => logStart));
}
