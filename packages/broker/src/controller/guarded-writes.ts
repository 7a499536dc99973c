import {
  isMetadataError,
  METADATA_BYTES_MAX,
  type MetadataStore,
  type Operation,
  type OperationResult,
} from '@millrace/metadata';

/** How many operations go into one transaction of the store. */
export const OPERATIONS_PER_WRITE_MAX = 2000;

/** Another broker has become the controller; what this one believes no longer counts. */
export class ControllerMovedError extends Error {
  override readonly name = 'ControllerMovedError';
  readonly code = 'CONTROLLER_MOVED';
  readonly retriable = false;
}

/** What a controller must show with every write: that nobody has been elected since. */
export interface ControllerGuard {
  readonly path: string;
  /** The version of that node that this controller wrote. */
  readonly version: number;
}

/** Operations that are applied together or not at all. */
export type OperationGroup = readonly Operation[];

/**
 * Writes groups of operations in transactions as large as they may be, each guarded by a check of the controller's epoch.
 * The transactions are under way at the same time and apply in order. Results stand in the order of the groups' operations.
 *
 * @throws ControllerMovedError when another controller was elected; MetadataError when an operation does not apply, and then
 * the groups of other transactions may have been applied.
 */
export async function writeGuarded(
  store: MetadataStore,
  guard: ControllerGuard,
  groups: Iterable<OperationGroup>,
): Promise<readonly OperationResult[]> {
  const check: Operation = { type: 'check', path: guard.path, expected: { exactly: guard.version } };
  const writes = [...chunksOf(groups)].map((operations) => store.multi([check, ...operations]));
  const outcomes = await Promise.allSettled(writes);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw asControllerMoved(failed.reason);
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value.slice(1) : []));
}

function asControllerMoved(error: unknown): unknown {
  const isGuard = isMetadataError(error, 'BAD_VERSION', 'NO_NODE') && error.operationIndex === 0;
  if (!isGuard) return error;
  return new ControllerMovedError('Another broker was elected controller while this one was writing.', {
    cause: error,
  });
}

function* chunksOf(groups: Iterable<OperationGroup>): Generator<Operation[]> {
  let chunk: Operation[] = [];
  let bytes = 0;
  for (const group of groups) {
    const groupBytes = group.reduce((sum, operation) => sum + sizeOf(operation), 0);
    const isFull =
      chunk.length + group.length > OPERATIONS_PER_WRITE_MAX || bytes + groupBytes > METADATA_BYTES_MAX / 2;
    if (isFull && chunk.length > 0) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(...group);
    bytes += groupBytes;
  }
  if (chunk.length > 0) yield chunk;
}

function sizeOf(operation: Operation): number {
  return operation.path.length + (operation.type === 'create' || operation.type === 'set' ? operation.data.length : 0);
}
