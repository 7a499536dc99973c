import type { BrokerConfig } from '../config/broker-config.ts';

/** What the coordinator of transactions is configured with; each field is Kafka's setting of the name beside it. */
export interface TransactionConfig {
  /** `transaction.max.timeout.ms` */
  readonly maxTimeoutMs: number;
  /** `transactional.id.expiration.ms` */
  readonly idExpirationMs: number;
  /** `transaction.abort.timed.out.transaction.cleanup.interval.ms` */
  readonly abortCheckIntervalMs: number;
  /** `transaction.remove.expired.transaction.cleanup.interval.ms` */
  readonly expiryCheckIntervalMs: number;
  /** `request.timeout.ms` of requests among brokers */
  readonly requestTimeoutMs: number;
  /** `transaction.state.log.load.buffer.size` */
  readonly loadBytes: number;
  /** How long the other replicas may take until they have all that is loaded; then it is loaded again. */
  readonly loadTimeoutMs: number;
}

/** How long a broker waits for what it has asked another; Kafka's `request.timeout.ms`, which has no other use in a broker. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Kafka answers out of what other replicas may not have yet, and so has no setting for it; groups have `offsets.commit.timeout.ms`. */
const LOAD_TIMEOUT_MS = 5000;

/** The settings of the transaction coordinator, out of the broker's. */
export function transactionConfigOf(config: BrokerConfig): TransactionConfig {
  return {
    maxTimeoutMs: config.transactionMaxTimeoutMs,
    idExpirationMs: config.transactionalIdExpirationMs,
    abortCheckIntervalMs: config.transactionAbortTimedOutTransactionCleanupIntervalMs,
    expiryCheckIntervalMs: config.transactionRemoveExpiredTransactionCleanupIntervalMs,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    loadBytes: config.transactionStateLogLoadBufferSize,
    loadTimeoutMs: LOAD_TIMEOUT_MS,
  };
}
