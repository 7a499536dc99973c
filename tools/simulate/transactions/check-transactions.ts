import { type Anomaly, AT_THE_END, type Violation } from '../checker/violation.ts';
import type { PartitionName, SeenRecord } from '../history.ts';
import { checkCopies } from './check-copies.ts';
import type { Transaction, TransactionLedger } from './transaction-ledger.ts';

/** Holds what transactional clients did against what readers of committed records saw. */
export function checkTransactions(ledger: TransactionLedger): Violation[] {
  return [
    ...visibility(ledger),
    ...readsThatCount(ledger),
    ...fences(ledger),
    ...shared(ledger),
    ...kept(ledger),
    ...stuck(ledger),
    ...checkCopies(ledger),
  ];
}

function violation(anomaly: Anomaly, partition: PartitionName | null, message: string): Violation {
  return { anomaly, partition, message, at: AT_THE_END };
}

/** A transaction is there as a whole or not at all, once, and as its producer was told. */
function visibility(ledger: TransactionLedger): Violation[] {
  const { transactions, final } = ledger;
  const violations: Violation[] = [];
  const visible = new Map<PartitionName, Map<string, number>>();
  for (const [partition, { records }] of final) {
    const counts = new Map<string, number>();
    for (const [, value] of records) counts.set(value, (counts.get(value) ?? 0) + 1);
    for (const [value, count] of counts) {
      if (count > 1) violations.push(violation('duplicate', partition, `${value} is committed ${count} times`));
    }
    visible.set(partition, counts);
  }
  for (const transaction of transactions) violations.push(...judge(transaction, visible, ledger));
  return violations;
}

function judge(
  transaction: Transaction,
  visible: ReadonlyMap<PartitionName, ReadonlyMap<string, number>>,
  ledger: TransactionLedger,
): Violation[] {
  const missing: [PartitionName, string][] = [];
  const there: [PartitionName, string][] = [];
  for (const [partition, values] of transaction.values) {
    const counts = visible.get(partition);
    // Nobody could read it in the end, which is told of elsewhere.
    if (counts === undefined) return [];
    for (const value of values) {
      if (counts.has(value)) there.push([partition, value]);
      else if (!ledger.isDeleted(transaction, partition, value)) missing.push([partition, value]);
    }
  }
  const { client, outcome } = transaction;
  const isRefused = outcome === 'aborted' || outcome === 'open';
  const [lost] = missing;
  // Of what must not be there, also what nobody has acknowledged.
  const [found] = isRefused ? withSent(transaction, visible) : there;
  if (outcome === 'committed' && lost !== undefined) {
    return [violation('lost-transaction', lost[0], `${lost[1]} of ${client} was committed and is not there`)];
  }
  if (isRefused && found !== undefined) {
    return [
      violation('aborted-read', found[0], `${found[1]} of ${client} is there, and its transaction was not committed`),
    ];
  }
  if (lost !== undefined && found !== undefined) {
    return [
      violation(
        'torn-transaction',
        lost[0],
        `${found[1]} is there and ${lost[1]} is not, of one transaction of ${client}`,
      ),
    ];
  }
  return [];
}

/** What is there of all that was sent in a transaction. */
function withSent(
  { sent }: Transaction,
  visible: ReadonlyMap<PartitionName, ReadonlyMap<string, number>>,
): [PartitionName, string][] {
  return [...visible].flatMap(([partition, counts]) =>
    [...sent].filter((value) => counts.has(value)).map((value): [PartitionName, string] => [partition, value]),
  );
}

/** What a reader of committed records has seen stays, and was committed. */
function readsThatCount({ seen, final, transactions }: TransactionLedger): Violation[] {
  const violations: Violation[] = [];
  const never = new Set(
    transactions.filter(({ outcome }) => outcome === 'aborted' || outcome === 'open').flatMap(({ sent }) => [...sent]),
  );
  for (const [partition, records] of seen) {
    const there = final.get(partition);
    const inTheEnd = there && new Map(there.records.map(([offset, value]): [number, string] => [offset, value]));
    for (const [offset, value] of records as readonly SeenRecord[]) {
      if (never.has(value)) {
        violations.push(violation('aborted-read', partition, `${value} was read as committed at ${offset}`));
      } else if (inTheEnd !== undefined && offset >= there!.logStart && inTheEnd.get(offset) !== value) {
        violations.push(violation('unseen', partition, `${value} was read as committed at ${offset} and is not there`));
      }
    }
  }
  return violations;
}

/** Nobody commits who was replaced before he asked for it. */
function fences({ transactions, identities }: TransactionLedger): Violation[] {
  return transactions.flatMap(({ client, transactionalId, producerId, epoch, outcome, askedMs }) => {
    if (outcome !== 'committed') return [];
    const next = identities.find(
      (each) =>
        each.transactionalId === transactionalId &&
        each.isReplacing &&
        each.sinceMs < askedMs &&
        (each.producerId > producerId || (each.producerId === producerId && each.epoch > epoch)),
    );
    if (next === undefined) return [];
    const message = `${client} has committed in epoch ${epoch}, and somebody had epoch ${next.epoch} before it asked`;
    return [violation('zombie-commit', null, message)];
  });
}

/** No two have the same epoch. */
function shared({ identities }: TransactionLedger): Violation[] {
  const owners = new Map<string, string>();
  const violations: Violation[] = [];
  for (const { client, transactionalId, producerId, epoch } of identities) {
    const key = `${transactionalId} ${producerId} ${epoch}`;
    const owner = owners.get(key) ?? client;
    owners.set(key, owner);
    if (owner === client) continue;
    const message = `${owner} and ${client} both were producer ${producerId} of ${transactionalId} in epoch ${epoch}`;
    violations.push(violation('shared-epoch', null, message));
  }
  return violations;
}

/** What comes with an end as the next epoch is above the one that ended (KIP-890); or of another producer id, which takes over. */
function kept({ identities }: TransactionLedger): Violation[] {
  const present = new Map<string, { readonly producerId: number; readonly epoch: number }>();
  return identities.flatMap((next) => {
    const { client, transactionalId, producerId, epoch, isReplacing } = next;
    const before = present.get(client);
    present.set(client, next);
    if (isReplacing || before === undefined || before.producerId !== producerId || epoch > before.epoch) return [];
    const message = `${client} ended a transaction of ${transactionalId} in epoch ${before.epoch}, and got epoch ${epoch} for the next`;
    return [violation('kept-epoch', null, message)];
  });
}

/** With all faults over, every transaction has ended, and nobody waits for it. */
function stuck({ final }: TransactionLedger): Violation[] {
  return [...final].flatMap(([partition, { lag }]) =>
    lag === 0
      ? []
      : [violation('stuck-transaction', partition, `the last stable offset stays ${lag} behind the high watermark`)],
  );
}
