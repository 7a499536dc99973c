/** What went wrong, as a stable code. The names are ZooKeeper's where ZooKeeper has one. */
export type MetadataErrorCode =
  | 'NODE_EXISTS'
  | 'NO_NODE'
  | 'BAD_VERSION'
  | 'NOT_EMPTY'
  | 'NO_CHILDREN_FOR_EPHEMERALS'
  | 'INVALID_PATH'
  | 'TOO_LARGE'
  | 'SESSION_EXPIRED'
  | 'CONNECTION_LOSS'
  | 'STORE_CLOSED'
  | 'STORE_LOCKED'
  | 'STORE_CORRUPT'
  | 'STORE_FAILED';

/**
 * The one error that a metadata store raises; `code` tells the cases apart.
 *
 * `NODE_EXISTS`, `NO_NODE`, `BAD_VERSION`, `NOT_EMPTY` and `NO_CHILDREN_FOR_EPHEMERALS` are answers: the store is well and
 * the state is not what the caller assumed. `CONNECTION_LOSS` is the only retriable one, and a write that met it may or may
 * not have been applied. After `SESSION_EXPIRED` the caller renews the session; after `STORE_FAILED` it opens the store anew.
 */
export class MetadataError extends Error {
  override readonly name = 'MetadataError';
  readonly code: MetadataErrorCode;
  readonly retriable: boolean;
  /** The node that the operation was about, where there is one. */
  readonly path: string | undefined;
  /** Which operation of a multi failed, counted from 0; undefined outside a multi. */
  readonly operationIndex: number | undefined;

  constructor(
    code: MetadataErrorCode,
    message: string,
    options: { path?: string; operationIndex?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retriable = code === 'CONNECTION_LOSS';
    this.path = options.path;
    this.operationIndex = options.operationIndex;
  }
}

/** Whether `error` is a {@link MetadataError} with one of `codes`. */
export function isMetadataError(error: unknown, ...codes: readonly MetadataErrorCode[]): error is MetadataError {
  return error instanceof MetadataError && (codes.length === 0 || codes.includes(error.code));
}

/** For `catch`: a node that is not there is undefined. @throws any other error */
export function ignoreNoNode(error: unknown): undefined {
  if (isMetadataError(error, 'NO_NODE')) return undefined;
  throw error;
}
