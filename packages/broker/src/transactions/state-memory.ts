import type { Logger } from '../shared/logger.ts';
import type { PartitionsByTopic, Transaction } from './transaction.ts';

/**
 * How much memory the transactional ids may take that one broker coordinates: some 340,000 of them outside of transactions. An id is kept for
 * `transactional.id.expiration.ms` (7 days) after its last use, and making one takes a single request.
 */
export const TRANSACTION_STATE_BYTES_MAX: number = 256 * 1024 * 1024;

/** What an id takes beside its name and its partitions, with what is remembered and pending of it, and its deadline. */
const ID_BYTES = 760;
const TOPIC_BYTES = 160;
const PARTITION_BYTES = 40;
const CHARACTER_BYTES = 2;

/** What the transactional ids take that this broker coordinates, in bytes of memory, about. */
export class StateMemory {
  bytes = 0;
  readonly #logger: Logger;
  /** Full, as was told. */
  #isTold = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Whether a transactional id may have these partitions; one that has none yet, whether there may be one more. */
  hasRoomFor(transaction: Transaction, partitions: PartitionsByTopic): boolean {
    const bytes = bytesOf(transaction.id, partitions) - transaction.bytes;
    const isFull = bytes > 0 && this.bytes + bytes > TRANSACTION_STATE_BYTES_MAX;
    if (isFull && !this.#isTold) {
      this.#logger.warn(
        { bytes: this.bytes, bytesMax: TRANSACTION_STATE_BYTES_MAX, transactionalId: transaction.id },
        'The transactional ids coordinated here have as much memory as they may: new ones are refused until others have expired (transactional.id.expiration.ms)',
      );
    }
    this.#isTold = isFull;
    return !isFull;
  }

  /** Counts a transactional id as it is now. */
  hold(transaction: Transaction): void {
    const bytes = bytesOf(transaction.id, transaction.now.partitions);
    this.bytes += bytes - transaction.bytes;
    transaction.bytes = bytes;
  }

  /** It is not kept any more. */
  release(transaction: Transaction): void {
    this.bytes -= transaction.bytes;
    transaction.bytes = 0;
  }
}

function bytesOf(id: string, partitions: PartitionsByTopic): number {
  let bytes = ID_BYTES + CHARACTER_BYTES * id.length;
  for (const [topic, { size }] of partitions) {
    bytes += TOPIC_BYTES + CHARACTER_BYTES * topic.length + PARTITION_BYTES * size;
  }
  return bytes;
}
