/** The errors of the client, above those of a single connection. */
import { KafkaError } from '@millrace/network';
import { ErrorCode, errorInfo } from '@millrace/protocol';

/** What to do about errors that people meet most; the rest explain themselves or pass. */
const HINTS: Readonly<Record<number, string>> = {
  [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]: 'no such topic or partition; create it, or check the name',
  [ErrorCode.TOPIC_AUTHORIZATION_FAILED]: 'the principal may not do this to the topic; an ACL is missing',
  [ErrorCode.GROUP_AUTHORIZATION_FAILED]: 'the principal may not use the group; an ACL is missing',
  [ErrorCode.CLUSTER_AUTHORIZATION_FAILED]: 'the principal may not do this to the cluster; an ACL is missing',
  [ErrorCode.INVALID_TOPIC_EXCEPTION]: 'topic names have 1 to 249 characters of a-z A-Z 0-9 . _ -',
  [ErrorCode.LEADER_NOT_AVAILABLE]: 'the partition has no leader at the moment',
  [ErrorCode.NOT_LEADER_OR_FOLLOWER]: 'the leader has moved',
  [ErrorCode.NOT_ENOUGH_REPLICAS]: 'fewer replicas are in sync than min.insync.replicas asks for',
  [ErrorCode.COORDINATOR_NOT_AVAILABLE]: 'the coordinator is not available yet',
};

/** A broker answered a request with an error code. `code` is `KAFKA_` and the error's name in the protocol. */
export class BrokerError extends KafkaError {
  override name = 'BrokerError';
  declare readonly errorCode: number;
  /** Whether what is known of topics and leaders is stale, so that asking anew may help. */
  readonly refreshMetadata: boolean;

  constructor(message: string, errorCode: number) {
    const info = errorInfo(errorCode);
    super(message, { code: `KAFKA_${info.name}`, retriable: info.retriable, errorCode });
    this.refreshMetadata = info.refreshMetadata;
  }
}

/**
 * The typed form of an error code.
 * @param attempted What was attempted, on what: `CreateTopics of "orders"`.
 * @param said The broker's own words, where it sent some.
 */
export function brokerError(errorCode: number, attempted: string, said?: string | null): BrokerError {
  const { name } = errorInfo(errorCode);
  const unknown = name === 'UNKNOWN_SERVER_ERROR' && errorCode !== ErrorCode.UNKNOWN_SERVER_ERROR;
  const why = said ?? HINTS[errorCode];
  const message = `${attempted}: the broker answered ${name}${unknown ? ` (${errorCode})` : ''}`;
  return new BrokerError(why === undefined ? message : `${message}: ${why}`, errorCode);
}

/** No broker could be reached; `cause` is the last failure. Retriable unless every broker failed for good. */
export class NoBrokerError extends KafkaError {
  override name = 'NoBrokerError';
  constructor(message: string, details: { retriable: boolean; cause?: unknown }) {
    super(message, { code: 'CLIENT_NO_BROKER_AVAILABLE', ...details });
  }
}

/** An operation, with all its retries, took longer than it may; `cause` is the last failure. */
export class ApiTimedOutError extends KafkaError {
  override name = 'ApiTimedOutError';
  constructor(message: string, cause: unknown) {
    super(message, { code: 'CLIENT_TIMED_OUT', retriable: true, cause });
  }
}

/** The caller's `AbortSignal` fired; its reason is the `cause`. */
export class AbortedError extends KafkaError {
  override name = 'AbortedError';
  constructor(message: string, cause: unknown) {
    super(message, { code: 'CLIENT_ABORTED', retriable: false, cause });
  }
}

/** The client was closed before or while it did this. */
export class ClientClosedError extends KafkaError {
  override name = 'ClientClosedError';
  constructor(message: string) {
    super(message, { code: 'CLIENT_CLOSED', retriable: false });
  }
}

/** An argument that makes no sense: it could not be sent to any broker. */
export class InvalidArgumentError extends KafkaError {
  override name = 'InvalidArgumentError';
  constructor(message: string) {
    super(message, { code: 'CLIENT_INVALID_ARGUMENT', retriable: false });
  }
}

/** An option that makes no sense. */
export class InvalidOptionError extends KafkaError {
  override name = 'InvalidOptionError';
  constructor(message: string) {
    super(message, { code: 'CLIENT_INVALID_OPTION', retriable: false });
  }
}
