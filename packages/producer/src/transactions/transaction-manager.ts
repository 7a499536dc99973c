import { BrokerError, type Logger } from '@millrace/client';
import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import {
  AbortableTransactionError,
  abortedByCoordinator,
  asError,
  FatalTransactionError,
  noTransaction,
  transactionUnderWay,
} from '../errors.ts';
import type { ProducerIdentitySource } from '../identity.ts';
import type { ProducerIdentity } from '../produce-batch.ts';
import {
  type ConsumerGroupMetadata,
  isTooOld,
  type TransactionOffset,
  type TransactionTransport,
} from './transaction-transport.ts';

/** What the manager needs of the producer that it belongs to. */
export interface TransactionManagerOptions {
  readonly transport: TransactionTransport;
  readonly identity: ProducerIdentitySource;
  readonly logger: Logger;
  readonly clock: Clock;
  /** After how long the coordinator aborts a transaction. */
  readonly timeoutMs: number;
  /** Sends all that was given to the producer; resolves when its outcome is known. */
  readonly drained: () => Promise<void>;
  /** Fails all that has not been sent, tries nothing again, and resolves when what was sent has its outcome. */
  readonly abandoned: (error: Error) => Promise<void>;
  /** A new transaction begins: what is given from now on is sent again. */
  readonly resume: () => void;
  /** More may be sent than before. */
  readonly wake: () => void;
}

/**
 * - `idle`: no transaction; `open`: records and offsets may be added; `failed`: it can only be aborted;
 * - `committing`, `aborting`: its end is under way;
 * - `over`: another producer has taken over, or what the transaction became cannot be known: a new producer is needed.
 */
type State = 'idle' | 'open' | 'failed' | 'committing' | 'aborting' | 'over';

/** Errors that no abort mends. */
const FATAL: ReadonlySet<number> = new Set([
  ErrorCode.PRODUCER_FENCED,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.INVALID_PRODUCER_ID_MAPPING,
  ErrorCode.INVALID_TXN_STATE,
  ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  ErrorCode.UNSUPPORTED_VERSION,
  ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
]);

/**
 * What a producer is told whose epoch was raised by the coordinator, which does so when it aborts what has taken too long; or by another
 * producer, which only the coordinator can tell.
 */
const OUTDATED: ReadonlySet<number> = new Set([ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH]);

/** The transactions of one producer, one after the other: what belongs to the open one, and its end. */
export class TransactionManager {
  readonly #options: TransactionManagerOptions;
  #state: State = 'idle';
  #error: Error | undefined;
  /** Partitions that the coordinator knows to be in the transaction. */
  #added = new Map<string, Set<number>>();
  /** Those it is to be told of. */
  #wanted = new Map<string, Set<number>>();
  #groups = new Set<string>();
  #adding: Promise<void> | undefined;
  /** Those that the coordinator is being told of. */
  #told: ReadonlyMap<string, ReadonlySet<number>> = new Map();
  /** The coordinator's writes for a transaction, one after the other: it refuses the second, to be tried again after a pause. */
  #line: Promise<unknown> = Promise.resolve();
  /** Offsets whose outcome is not known. */
  readonly #offsets = new Set<Promise<void>>();
  /** Whether the coordinator knows of a transaction that must be ended. */
  #isBegun = false;
  /** Whether it has said so. */
  #isKnownBegun = false;
  #begunMs = 0;
  /** The coordinator has aborted the transaction, perhaps: its epoch, not ours, is where to go on. */
  #isOutdated = false;
  /** What the producer goes on with after a transaction that the coordinator has aborted, once it has been asked for. */
  #taken: Promise<ProducerIdentity> | undefined;

  constructor(options: TransactionManagerOptions) {
    this.#options = options;
  }

  /** Why no record may be sent now; undefined where it may. */
  get refusal(): Error | undefined {
    return this.#state === 'open' ? undefined : this.#reason();
  }

  /** Why a record that was given in time may not be put into a batch; undefined where it may. */
  get lateRefusal(): Error | undefined {
    return this.#state === 'committing' ? undefined : this.refusal;
  }

  #reason(): Error {
    return this.#error ?? noTransaction();
  }

  /** Gets a producer id where there is none yet; what an earlier producer of the transactional id has left open is aborted. */
  async begin(): Promise<void> {
    if (this.#state === 'over') throw this.#reason();
    if (this.#state !== 'idle') throw transactionUnderWay();
    this.#state = 'open';
    this.#error = undefined;
    const { identity, transport, resume, clock } = this.#options;
    this.#begunMs = clock.monotonic();
    resume();
    // Of producers that begin to leave it to leaders to add partitions these expect that sequences begin anew.
    if (transport.raisesNext && !transport.raises) identity.requestBump();
    try {
      // Sequences that the brokers may or may not have seen are left behind with the epoch.
      if (identity.current === undefined) await identity.load();
      transport.setRaises(transport.raisesNext);
    } catch (error) {
      this.#state = 'idle';
      throw this.#fatal(error, 'begin') ?? error;
    }
  }

  /** Whether a partition is in the transaction; if not, the coordinator is told of it, and the sender is woken then. */
  mayProduce(topic: string, partition: number): boolean {
    if (this.#added.get(topic)?.has(partition) === true) return true;
    if (this.#state !== 'open' && this.#state !== 'committing') return false;
    if (this.#options.transport.raises) {
      // The leader tells the coordinator, with the first batch.
      this.#isBegun = true;
      return true;
    }
    if (this.#told.get(topic)?.has(partition) === true) return false;
    let wanted = this.#wanted.get(topic);
    if (wanted === undefined) {
      wanted = new Set();
      this.#wanted.set(topic, wanted);
    }
    wanted.add(partition);
    this.#adding ??= this.#add();
    return false;
  }

  /** What those who wait for a record are told of a batch that has failed. */
  told(error: Error): Error {
    if (this.#state !== 'open' && this.#state !== 'committing') return error;
    if (isTooOld(error)) return this.#abortable(error, 'send records', false);
    return this.#mayBeAborted(error) ? this.#aborted(error, 'send records') : error;
  }

  /** A batch has failed for good: the transaction can only be aborted. */
  batchFailed(error: Error): void {
    if (this.#state !== 'open' && this.#state !== 'committing') return;
    // Of an epoch that is too low the coordinator tells, when the transaction is aborted, whether somebody has taken over.
    this.#fail(error, 'send records');
  }

  /** Whether an answer to records or offsets may mean that the coordinator has aborted the transaction; its abort tells. */
  #mayBeAborted(error: unknown): error is BrokerError {
    if (!(error instanceof BrokerError)) return false;
    const { errorCode } = error;
    if (this.#options.transport.raises && errorCode === ErrorCode.INVALID_TXN_STATE) return true;
    return errorCode === ErrorCode.INVALID_PRODUCER_EPOCH;
  }

  #aborted(cause: Error, attempted: string): AbortableTransactionError {
    const { clock, timeoutMs } = this.#options;
    this.#isOutdated = true;
    return abortedByCoordinator(attempted, { openMs: clock.monotonic() - this.#begunMs, timeoutMs, cause });
  }

  /**
   * Does a part of the transaction that is open. If it fails, whatever of, the transaction can only be aborted: those who do not wait for its
   * parts would commit the others without it.
   */
  async part<T>(attempted: string, attempt: () => Promise<T>): Promise<T> {
    const isOpen = this.#state === 'open';
    try {
      return await attempt();
    } catch (error) {
      if (isOpen && (this.#state === 'open' || this.#state === 'committing')) this.#fail(error, attempted);
      throw error;
    }
  }

  /** The end of the transaction waits for them, whoever else does. */
  async sendOffsets(group: ConsumerGroupMetadata, offsets: readonly TransactionOffset[]): Promise<void> {
    const { refusal } = this;
    if (refusal !== undefined) throw refusal;
    if (offsets.length === 0) return;
    const outcome = this.#sendOffsets(group, offsets);
    this.#offsets.add(outcome);
    try {
      await outcome;
    } finally {
      this.#offsets.delete(outcome);
    }
  }

  async #sendOffsets(group: ConsumerGroupMetadata, offsets: readonly TransactionOffset[]): Promise<void> {
    const { transport } = this.#options;
    const { groupId } = group;
    const identity = this.#identity();
    try {
      if (transport.raises) {
        this.#isBegun = true;
      } else if (!this.#groups.has(groupId)) {
        await this.#inLine(async () => {
          if (this.#groups.has(groupId)) return;
          await transport.addOffsets(identity, groupId, this.#mayAsk);
          this.#begun();
          this.#groups.add(groupId);
        });
      }
      await transport.commitOffsets(identity, group, offsets, this.#mayAsk);
    } catch (error) {
      throw await this.#failed(error, `commit offsets of group '${groupId}'`);
    }
  }

  /** Before each request for offsets: what comes after the transaction's end would be part of the next one. */
  readonly #mayAsk = (): void => {
    if (this.#state !== 'open' && this.#state !== 'committing') throw this.#reason();
  };

  /** Each when those before it are done, whatever came of them. */
  #inLine(ask: () => Promise<void>): Promise<void> {
    const turn = this.#line.then(ask);
    this.#line = turn.catch(() => undefined);
    return turn;
  }

  /** What was asked of the coordinators is answered, so that nothing of it comes after the end. */
  async #answered(): Promise<void> {
    await this.#adding;
    await Promise.allSettled(this.#offsets);
  }

  async commit(): Promise<void> {
    const { refusal } = this;
    if (refusal !== undefined) throw refusal;
    this.#state = 'committing';
    await this.#options.drained();
    await this.#answered();
    // Something has failed meanwhile.
    if (this.#error !== undefined) throw this.#error;
    await this.#end(true);
  }

  async abort(): Promise<void> {
    if (this.#state === 'over') throw this.#reason();
    if (this.#state !== 'open' && this.#state !== 'failed') throw noTransaction();
    this.#state = 'aborting';
    await this.#options.abandoned(this.#error ?? new AbortableTransactionError('The transaction was aborted'));
    await this.#answered();
    await this.#end(false);
  }

  /** Aborts what is open, as the producer closes; the brokers do it after a while where it cannot be done. */
  async close(): Promise<void> {
    if (this.#state !== 'open' && this.#state !== 'failed') return;
    await this.abort().catch((error: unknown) => {
      this.#options.logger.warn({ err: asError(error) }, 'the open transaction could not be aborted at the close');
    });
  }

  async #end(isCommit: boolean): Promise<void> {
    const { transport, identity } = this.#options;
    let asked = 0;
    try {
      if (this.#isBegun) {
        const next = await this.#ended(isCommit, () => {
          asked += 1;
        });
        if (next !== undefined) identity.replace(next);
      }
      this.#added = new Map();
      this.#wanted = new Map();
      this.#groups = new Set();
      this.#isBegun = false;
      this.#isKnownBegun = false;
      this.#isOutdated = false;
      this.#taken = undefined;
      this.#error = undefined;
      this.#state = 'idle';
    } catch (error) {
      const attempted = isCommit ? 'commit' : 'abort';
      // Asked more than once, it may have been committed before its epoch became another, except where the answer says that it was not.
      const isInDoubt = !transport.raises && asked > 1;
      // Nobody was asked yet: a coordinator of an older release has taken over, and the next transaction is begun its way.
      if (isCommit && asked === 0 && isTooOld(error)) throw this.#fail(error, attempted);
      if (isCommit && !isInDoubt && (await this.#isAbortedElsewhere(error))) throw this.#fail(error, attempted, true);
      // Whether it is committed, nobody here knows, and only the same end may be asked for again: that is for the next producer.
      this.#state = 'over';
      this.#error =
        this.#fatal(error, attempted) ??
        new FatalTransactionError(
          `Cannot ${attempted} the transaction: ${asError(error).message}; make a new producer`,
          {
            cause: error,
          },
        );
      throw this.#error;
    }
  }

  /** What the producer goes on with; undefined where nothing changes. */
  async #ended(isCommit: boolean, asked: () => void): Promise<ProducerIdentity | undefined> {
    const { transport } = this.#options;
    const isOutdated = !transport.raises && this.#isOutdated && this.#isKnownBegun;
    if (isOutdated || this.#taken !== undefined) return await this.#takeBack();
    try {
      const next = await transport.end(this.#identity(), isCommit, asked);
      return transport.raises ? next : undefined;
    } catch (error) {
      if (isCommit || !transport.raises || !isTooOld(error)) throw error;
      await transport.abortTheOldWay(this.#identity());
      // What was sent under this epoch and comes late must not get into the next transaction.
      this.#options.identity.requestBump();
      return undefined;
    }
  }

  /**
   * Takes up where the coordinator has left the producer that it has aborted, one epoch on. Of a transaction that it knew and that was never
   * asked to be ended, nothing else can have raised the epoch by one; whoever has taken over is further on, and this is refused.
   */
  #takeBack(): Promise<ProducerIdentity> {
    const { producerId, producerEpoch } = this.#identity();
    this.#taken ??= this.#options.transport.initProducerId({ producerId, producerEpoch: producerEpoch + 1 });
    return this.#taken;
  }

  /** Whether the coordinator has aborted the transaction of its own, and nobody has taken over. */
  async #isAbortedElsewhere(error: unknown): Promise<boolean> {
    if (!(error instanceof BrokerError)) return false;
    const { errorCode } = error;
    // Told of an epoch that is one too low, and of one under which nothing was begun: not committed, and the abort tells who is next.
    if (this.#options.transport.raises) {
      return errorCode === ErrorCode.INVALID_TXN_STATE || errorCode === ErrorCode.INVALID_PRODUCER_EPOCH;
    }
    if (!this.#isKnownBegun || !OUTDATED.has(errorCode)) return false;
    try {
      await this.#takeBack();
      return true;
    } catch {
      return false;
    }
  }

  async #add(): Promise<void> {
    const { transport, wake } = this.#options;
    // Partitions of one turn go together.
    await Promise.resolve();
    while (this.#wanted.size > 0 && (this.#state === 'open' || this.#state === 'committing')) {
      const wanted = this.#wanted;
      this.#wanted = new Map();
      this.#told = wanted;
      try {
        const lists = new Map(Array.from(wanted, ([topic, partitions]) => [topic, [...partitions]]));
        await this.#inLine(() => transport.addPartitions(this.#identity(), lists));
        this.#begun();
        for (const [topic, partitions] of wanted) {
          this.#added.set(topic, new Set([...(this.#added.get(topic) ?? []), ...partitions]));
        }
      } catch (error) {
        // It may have been added all the same.
        this.#isBegun = true;
        await this.#failed(error, 'add partitions');
      }
      this.#told = new Map();
      wake();
    }
    this.#adding = undefined;
  }

  #identity(): ProducerIdentity {
    const { known } = this.#options.identity;
    if (known === undefined) throw noTransaction();
    return known;
  }

  #begun(): void {
    this.#isBegun = true;
    this.#isKnownBegun = true;
  }

  /** Of an answer by which the coordinator may have aborted the transaction, or another producer may have taken over. */
  async #failed(error: unknown, attempted: string): Promise<Error> {
    const isAborted = await this.#isAbortedElsewhere(error);
    // It has failed of something else meanwhile, or is being aborted.
    if (this.#state !== 'open' && this.#state !== 'committing') return this.#error ?? asError(error);
    return this.#fail(error, attempted, isAborted);
  }

  /** The transaction can only be aborted now, or not even that. */
  #fail(error: unknown, attempted: string, isAborted = false): Error {
    const fatal = isAborted ? undefined : this.#fatal(error, attempted);
    if (fatal !== undefined) {
      this.#state = 'over';
      this.#error = fatal;
    } else {
      this.#error ??= this.#abortable(asError(error), attempted, isAborted);
      if (this.#state !== 'aborting') this.#state = 'failed';
    }
    this.#options.logger.warn({ err: asError(error) }, `a transaction has failed: ${this.#error.message}`);
    // What waits to be sent for it waits in vain.
    void this.#options.abandoned(this.#error);
    return this.#error;
  }

  #abortable(cause: Error, attempted: string, isAborted: boolean): AbortableTransactionError {
    if (cause instanceof AbortableTransactionError) return cause;
    if (isAborted) return this.#aborted(cause, attempted);
    const message = `Cannot ${attempted} in the transaction, which must be aborted: ${cause.message}`;
    return new AbortableTransactionError(message, { cause });
  }

  #fatal(error: unknown, attempted: string): FatalTransactionError | undefined {
    if (!(error instanceof BrokerError) || !FATAL.has(error.errorCode)) return undefined;
    return new FatalTransactionError(`Cannot ${attempted} in the transaction: ${error.message}; make a new producer`, {
      cause: error,
    });
  }
}
