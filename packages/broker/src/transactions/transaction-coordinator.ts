import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { CoordinatorPartition } from '../coordinators/coordinator-partition.ts';
import { CoordinatorPartitions } from '../coordinators/coordinator-partitions.ts';
import { storeErrors, TOO_LARGE } from '../coordinators/store-errors.ts';
import type { CoordinatorLog, CoordinatorPartitionListener } from '../replicas/coordinator-log.ts';
import { Deadline, Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import type { TransactionConfig } from './config.ts';
import { LateReports } from './late-reports.ts';
import type { MarkerSender } from './marker-sender.ts';
import { type InitRequest, type InitResult, initRefused, needsProducerId, planInit } from './producer-init.ts';
import { StateMemory } from './state-memory.ts';
import { isTagged, transactionRecord, transactionTombstone } from './state-records.ts';
import {
  type JoinedPartitions,
  newTransaction,
  type PartitionsByTopic,
  STATES_BY_NUMBER,
  Transaction,
  type TransactionAsker,
  type TransactionImage,
  TransactionState,
  withPartitions,
} from './transaction.ts';
import { planEnd, taken } from './transaction-end.ts';
import { TransactionLoader, type Transactions } from './transaction-loader.ts';
import { TransactionTimeouts } from './transaction-timeouts.ts';

/** How long requests for a transaction whose markers are being written wait for that: some clients do not ask again. */
const SETTLE_WAIT_MS = 100;

const NO_IDS = 'Cannot take a block of producer ids from the metadata store';

type Home = CoordinatorPartition<Transactions>;

/** A transaction that this broker coordinates, and where. */
interface Found {
  readonly home: Home;
  readonly transaction: Transaction;
}

export interface TransactionCoordinatorOptions {
  readonly config: TransactionConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A producer id that nobody has. Rejects where none can be had now. */
  readonly nextProducerId: () => Promise<number>;
  /** Whether all brokers of the cluster read values of `__transaction_state` that have tags. */
  readonly mayTagValues: () => boolean;
  /** Whether values with tags that are found are written anew without, since a broker may join that does not read them. */
  readonly rewritesTagged: boolean;
  /** Whether the end of each transaction raises its producer's epoch (KIP-890), as the cluster is now. */
  readonly raisesEpochs: () => boolean;
  /** How many partitions `__transaction_state` has; undefined while there is no such topic, or that is not known. */
  readonly partitionCount: () => number | undefined;
  readonly openLog: (listener: CoordinatorPartitionListener) => CoordinatorLog;
  /** Brings markers to the leaders; made with what the coordinator tells its time by. */
  readonly openSender: (deadlines: Deadlines, guard: Guard) => MarkerSender;
}

/** A transactional id as DescribeTransactions and ListTransactions show it. */
export interface DescribedTransaction {
  readonly transactionalId: string;
  readonly image: TransactionImage;
}

/**
 * The transactions that this broker coordinates: those whose ids' partition of `__transaction_state` it leads.
 *
 * A change of an id is written first, and holds once it is replicated; while it is on its way, requests for the id are answered with
 * CONCURRENT_TRANSACTIONS. The decision to commit or abort is such a change. From then on only its markers are missing, which are written
 * until all partitions have them, by whichever broker coordinates the id.
 */
export class TransactionCoordinator {
  /** What the ids take that are coordinated here. */
  readonly memory: StateMemory;
  readonly #options: TransactionCoordinatorOptions;
  readonly #guard: Guard;
  readonly #deadlines: Deadlines;
  readonly #partitions: CoordinatorPartitions<Transactions>;
  readonly #sender: MarkerSender;
  readonly #timeouts: TransactionTimeouts;
  readonly #lateReports: LateReports;
  #completionsWaiting = 0;
  readonly #expiryCheck: Deadline = new Deadline(() => this.#forgetExpired());

  constructor(options: TransactionCoordinatorOptions) {
    const { clock, config, logger } = options;
    this.#options = options;
    this.memory = new StateMemory(logger);
    this.#lateReports = new LateReports(clock, logger);
    this.#guard = new Guard(logger);
    this.#deadlines = new Deadlines(clock, this.#guard);
    this.#sender = options.openSender(this.#deadlines, this.#guard);
    this.#partitions = new CoordinatorPartitions({
      clock,
      logger,
      guard: this.#guard,
      deadlines: this.#deadlines,
      owner: {
        isBoundToTerm: true,
        empty: () => new Map(),
        newLoader: () => new TransactionLoader(logger),
        countOf: (transactions) => transactions.size,
        resume: (transactions, home) => this.#resume(transactions, home),
        drop: (transactions) => {
          for (const transaction of transactions.values()) {
            this.memory.release(transaction);
            this.#timeouts.forget(transaction);
            transaction.settle();
          }
        },
      },
      writeTimeoutMs: config.requestTimeoutMs,
      partitionCount: options.partitionCount,
      openLog: options.openLog,
    });
    this.#timeouts = new TransactionTimeouts({
      clock,
      deadlines: this.#deadlines,
      checkIntervalMs: config.abortCheckIntervalMs,
      loaded: () => this.#partitions.loaded(),
      isCurrent: (home, transaction) => this.#isCurrent(home, transaction),
      abort: (home, transaction) => this.#abortLate(home, transaction),
    });
    this.#deadlines.set(this.#expiryCheck, config.expiryCheckIntervalMs);
  }

  /** Takes no more requests, and sends no more markers: whoever coordinates next does. */
  stop(): void {
    this.#partitions.close();
    this.#sender.close();
    this.#deadlines.close();
  }

  /** Gives a transactional id's producer its producer id and epoch; ends what an earlier one has left open. */
  async initProducer(request: InitRequest): Promise<InitResult> {
    const { transactionalId, timeoutMs } = request;
    if (transactionalId === '') return initRefused(ErrorCode.INVALID_REQUEST);
    if (timeoutMs <= 0 || timeoutMs > this.#options.config.maxTimeoutMs) {
      return initRefused(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    }
    let spareId: number | undefined;
    for (;;) {
      const home = this.#partitions.find(transactionalId);
      if (isRefusal(home)) return initRefused(home.errorCode);
      const known = home.state.get(transactionalId);
      const isEnough = known !== undefined && !needsProducerId(known.now, this.#options.raisesEpochs());
      if (spareId !== undefined || isEnough) return this.#init(home, known, request, spareId);
      try {
        spareId = await this.#options.nextProducerId();
      } catch (error) {
        this.#options.logger.warn({ err: error }, NO_IDS);
        // The metadata store may be back soon; clients retry on this code.
        return initRefused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
      }
    }
  }

  /**
   * Adds partitions to a transaction, and begins it with the first.
   * @param mayWait for the end of the transaction before, as a producer; for a leader, whose producer sends to several partitions at once,
   * that is CONCURRENT_TRANSACTIONS, and what others add meanwhile is waited for
   */
  addPartitions(asker: TransactionAsker, added: PartitionsByTopic, mayWait: boolean = true): Promise<number> | number {
    const known = this.#find(asker.transactionalId);
    if (isRefusal(known)) return known.errorCode;
    const { transaction } = known;
    if (!transaction.isBusy) return this.#addNow(asker, added);
    if (!mayWait && transaction.pending?.state === TransactionState.ONGOING) {
      const found = this.#lookUp(asker);
      return isRefusal(found) ? found.errorCode : this.#join(transaction, asker, added);
    }
    // Before anything else: while the last transaction completes, its producer may be about to be another (KAFKA-18660).
    if (!transaction.isPrepared || !mayWait) return ErrorCode.CONCURRENT_TRANSACTIONS;
    return this.#whenSettled(transaction).then(() => {
      const again = this.#find(asker.transactionalId);
      if (isRefusal(again)) return again.errorCode;
      return again.transaction.isBusy ? ErrorCode.CONCURRENT_TRANSACTIONS : this.#addNow(asker, added);
    });
  }

  #addNow(asker: TransactionAsker, added: PartitionsByTopic): Promise<number> | number {
    const found = this.#lookUp(asker);
    return isRefusal(found) ? found.errorCode : this.#add(found.home, found.transaction, added);
  }

  /** Resolves when the transaction whose markers are being written is complete, or after a while. */
  async whenComplete(transactionalId: string): Promise<void> {
    const found = this.#find(transactionalId);
    if (isRefusal(found) || !found.transaction.isBusy) return;
    const { transaction } = found;
    if (transaction.isPrepared) await this.#whenSettled(transaction);
    else await new Promise<void>((resolve) => transaction.onWritten(resolve));
  }

  /** Whether partitions are in the asker's open transaction: an error code for each. */
  verify(asker: TransactionAsker, partitions: PartitionsByTopic): Map<string, Map<number, number>> {
    const found = this.#lookUp(asker);
    const codeOf = (topic: string, partition: number): number => {
      if (isRefusal(found)) return found.errorCode;
      const { transaction } = found;
      if (transaction.isPrepared) return ErrorCode.CONCURRENT_TRANSACTIONS;
      const isIn = transaction.now.partitions.get(topic)?.has(partition) === true;
      return isIn && transaction.now.state === TransactionState.ONGOING
        ? ErrorCode.NONE
        : ErrorCode.TRANSACTION_ABORTABLE;
    };
    return new Map(
      Array.from(partitions, ([topic, all]) => [topic, new Map([...all].map((each) => [each, codeOf(topic, each)]))]),
    );
  }

  /** Commits or aborts; answered when the decision is replicated. */
  end(asker: TransactionAsker, isCommit: boolean): Promise<number> | number {
    const found = this.#lookUp(asker);
    if (isRefusal(found)) return found.errorCode;
    const { home, transaction } = found;
    const { state } = transaction.now;
    if (transaction.isBusy) return ErrorCode.CONCURRENT_TRANSACTIONS;
    const complete = isCommit ? TransactionState.COMPLETE_COMMIT : TransactionState.COMPLETE_ABORT;
    // An answer that was lost: the decision stands.
    if (state === complete) return ErrorCode.NONE;
    if (state !== TransactionState.ONGOING) return ErrorCode.INVALID_TXN_STATE;
    return this.#prepare(home, transaction, isCommit, { isRaised: false });
  }

  /**
   * Commits or aborts, and raises the producer's epoch, so that nothing that comes late can touch the next transaction (KIP-890). Answered
   * with what the producer goes on with when the decision is replicated.
   */
  async endRaising(asker: TransactionAsker, isCommit: boolean): Promise<InitResult> {
    let spareId: number | undefined;
    for (;;) {
      const found = this.#find(asker.transactionalId);
      if (isRefusal(found)) return initRefused(found.errorCode);
      const { home, transaction } = found;
      const plan = planEnd(transaction, asker, isCommit, spareId);
      if (plan.kind === 'done') return plan.result;
      if (plan.kind === 'end') {
        const errorCode = await this.#prepare(home, transaction, isCommit, plan.change);
        return errorCode === ErrorCode.NONE ? plan.result : initRefused(errorCode);
      }
      try {
        spareId = await this.#options.nextProducerId();
      } catch (error) {
        this.#options.logger.warn({ err: error }, NO_IDS);
        return initRefused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
      }
    }
  }

  /** A transactional id as it is, or the error code. */
  describe(transactionalId: string): DescribedTransaction | Refusal {
    if (transactionalId === '') return Refusal.of(ErrorCode.INVALID_REQUEST);
    const home = this.#partitions.find(transactionalId);
    if (isRefusal(home)) return home;
    const transaction = home.state.get(transactionalId);
    if (transaction === undefined || transaction.pending?.state === TransactionState.DEAD) {
      return Refusal.of(ErrorCode.TRANSACTIONAL_ID_NOT_FOUND);
    }
    return { transactionalId, image: transaction.now };
  }

  /** The transactional ids that are coordinated here, and whether some are still being read. */
  list(): { readonly isLoading: boolean; readonly transactions: DescribedTransaction[] } {
    const transactions: DescribedTransaction[] = [];
    for (const { state } of this.#partitions.loaded()) {
      for (const { id, now, pending } of state.values()) {
        if (pending?.state !== TransactionState.DEAD) transactions.push({ transactionalId: id, image: now });
      }
    }
    return { isLoading: this.#partitions.isLoading, transactions };
  }

  /**
   * Aborts an open transaction as if its time were over; for tests of other people's producers. Resolves with false where there is none,
   * or it cannot be aborted now.
   */
  async expire(transactionalId: string): Promise<boolean> {
    const found = this.#find(transactionalId);
    if (isRefusal(found) || found.transaction.isBusy) return false;
    if (found.transaction.now.state !== TransactionState.ONGOING) return false;
    return (await this.#fence(found.home, found.transaction)) === ErrorCode.NONE;
  }

  /** Keeps markers from being written until the returned function is called; for tests. */
  holdMarkers(): () => void {
    return this.#sender.hold();
  }

  /** How many partitions' markers wait: for other brokers, and for a leader; for metrics. */
  get markersWaiting(): { readonly queued: number; readonly withoutLeader: number } {
    const { queued, withoutLeader } = this.#sender;
    return { queued, withoutLeader };
  }

  /** How many transactions have all their markers, which could not be written down yet; for metrics. */
  get completionsWaiting(): number {
    return this.#completionsWaiting;
  }

  /** For how long the oldest transaction has been open, in milliseconds; 0 where none is. For metrics. */
  get oldestOpenMs(): number {
    const nowMs = this.#options.clock.now();
    let oldest = 0;
    for (const { state } of this.#partitions.loaded()) {
      for (const { now } of state.values()) {
        if (now.state === TransactionState.ONGOING) oldest = Math.max(oldest, nowMs - now.startMs);
      }
    }
    return oldest;
  }

  /** How many ids are in each state; for metrics. */
  counts(): Map<TransactionState, number> {
    const counts = new Map<TransactionState, number>(STATES_BY_NUMBER.map((state) => [state, 0]));
    for (const { image } of this.list().transactions) counts.set(image.state, (counts.get(image.state) ?? 0) + 1);
    return counts;
  }

  #lookUp(asker: TransactionAsker): Found | Refusal {
    const found = this.#find(asker.transactionalId);
    if (isRefusal(found)) return found;
    const { now } = found.transaction;
    if (now.producerId !== asker.producerId) return Refusal.of(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    return now.epoch === asker.producerEpoch ? found : Refusal.of(ErrorCode.PRODUCER_FENCED);
  }

  #find(transactionalId: string): Found | Refusal {
    if (transactionalId === '') return Refusal.of(ErrorCode.INVALID_REQUEST);
    const home = this.#partitions.find(transactionalId);
    if (isRefusal(home)) return home;
    const transaction = home.state.get(transactionalId);
    return transaction === undefined ? Refusal.of(ErrorCode.INVALID_PRODUCER_ID_MAPPING) : { home, transaction };
  }

  #add(home: Home, transaction: Transaction, added: PartitionsByTopic): Promise<number> | number {
    const { now } = transaction;
    const isOpen = now.state === TransactionState.ONGOING;
    const partitions = isOpen ? withPartitions(now.partitions, added) : added;
    if (isOpen && partitions === now.partitions) return ErrorCode.NONE;
    if (!this.memory.hasRoomFor(transaction, partitions)) return ErrorCode.POLICY_VIOLATION;
    const nowMs = this.#options.clock.now();
    return this.#change(home, transaction, {
      ...now,
      state: TransactionState.ONGOING,
      partitions,
      startMs: isOpen ? now.startMs : nowMs,
      updateMs: nowMs,
    });
  }

  /** All that comes while partitions are being written goes into one write behind it. */
  #join(transaction: Transaction, asker: TransactionAsker, added: PartitionsByTopic): Promise<number> {
    const { joined } = transaction;
    if (joined !== undefined) {
      joined.partitions = withPartitions(joined.partitions, added);
      return joined.outcome;
    }
    const { promise, resolve } = Promise.withResolvers<number>();
    const own: JoinedPartitions = { partitions: added, outcome: promise };
    transaction.joined = own;
    transaction.onWritten(() => {
      transaction.joined = undefined;
      resolve(this.addPartitions(asker, own.partitions, false));
    });
    return promise;
  }

  async #init(
    home: Home,
    known: Transaction | undefined,
    request: InitRequest,
    spareId: number | undefined,
  ): Promise<InitResult> {
    const { clock } = this.#options;
    // An id that is not known had a producer id taken for it before.
    const transaction =
      known ?? new Transaction(request.transactionalId, newTransaction(spareId ?? -1, request.timeoutMs, clock.now()));
    const terms = { spareId, raisesEpochs: this.#options.raisesEpochs(), nowMs: clock.now() };
    const plan = planInit(transaction, request, terms);
    if (plan.kind === 'refused') return initRefused(plan.errorCode);
    if (plan.kind === 'fence') {
      const outcome = await this.#fence(home, transaction);
      // The caller asks again, and finds it aborted.
      return initRefused(outcome === ErrorCode.NONE ? ErrorCode.CONCURRENT_TRANSACTIONS : outcome);
    }
    if (known === undefined) {
      if (!this.memory.hasRoomFor(transaction, plan.image.partitions)) return initRefused(ErrorCode.POLICY_VIOLATION);
      home.state.set(transaction.id, transaction);
      this.memory.hold(transaction);
    }
    const errorCode = await this.#change(home, transaction, plan.image);
    if (errorCode !== ErrorCode.NONE) return initRefused(errorCode);
    return { errorCode, producerId: plan.image.producerId, producerEpoch: plan.image.epoch };
  }

  /** Aborts what a producer has left open, under an epoch that it does not have: whatever it still sends is refused. */
  #fence(home: Home, transaction: Transaction): Promise<number> {
    const { now, hasFailedFence } = transaction;
    const epoch = hasFailedFence ? now.epoch : now.epoch + 1;
    // Where each end raises the epoch, the producer that was aborted may take up the next one, unless another comes first.
    const lastEpoch = this.#options.raisesEpochs() ? epoch - 1 : -1;
    return this.#prepare(home, transaction, false, { epoch, lastEpoch, isRaised: true }, () => {
      transaction.now = { ...transaction.now, epoch, lastEpoch };
      transaction.hasFailedFence = true;
    });
  }

  async #prepare(
    home: Home,
    transaction: Transaction,
    isCommit: boolean,
    change: Partial<TransactionImage>,
    failed: () => void = () => {},
  ): Promise<number> {
    const errorCode = await this.#change(
      home,
      transaction,
      {
        ...transaction.now,
        ...change,
        state: isCommit ? TransactionState.PREPARE_COMMIT : TransactionState.PREPARE_ABORT,
        updateMs: this.#options.clock.now(),
      },
      failed,
    );
    if (errorCode === ErrorCode.NONE) {
      transaction.hasFailedFence = false;
      this.#sendMarkers(home, transaction);
    }
    return errorCode;
  }

  /** Of a transaction whose outcome is decided. */
  #sendMarkers(home: Home, transaction: Transaction): void {
    const { now } = transaction;
    const isCommit = now.state === TransactionState.PREPARE_COMMIT;
    this.#sender.send({
      id: transaction.id,
      marker: {
        producerId: now.producerId,
        producerEpoch: now.epoch,
        isCommit,
        coordinatorEpoch: home.leaderEpoch,
        isRaised: now.isRaised,
      },
      partitions: now.partitions,
      isWanted: () => this.#isCurrent(home, transaction) && transaction.now === now,
      done: () => this.#complete(home, transaction, isCommit),
    });
  }

  /** All markers are written; tried again until that is written down, or another coordinates. */
  #complete(home: Home, transaction: Transaction, isCommit: boolean): void {
    const { clock } = this.#options;
    const outcome = this.#change(home, transaction, {
      ...taken(transaction.now),
      state: isCommit ? TransactionState.COMPLETE_COMMIT : TransactionState.COMPLETE_ABORT,
      partitions: new Map(),
      startMs: transaction.now.startMs,
      updateMs: clock.now(),
    });
    const finish = async (): Promise<void> => {
      const errorCode = await outcome;
      if (errorCode === ErrorCode.NONE) transaction.settle();
      else if (this.#isCurrent(home, transaction) && transaction.isPrepared) {
        this.#completionsWaiting += 1;
        const retry = new Deadline(() => {
          this.#completionsWaiting -= 1;
          if (this.#isCurrent(home, transaction)) this.#complete(home, transaction, isCommit);
        });
        this.#deadlines.set(retry, SETTLE_WAIT_MS);
      }
    };
    this.#guard.settle(`Completing the transaction of ${transaction.id}`, finish());
  }

  #isCurrent(home: Home, transaction: Transaction): boolean {
    return this.#partitions.isCurrent(home) && home.state.get(transaction.id) === transaction;
  }

  /** Writes a change down; it holds once it is replicated. Resolves with what a client is told. */
  #change(
    home: Home,
    transaction: Transaction,
    next: TransactionImage,
    failed: () => void = () => {},
  ): Promise<number> {
    transaction.pending = next;
    return new Promise((resolve) => {
      home.writes.push({
        records: [transactionRecord(transaction.id, next, this.#options.mayTagValues())],
        done: (errorCode) => {
          // In another term, what was decided in this one is nothing that memory may be changed by.
          if (!this.#isCurrent(home, transaction)) {
            resolve(ErrorCode.NOT_COORDINATOR);
            return;
          }
          transaction.pending = undefined;
          const { state } = transaction.now;
          if (errorCode === ErrorCode.NONE) transaction.now = next;
          else failed();
          // Who waits is answered whatever becomes of the rest, or would wait for ever.
          resolve(clientError(errorCode));
          if (state !== TransactionState.ONGOING) {
            this.#guard.run('Watching the time of a transaction', () => this.#timeouts.watch(home, transaction));
          }
          this.memory.hold(transaction);
          transaction.written();
        },
      });
    });
  }

  #whenSettled(transaction: Transaction): Promise<void> {
    return new Promise((resolve) => {
      const deadline = new Deadline(resolve);
      this.#deadlines.set(deadline, SETTLE_WAIT_MS);
      transaction.onSettled(() => {
        this.#deadlines.cancel(deadline);
        resolve();
      });
    });
  }

  /** What the coordinator before has decided and not brought to its end. */
  #resume(transactions: Transactions, home: Home): void {
    for (const transaction of transactions.values()) {
      this.memory.hold(transaction);
      this.#timeouts.watch(home, transaction);
      if (transaction.isPrepared) this.#sendMarkers(home, transaction);
    }
    if (this.#options.rewritesTagged) this.#rewriteTagged(transactions, home);
  }

  /**
   * A broker of an older release stops at the first value with tags that it finds when it takes a partition over, and knows nothing of the ids
   * behind it. What is being completed is written without tags when it is.
   */
  #rewriteTagged(transactions: Transactions, home: Home): void {
    const tagged = [...transactions.values()].filter(({ now, isPrepared }) => isTagged(now) && !isPrepared);
    if (tagged.length === 0) return;
    for (const transaction of tagged) {
      this.#guard.settle(`Rewriting ${transaction.id}`, this.#change(home, transaction, transaction.now));
    }
    this.#options.logger.info(
      { partition: home.index, count: tagged.length },
      'Writing transactional ids anew in a form that Kafka below 3.8 reads, as inter.broker.protocol.version asks for; what they replace is in the log until it is compacted (max.compaction.lag.ms)',
    );
  }

  #abortLate(home: Home, transaction: Transaction): void {
    const { id, now, hasFailedFence } = transaction;
    this.#lateReports.aborting(id, now.timeoutMs, hasFailedFence);
    this.#guard.settle(`Aborting the transaction of ${id}`, this.#fence(home, transaction));
  }

  #forgetExpired(): void {
    const { clock, config } = this.#options;
    this.#deadlines.set(this.#expiryCheck, config.expiryCheckIntervalMs);
    const nowMs = clock.now();
    for (const home of this.#partitions.loaded()) {
      for (const transaction of home.state.values()) {
        const { now } = transaction;
        const isOver = !transaction.isBusy && now.state !== TransactionState.ONGOING;
        if (isOver && nowMs - now.updateMs >= config.idExpirationMs) this.#forget(home, transaction);
      }
    }
  }

  #forget(home: Home, transaction: Transaction): void {
    transaction.pending = { ...transaction.now, state: TransactionState.DEAD };
    home.writes.push({
      records: [transactionTombstone(transaction.id)],
      done: (errorCode) => {
        if (!this.#isCurrent(home, transaction)) return;
        transaction.pending = undefined;
        if (errorCode === ErrorCode.NONE) {
          home.state.delete(transaction.id);
          this.memory.release(transaction);
          this.#timeouts.forget(transaction);
        }
        transaction.written();
      },
    });
  }
}

/** What a client is told of an append that failed (`TransactionStateManager.appendTransactionToLog`). */
const clientError = storeErrors([
  [ErrorCode.REQUEST_TIMED_OUT, ErrorCode.COORDINATOR_NOT_AVAILABLE],
  ...TOO_LARGE.map((error) => [error, ErrorCode.UNKNOWN_SERVER_ERROR] as const),
]);
