import { describe, expect, it } from 'vitest';
import { newTransaction, Transaction, TransactionState } from './transaction.ts';

const begun = (startMs: number): Transaction => {
  const transaction = new Transaction('id', newTransaction(7, 1000, startMs));
  transaction.now = { ...transaction.now, state: TransactionState.ONGOING, startMs };
  return transaction;
};

describe('how long a transaction is open', () => {
  it('is told by the calendar, also where another broker has begun it', () => {
    expect(begun(1_000_000).openMs(1_000_700, 5)).toBe(700);
  });

  it('is told by how long this broker knows of it where the calendar was set back', () => {
    const transaction = begun(1_000_000);
    expect(transaction.openMs(400_000, 50)).toBe(0);
    expect(transaction.openMs(400_900, 950)).toBe(900);
    // The next one of the same id is another.
    transaction.now = { ...transaction.now, startMs: 401_000 };
    expect(transaction.openMs(401_000, 1050)).toBe(0);
  });
});
