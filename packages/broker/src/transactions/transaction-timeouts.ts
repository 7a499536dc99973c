import type { Clock } from '@millrace/ports';
import type { CoordinatorPartition } from '../coordinators/coordinator-partition.ts';
import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import { type Transaction, TransactionState } from './transaction.ts';
import type { Transactions } from './transaction-loader.ts';

type Home = CoordinatorPartition<Transactions>;

/** What lies between a transaction whose time is just up and one that took too long. */
const BEYOND_MS = 1;

export interface TransactionTimeoutsOptions {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** `transaction.abort.timed.out.transaction.cleanup.interval.ms` */
  readonly checkIntervalMs: number;
  readonly loaded: () => Iterable<Home>;
  /** Whether a transaction is still coordinated here, in the term in which it was. */
  readonly isCurrent: (home: Home, transaction: Transaction) => boolean;
  /** Aborts an open transaction that nothing else happens to. */
  readonly abort: (home: Home, transaction: Transaction) => void;
}

/**
 * Has transactions aborted that take longer than their producers said: each has a deadline, so that readers wait no longer for one whose
 * producer is gone. Kafka looks for them at intervals alone, by default 10 s. That is done here, too: for what no deadline tells, which is an
 * abort that could not be written, and a calendar that was set forward.
 */
export class TransactionTimeouts {
  readonly #options: TransactionTimeoutsOptions;
  readonly #check: Deadline = new Deadline(() => this.#checkAll());

  constructor(options: TransactionTimeoutsOptions) {
    this.#options = options;
    options.deadlines.set(this.#check, options.checkIntervalMs);
  }

  /** To be called when a transaction has begun, or has been read. */
  watch(home: Home, transaction: Transaction): void {
    const { clock, deadlines, isCurrent } = this.#options;
    const { state, timeoutMs } = transaction.now;
    if (state !== TransactionState.ONGOING || !isCurrent(home, transaction)) return;
    transaction.timeout ??= new Deadline(() => this.#look(home, transaction));
    // Left where it is when the transaction ends: moving it later for the next one costs nothing.
    const openMs = transaction.openMs(clock.now(), clock.monotonic());
    deadlines.set(transaction.timeout, timeoutMs - openMs + BEYOND_MS);
  }

  /** Forgets one that is not coordinated here any more. */
  forget({ timeout }: Transaction): void {
    if (timeout !== undefined) this.#options.deadlines.cancel(timeout);
  }

  /** The deadline may be that of a transaction before: this one has its own. */
  #look(home: Home, transaction: Transaction): void {
    if (transaction.isPrepared) return;
    if (transaction.pending !== undefined) transaction.onWritten(() => this.watch(home, transaction));
    else if (this.#isLate(transaction)) this.#options.abort(home, transaction);
    else this.watch(home, transaction);
  }

  #checkAll(): void {
    const { abort, checkIntervalMs, deadlines, loaded } = this.#options;
    deadlines.set(this.#check, checkIntervalMs);
    for (const home of loaded()) {
      for (const transaction of home.state.values()) {
        if (!transaction.isBusy && this.#isLate(transaction)) abort(home, transaction);
      }
    }
  }

  #isLate(transaction: Transaction): boolean {
    const { clock } = this.#options;
    const { state, timeoutMs } = transaction.now;
    return state === TransactionState.ONGOING && transaction.openMs(clock.now(), clock.monotonic()) > timeoutMs;
  }
}
