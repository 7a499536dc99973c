import type { AppendResult, VerificationGuard } from '@millrace/log';
import type { Clock } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { batchBaseSequence } from '@millrace/records';
import { type Partition, type PartitionAppend, refused } from '../replicas/partition.ts';
import type { TransactionAsker } from './transaction.ts';
import type { Demand, Verifier } from './verifier.ts';

/** Records of a transaction on their way into a partition. */
export interface TransactionalAppend extends Omit<PartitionAppend, 'guard'> {
  readonly asker: TransactionAsker;
  readonly demand: Demand;
  /** What a client that knows it is told of a transaction in which the partition is not, or undefined for older ones. */
  readonly knowsAbortable: boolean;
}

/** An append that the log has in its line. */
interface Begun {
  readonly result: Promise<AppendResult> | AppendResult;
}

/** How long records wait for the end of the transaction before theirs, until their producer is told to come again. */
const BUSY_MS_MAX = 100;

/**
 * Takes records of transactions into partitions. Before the first of a transaction, its coordinator is asked whether there is one: a
 * batch that comes late, after the marker, would begin one that nobody ends (KIP-890). What a producer sends meanwhile waits in line, so
 * that its batches keep their order; other producers do not wait.
 */
export class VerifiedAppends {
  readonly #verifier: Verifier;
  readonly #clock: Clock;
  readonly #isVerifying: () => boolean;
  readonly #lines = new WeakMap<Partition, Map<number, Promise<unknown>>>();

  /** @param isVerifying `transaction.partition.verification.enable`, as it is now */
  constructor(verifier: Verifier, clock: Clock, isVerifying: () => boolean) {
    this.#verifier = verifier;
    this.#clock = clock;
    this.#isVerifying = isVerifying;
  }

  /** What happens before the first `await` happens in call order, as `Partition.append` has it. */
  append(partition: Partition, batch: Buffer, options: TransactionalAppend): Promise<AppendResult> | AppendResult {
    const { producerId } = options.asker;
    const lines = this.#linesOf(partition);
    const before = lines.get(producerId);
    if (before === undefined) {
      const outcome = this.#begin(partition, batch, options);
      if (!(outcome instanceof Promise)) return outcome.result;
      return this.#follow(lines, producerId, outcome);
    }
    const turn = before.then(() => this.#begin(partition, batch, options));
    return this.#follow(lines, producerId, turn);
  }

  #linesOf(partition: Partition): Map<number, Promise<unknown>> {
    let lines = this.#lines.get(partition);
    if (lines === undefined) {
      lines = new Map();
      this.#lines.set(partition, lines);
    }
    return lines;
  }

  /** Those behind go on when the log has the batch in its line, not when it is durable. */
  async #follow(
    lines: Map<number, Promise<unknown>>,
    producerId: number,
    begun: Promise<Begun>,
  ): Promise<AppendResult> {
    const turn = begun.catch(() => undefined);
    lines.set(producerId, turn);
    try {
      return await (await begun).result;
    } finally {
      if (lines.get(producerId) === turn) lines.delete(producerId);
    }
  }

  /** The append is wrapped, for a promise of a promise would be waited for whole. */
  #begin(
    partition: Partition,
    batch: Buffer,
    options: TransactionalAppend,
    giveUpMs: number = Number.POSITIVE_INFINITY,
  ): Promise<Begun> | Begun {
    const { asker, demand, knowsAbortable, ...append } = options;
    const { log } = partition;
    const leaderError = partition.leaderError(-1);
    if (leaderError !== ErrorCode.NONE) return { result: refused(leaderError, log.logStartOffset) };
    if (demand !== 'add' && !this.#isVerifying()) return { result: partition.append(batch, append) };
    const { producerId, producerEpoch: epoch } = asker;
    const goingOn = log.goOnWithTransaction(producerId, epoch);
    if (goingOn !== undefined) return { result: partition.append(batch, { ...append, guard: goingOn }) };
    const baseSequence = batchBaseSequence(batch, 0);
    const guard = log.beginVerification({ producerId, epoch, baseSequence, isRaising: demand === 'add' });
    const go = (errorCode: number): Promise<Begun> | Begun => {
      if (errorCode === ErrorCode.NONE) return { result: appendVerified(partition, batch, { ...append, guard }) };
      log.endVerification(guard);
      const nowMs = this.#clock.monotonic();
      if (isWorthWaiting(demand, errorCode) && nowMs < giveUpMs) {
        // With another guard: the marker of the transaction before, which comes meanwhile, makes this one stale.
        const again = (): Promise<Begun> | Begun =>
          this.#begin(partition, batch, options, Math.min(giveUpMs, nowMs + BUSY_MS_MAX));
        return this.#verifier.pause(asker).then(again);
      }
      const told = produceError(errorCode, demand, knowsAbortable);
      return { result: refused(told, log.logStartOffset, WORDS.get(errorCode)) };
    };
    const verified = this.#verifier.ask(demand, asker, partition.topic, partition.partition);
    return verified instanceof Promise ? verified.then(go) : go(verified);
  }
}

/** Whoever goes on at once comes before the markers of his last transaction are written. */
function isWorthWaiting(demand: Demand, errorCode: number): boolean {
  return demand === 'add' && errorCode === ErrorCode.CONCURRENT_TRANSACTIONS;
}

/** The guard is of no more use once the log has looked at it. */
function appendVerified(
  partition: Partition,
  batch: Buffer,
  append: PartitionAppend & { readonly guard: VerificationGuard },
): Promise<AppendResult> | AppendResult {
  const end = (result: AppendResult): AppendResult => {
    partition.log.endVerification(append.guard);
    return result;
  };
  const result = partition.append(batch, append);
  return result instanceof Promise ? result.then(end) : end(result);
}

/** What an append of offsets goes with, or why it may not be made. */
export interface VerifiedOffsets {
  readonly errorCode: number;
  readonly guard: VerificationGuard | undefined;
}

/** Asks before offsets of a transaction are written; the guard goes with the append, an error code is for the client. */
export async function verifyOffsets(
  verifier: Verifier,
  clock: Clock,
  partition: Partition,
  asker: TransactionAsker,
  demand: Demand,
): Promise<VerifiedOffsets> {
  const { log } = partition;
  const giveUpMs = clock.monotonic() + BUSY_MS_MAX;
  for (;;) {
    const { producerId, producerEpoch: epoch } = asker;
    const goingOn = log.goOnWithTransaction(producerId, epoch);
    if (goingOn !== undefined) return { errorCode: ErrorCode.NONE, guard: goingOn };
    // Records of offsets have no sequence numbers.
    const guard = log.beginVerification({ producerId, epoch, baseSequence: -1, isRaising: demand === 'add' });
    const errorCode = await verifier.ask(demand, asker, partition.topic, partition.partition);
    if (errorCode === ErrorCode.NONE) return { errorCode, guard };
    log.endVerification(guard);
    if (!isWorthWaiting(demand, errorCode) || clock.monotonic() >= giveUpMs) return { errorCode, guard };
    await verifier.pause(asker);
  }
}

const WORDS: ReadonlyMap<number, string> = new Map([
  [ErrorCode.TRANSACTION_ABORTABLE, 'The partition is not in an open transaction of the producer'],
  [
    ErrorCode.PRODUCER_FENCED,
    'The epoch is no longer that of the transactional id: the transaction took too long and was aborted, or a newer producer has taken over',
  ],
  [ErrorCode.POLICY_VIOLATION, 'The coordinator has no memory left for more partitions of transactions'],
  [ErrorCode.INVALID_PRODUCER_ID_MAPPING, 'The producer id is not that of the transactional id'],
]);

/** What a producer is told (`AddPartitionsToTxnManager`, `ReplicaManager`): what passes is retriable for every client. */
function produceError(errorCode: number, demand: Demand, knowsAbortable: boolean): number {
  switch (errorCode) {
    case ErrorCode.CONCURRENT_TRANSACTIONS:
      return demand === 'add' ? errorCode : ErrorCode.NOT_ENOUGH_REPLICAS;
    case ErrorCode.NETWORK_EXCEPTION:
    case ErrorCode.COORDINATOR_NOT_AVAILABLE:
    case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
    case ErrorCode.NOT_COORDINATOR:
      return ErrorCode.NOT_ENOUGH_REPLICAS;
    case ErrorCode.PRODUCER_FENCED:
      return ErrorCode.INVALID_PRODUCER_EPOCH;
    case ErrorCode.TRANSACTION_ABORTABLE:
      return knowsAbortable ? ErrorCode.TRANSACTION_ABORTABLE : ErrorCode.INVALID_TXN_STATE;
    case ErrorCode.CLUSTER_AUTHORIZATION_FAILED:
      return ErrorCode.INVALID_TXN_STATE;
    default:
      return errorCode;
  }
}
