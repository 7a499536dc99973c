import { ManualClock, silentLogger } from '@millrace/ports';
import { beforeEach, describe, expect, it } from 'vitest';
import type { CoordinatorPartition } from '../coordinators/coordinator-partition.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import { newTransaction, Transaction, TransactionState } from './transaction.ts';
import type { Transactions } from './transaction-loader.ts';
import { TransactionTimeouts } from './transaction-timeouts.ts';

const TIMEOUT_MS = 1000;
const CHECK_MS = 10_000;

let clock: ManualClock;
let deadlines: Deadlines;
let home: CoordinatorPartition<Transactions>;
let timeouts: TransactionTimeouts;
let isCurrent: boolean;
/** How long after the clock was started which were aborted. */
let aborted: [id: string, atMs: number][];
/** How often it was looked, which tells whether timers spin. */
let looks: number;

beforeEach(() => {
  clock = new ManualClock();
  aborted = [];
  looks = 0;
  isCurrent = true;
  deadlines = new Deadlines(clock, new Guard(silentLogger));
  home = { index: 0, leaderEpoch: 0, loading: false, state: new Map(), writes: undefined as never };
  timeouts = new TransactionTimeouts({
    clock,
    deadlines,
    checkIntervalMs: CHECK_MS,
    loaded: () => [home],
    isCurrent: () => {
      looks += 1;
      return isCurrent;
    },
    abort(_home, transaction) {
      aborted.push([transaction.id, clock.monotonic()]);
      to(transaction, TransactionState.PREPARE_ABORT);
    },
  });
});

function to(transaction: Transaction, state: TransactionState): void {
  transaction.now = { ...transaction.now, state };
}

function begin(transaction: Transaction): void {
  transaction.now = { ...transaction.now, state: TransactionState.ONGOING, startMs: clock.now() };
  timeouts.watch(home, transaction);
}

function begun(id: string, timeoutMs = TIMEOUT_MS): Transaction {
  const transaction = new Transaction(id, newTransaction(7, timeoutMs, clock.now()));
  home.state.set(id, transaction);
  begin(transaction);
  return transaction;
}

describe('a transaction', () => {
  it('is aborted when its time is over, whatever others have', () => {
    begun('long', 3000);
    begun('short', 500);
    clock.advance(200);
    begun('later', 500);
    clock.advance(CHECK_MS - 201);
    expect(aborted).toEqual([
      ['short', 501],
      ['later', 701],
      ['long', 3001],
    ]);
  });

  it('has a time of its own where one came before it with the same id', () => {
    const transaction = begun('id');
    for (let n = 0; n < 100; n += 1) {
      clock.advance(TIMEOUT_MS / 10);
      to(transaction, TransactionState.COMPLETE_COMMIT);
      begin(transaction);
    }
    // The look at intervals is the other one.
    expect(deadlines.size).toBe(2);
    clock.advance(TIMEOUT_MS + 1);
    expect(aborted).toEqual([['id', 11 * TIMEOUT_MS + 1]]);
  });

  it('is left alone once it is over', () => {
    to(begun('id'), TransactionState.COMPLETE_COMMIT);
    clock.advance(2 * CHECK_MS);
    expect(aborted).toEqual([]);
    expect(deadlines.size).toBe(1);
  });

  it('is aborted as soon as what is being written of it is, where its time ends meanwhile', () => {
    const transaction = begun('id');
    transaction.pending = transaction.now;
    clock.advance(TIMEOUT_MS + 500);
    expect(aborted).toEqual([]);
    transaction.pending = undefined;
    transaction.written();
    clock.advance(0);
    expect(aborted).toEqual([['id', TIMEOUT_MS + 500]]);
  });

  it('that its producer ended in the last moment is left alone', () => {
    const transaction = begun('id');
    transaction.pending = { ...transaction.now, state: TransactionState.PREPARE_COMMIT };
    clock.advance(TIMEOUT_MS + 500);
    transaction.now = transaction.pending;
    transaction.pending = undefined;
    transaction.written();
    clock.advance(2 * CHECK_MS);
    expect(aborted).toEqual([]);
  });

  it('of another term is left alone, and has no deadline left', () => {
    const transaction = begun('id');
    const other = begun('other');
    other.pending = other.now;
    clock.advance(TIMEOUT_MS - 1);
    timeouts.forget(transaction);
    clock.advance(5);
    isCurrent = false;
    home.state.clear();
    other.pending = undefined;
    other.settle();
    clock.advance(2 * CHECK_MS);
    expect(aborted).toEqual([]);
    expect(deadlines.size).toBe(1);
  });

  it('is looked at in intervals where its abort could not be written', () => {
    const transaction = begun('id');
    clock.advance(TIMEOUT_MS + 1);
    to(transaction, TransactionState.ONGOING);
    clock.advance(CHECK_MS);
    expect(aborted).toEqual([
      ['id', TIMEOUT_MS + 1],
      ['id', CHECK_MS],
    ]);
  });

  it('is not looked at again and again where fractions of a millisecond are missing, nor where its time is the longest', () => {
    clock.advance(0.9);
    begun('fraction');
    clock.advance(0.3);
    begun('longest', 2 ** 31 - 1);
    clock.advance(2 ** 31 + CHECK_MS);
    expect(aborted.map(([id]) => id)).toEqual(['fraction', 'longest']);
    expect(looks).toBeLessThan(5);
  });
});
