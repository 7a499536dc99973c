/** What went wrong, as a stable code. */
export type ZooKeeperErrorCode =
  | 'ZOOKEEPER_MALFORMED_FRAME'
  | 'ZOOKEEPER_FRAME_TOO_LARGE'
  | 'ZOOKEEPER_UNREACHABLE'
  | 'ZOOKEEPER_AUTH_FAILED'
  | 'ZOOKEEPER_CONNECT_STRING';

/**
 * What the client and the server raise of themselves; what a store answers is a MetadataError.
 *
 * `ZOOKEEPER_MALFORMED_FRAME`: the peer sent what is no ZooKeeper. `ZOOKEEPER_FRAME_TOO_LARGE`: more than `jute.maxbuffer` allows.
 * `ZOOKEEPER_UNREACHABLE`: no server of the ensemble could be reached in the time. `ZOOKEEPER_AUTH_FAILED`: the ensemble refuses the
 * credentials. `ZOOKEEPER_CONNECT_STRING`: a list of servers that cannot be read.
 */
export class ZooKeeperError extends Error {
  override readonly name = 'ZooKeeperError';
  readonly code: ZooKeeperErrorCode;
  readonly retriable: boolean;

  constructor(code: ZooKeeperErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retriable = code === 'ZOOKEEPER_UNREACHABLE';
  }
}
