import { type Anomaly, AT_THE_END, type Violation } from '../checker/violation.ts';
import type { PartitionName } from '../history.ts';
import { copied } from './copier.ts';
import type { TransactionLedger } from './transaction-ledger.ts';

/** Offsets and copies of one transaction: of what a group has read there is one copy, and of nothing else. */
export function checkCopies(ledger: TransactionLedger): Violation[] {
  const { final, copies } = ledger;
  if (copies === undefined) return [];
  const found = new Map<string, PartitionName[]>();
  for (const sink of copies.sinks) {
    for (const [, value] of final.get(sink)?.records ?? []) {
      const original = copied(value);
      if (original !== undefined) found.set(original, [...(found.get(original) ?? []), sink]);
    }
  }
  const violations: Violation[] = [];
  const add = (anomaly: Anomaly, partition: PartitionName, message: string): void => {
    violations.push({ anomaly, partition, message, at: AT_THE_END });
  };
  for (const [source, end] of copies.committed) {
    for (const [offset, value] of final.get(source)?.records ?? []) {
      const there = found.get(value) ?? [];
      found.delete(value);
      if (offset < end && there.length === 0) {
        add('offset-without-records', source, `${value} at ${offset} was read, as ${end} says, and there is no copy`);
      } else if (offset >= end && there.length > 0) {
        add('records-without-offset', there[0]!, `${value} at ${offset} is copied, and only ${end} is committed`);
      } else if (there.length > 1) {
        add('records-without-offset', there[1]!, `${value} is copied ${there.length} times`);
      }
    }
  }
  const mayBeDeleted = deletedSources(ledger, [...copies.committed.keys()]);
  for (const [value, sinks] of found) {
    if (!mayBeDeleted(value)) add('aborted-read', sinks[0]!, `${value} is copied and was never committed`);
    else if (sinks.length > 1) add('records-without-offset', sinks[1]!, `${value} is copied ${sinks.length} times`);
  }
  return violations;
}

/** Whether a value may have been committed, or written without a transaction, then copied, and be deleted since. */
function deletedSources(ledger: TransactionLedger, sources: readonly PartitionName[]): (value: string) => boolean {
  const isShortened = sources.some((name) => (ledger.final.get(name)?.logStart ?? 0) > 0);
  const sent = new Set<string>();
  const deleted = new Set<string>();
  for (const transaction of ledger.transactions) {
    for (const value of transaction.sent) sent.add(value);
    if (transaction.outcome === 'aborted' || transaction.outcome === 'open') continue;
    for (const name of sources) {
      for (const value of transaction.values.get(name) ?? []) {
        if (ledger.isDeleted(transaction, name, value)) deleted.add(value);
      }
    }
  }
  // Of what is written without a transaction nobody notes where it stands.
  return (value) => deleted.has(value) || (isShortened && !sent.has(value));
}
