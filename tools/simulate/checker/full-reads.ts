import type { AuditEvent } from '../history.ts';
import type { KnownRecords } from './known-records.ts';
import type { KnownRecord, PartitionFacts } from './partition-facts.ts';
import type { Violation } from './violation.ts';

/** How many missing records are told of one by one. */
const TOLD_MAX = 5;

/** Each full read must have every record that was acknowledged or read before it began. */
export function checkFullReads(facts: PartitionFacts, known: KnownRecords): Violation[] {
  return facts.audits.flatMap((audit) => [...missing(facts, known, audit), ...overDeleted(facts, audit)]);
}

function missing(facts: PartitionFacts, known: KnownRecords, audit: AuditEvent): Violation[] {
  const found = new Set(audit.records.map(([offset]) => offset));
  // Before a reported loss, more was there than is known at the end.
  const lostFrom = Math.min(...facts.losses.filter(({ at }) => at > audit.start).map(({ offset }) => offset));
  const last = Math.max(-1, ...found);
  const violations: Violation[] = [];
  for (const record of known.byOffset.values()) {
    const { offset, value, since, source } = record;
    if (since >= audit.start || found.has(offset) || offset >= lostFrom || mayBeMissing(record, facts, known, audit)) {
      continue;
    }
    if (offset > last && facts.rules.isReplicated && !audit.isSettled) continue;
    const anomaly = offset < last ? 'lost-write' : 'unseen';
    const message = `${value} at offset ${offset}, ${source}, is not in a full read of ${audit.logStart} to ${audit.highWatermark}`;
    violations.push({ anomaly, partition: facts.name, message, at: audit.end });
  }
  return violations.slice(0, TOLD_MAX);
}

function mayBeMissing(record: KnownRecord, facts: PartitionFacts, known: KnownRecords, audit: AuditEvent): boolean {
  const { offset } = record;
  if (offset < audit.logStart) {
    const { retentionBytes, retentionMs = Number.POSITIVE_INFINITY } = facts.rules;
    const isOld = record.timestampMs < audit.atMs + facts.clockSkewMs - retentionMs;
    return retentionBytes !== undefined || isOld || offset < facts.deletedBefore;
  }
  if (facts.isDamaged && audit.damaged.some(([from, to]) => offset >= from && offset < to)) return true;
  return isSuperseded(record, facts, known);
}

/** Whether compaction may have taken a record: a later one has its key, or its transaction was aborted. */
export function isSuperseded(record: KnownRecord, facts: PartitionFacts, known: KnownRecords): boolean {
  const { key, value, offset } = record;
  if (!facts.rules.isCompacted || key === null) return false;
  if (facts.uncommitted.has(value)) return true;
  return (known.lastOfKey.get(key) ?? -1) > offset || mayHaveLostLater(key, offset, facts, known);
}

/** Whether a reported loss may have taken a later record of a key before anybody saw it, and after compaction did. */
function mayHaveLostLater(
  key: string,
  offset: number,
  { losses, sends }: PartitionFacts,
  known: KnownRecords,
): boolean {
  const lostAt = Math.max(-1, ...losses.filter((loss) => loss.offset > offset).map(({ at }) => at));
  const seen = new Set([...known.byOffset.values()].map(({ value }) => value));
  return sends.some(
    ({ start, outcome, baseOffset, keys, values }) =>
      start < lostAt &&
      outcome !== 'failed' &&
      baseOffset < 0 &&
      keys.some((each, index) => each === key && !seen.has(values[index]!)),
  );
}

function overDeleted(facts: PartitionFacts, audit: AuditEvent): Violation[] {
  const { retentionBytes, retentionMs } = facts.rules;
  const violations: Violation[] = [];
  const isWholeWithoutRetention = retentionBytes === undefined && audit.logStart > facts.deletedBefore;
  const isShort =
    retentionBytes !== undefined &&
    audit.logStart > facts.deletedBefore &&
    audit.sizeBytes < retentionBytes &&
    audit.damaged.length === 0;
  // What goes by age is held against the records themselves.
  const isByAge = retentionMs !== undefined;
  if ((isWholeWithoutRetention || isShort) && !isByAge && facts.losses.length === 0) {
    const message = `the log begins at ${audit.logStart} and holds ${audit.sizeBytes} bytes; records up to ${facts.deletedBefore} may be gone, and ${retentionBytes ?? 'all'} bytes must be kept`;
    violations.push({ anomaly: 'over-deleted', partition: facts.name, message, at: audit.end });
  }
  for (const [from] of facts.isDamaged ? [] : audit.damaged) {
    const message = `offset ${from} is answered with CORRUPT_MESSAGE, and no bit of the log was flipped`;
    violations.push({ anomaly: 'false-damage', partition: facts.name, message, at: audit.end });
  }
  return violations;
}
