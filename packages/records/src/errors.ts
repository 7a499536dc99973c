/** The stable codes of {@link RecordsError}. */
export type RecordsErrorCode =
  /** The bytes are not what the format says: a length that leads out of the batch, a count that does not fit. */
  | 'RECORDS_CORRUPT'
  /** What is compressed would be larger than the bound that was given. */
  | 'RECORDS_TOO_LARGE'
  /** The codec's own data is damaged. */
  | 'RECORDS_BAD_COMPRESSION'
  /** A codec or magic that this package does not read. */
  | 'RECORDS_UNSUPPORTED'
  /** The caller asked for what cannot be written: a timestamp that is no integer, a batch above 2 GiB. */
  | 'RECORDS_INVALID_ARGUMENT'
  /** A builder was used after `build` and before `reset`. */
  | 'RECORDS_SEALED';

/**
 * What this package throws: batches that cannot be read or written. None is worth trying again with the same bytes, so
 * `retriable` is always false.
 */
export class RecordsError extends Error {
  readonly code: RecordsErrorCode;
  readonly retriable = false;

  constructor(code: RecordsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RecordsError';
    this.code = code;
  }
}
