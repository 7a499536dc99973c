import { BrokerError, type Logger } from '@millrace/client';
import { ErrorCode } from '@millrace/protocol';
import {
  AbortableTransactionError,
  asError,
  FatalTransactionError,
  noTransaction,
  transactionUnderWay,
} from '../errors.ts';
import type { ProducerIdentitySource } from '../identity.ts';
import type { ProducerIdentity } from '../produce-batch.ts';
import type { ConsumerGroupMetadata, TransactionOffset, TransactionTransport } from './transaction-transport.ts';

/** What the manager needs of the producer that it belongs to. */
export interface TransactionManagerOptions {
  readonly transport: TransactionTransport;
  readonly identity: ProducerIdentitySource;
  readonly logger: Logger;
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
  /** Whether the coordinator knows of a transaction that must be ended. */
  #isBegun = false;

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
    const { identity, transport, resume } = this.#options;
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
    let wanted = this.#wanted.get(topic);
    if (wanted === undefined) {
      wanted = new Set();
      this.#wanted.set(topic, wanted);
    }
    wanted.add(partition);
    this.#adding ??= this.#add();
    return false;
  }

  /** A batch has failed for good: the transaction can only be aborted. */
  batchFailed(error: Error): void {
    if (this.#state !== 'open' && this.#state !== 'committing') return;
    // Of an epoch that is too low the coordinator tells, when the transaction is aborted, whether somebody has taken over.
    const isEpoch = error instanceof BrokerError && error.errorCode === ErrorCode.INVALID_PRODUCER_EPOCH;
    this.#fail(isEpoch ? new Error(error.message, { cause: error }) : error, 'send records');
  }

  async sendOffsets(group: ConsumerGroupMetadata, offsets: readonly TransactionOffset[]): Promise<void> {
    const { refusal } = this;
    if (refusal !== undefined) throw refusal;
    if (offsets.length === 0) return;
    const { transport } = this.#options;
    const identity = this.#identity();
    try {
      if (transport.raises) {
        this.#isBegun = true;
      } else if (!this.#groups.has(group.groupId)) {
        await transport.addOffsets(identity, group.groupId);
        this.#isBegun = true;
        this.#groups.add(group.groupId);
      }
      await transport.commitOffsets(identity, group, offsets);
    } catch (error) {
      throw this.#fail(error, `commit offsets of group '${group.groupId}'`);
    }
  }

  async commit(): Promise<void> {
    const { refusal } = this;
    if (refusal !== undefined) throw refusal;
    this.#state = 'committing';
    await this.#options.drained();
    await this.#adding;
    // Something has failed meanwhile.
    if (this.#error !== undefined) throw this.#error;
    await this.#end(true);
  }

  async abort(): Promise<void> {
    if (this.#state === 'over') throw this.#reason();
    if (this.#state !== 'open' && this.#state !== 'failed') throw noTransaction();
    this.#state = 'aborting';
    await this.#options.abandoned(this.#error ?? new AbortableTransactionError('The transaction was aborted'));
    await this.#adding;
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
    try {
      if (this.#isBegun) {
        const next = await transport.end(this.#identity(), isCommit);
        if (transport.raises) identity.replace(next);
      }
      this.#added = new Map();
      this.#wanted = new Map();
      this.#groups = new Set();
      this.#isBegun = false;
      this.#error = undefined;
      this.#state = 'idle';
    } catch (error) {
      // Whether it is committed, nobody here knows, and only the same end may be asked for again: that is for the next producer.
      this.#state = 'over';
      const attempted = isCommit ? 'commit' : 'abort';
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

  async #add(): Promise<void> {
    const { transport, wake } = this.#options;
    // Partitions of one turn go together.
    await Promise.resolve();
    while (this.#wanted.size > 0 && (this.#state === 'open' || this.#state === 'committing')) {
      const wanted = this.#wanted;
      this.#wanted = new Map();
      try {
        const lists = new Map(Array.from(wanted, ([topic, partitions]) => [topic, [...partitions]]));
        await transport.addPartitions(this.#identity(), lists);
        this.#isBegun = true;
        for (const [topic, partitions] of wanted) {
          this.#added.set(topic, new Set([...(this.#added.get(topic) ?? []), ...partitions]));
        }
      } catch (error) {
        // It may have been added all the same.
        this.#isBegun = true;
        this.#fail(error, 'add partitions');
      }
      wake();
    }
    this.#adding = undefined;
  }

  #identity(): ProducerIdentity {
    const { known } = this.#options.identity;
    if (known === undefined) throw noTransaction();
    return known;
  }

  /** The transaction can only be aborted now, or not even that. */
  #fail(error: unknown, attempted: string): Error {
    const fatal = this.#fatal(error, attempted);
    if (fatal !== undefined) {
      this.#state = 'over';
      this.#error = fatal;
    } else {
      const cause = asError(error);
      const message = `Cannot ${attempted} in the transaction, which must be aborted: ${cause.message}`;
      this.#error ??= new AbortableTransactionError(message, { cause });
      if (this.#state !== 'aborting') this.#state = 'failed';
    }
    this.#options.logger.warn({ err: asError(error) }, `a transaction has failed: ${this.#error.message}`);
    // What waits to be sent for it waits in vain.
    void this.#options.abandoned(this.#error);
    return this.#error;
  }

  #fatal(error: unknown, attempted: string): FatalTransactionError | undefined {
    if (!(error instanceof BrokerError) || !FATAL.has(error.errorCode)) return undefined;
    return new FatalTransactionError(`Cannot ${attempted} in the transaction: ${error.message}; make a new producer`, {
      cause: error,
    });
  }
}
