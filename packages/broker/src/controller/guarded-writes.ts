import {
  isMetadataError,
  METADATA_BYTES_MAX,
  type MetadataError,
  type MetadataStore,
  type NodeStat,
  type Operation,
  type OperationResult,
} from '@millrace/metadata';

/** How many operations go into one transaction of the store. */
export const OPERATIONS_PER_WRITE_MAX = 2000;

/** How many transactions are under way at the same time. */
const WRITES_IN_FLIGHT_MAX = 32;

/** How often a transaction is tried whose connection is lost before the answer. */
const ATTEMPTS_MAX = 10;

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

/** What became of a group: its results, or why it does not apply. */
export type GroupOutcome = readonly OperationResult[] | MetadataError;

/** Whether a group was not applied. */
export function isRefusedGroup(outcome: GroupOutcome): outcome is MetadataError {
  return !Array.isArray(outcome);
}

/**
 * Writes groups of operations, in transactions as large as they may be, each guarded by a check of the controller's epoch. A group that
 * does not apply takes no other down with it. The outcomes stand in the order of the groups.
 *
 * A connection that is lost leaves open whether a transaction was applied: then it is tried again, and what stands in the store says
 * which of the two attempts it was.
 * @throws ControllerMovedError when another controller was elected; MetadataError when the session is over.
 */
export async function writeGroups(
  store: MetadataStore,
  guard: ControllerGuard,
  groups: readonly OperationGroup[],
): Promise<readonly GroupOutcome[]> {
  const writer = new GroupWriter(store, guard);
  const outcomes: GroupOutcome[] = [];
  const chunks = [...chunksOf(groups)];
  for (let next = 0; next < chunks.length; next += WRITES_IN_FLIGHT_MAX) {
    const written = chunks.slice(next, next + WRITES_IN_FLIGHT_MAX).map((chunk) => writer.writeChunk(chunk));
    // All must be over before an error is told, or the caller would go on while its writes still apply.
    const settled = await Promise.allSettled(written);
    for (const outcome of settled) {
      if (outcome.status === 'rejected') throw outcome.reason;
      outcomes.push(...outcome.value);
    }
  }
  return outcomes;
}

/** As {@link writeGroups}, for groups that must all apply. @throws MetadataError of the first that does not */
export async function writeAll(
  store: MetadataStore,
  guard: ControllerGuard,
  groups: readonly OperationGroup[],
): Promise<readonly (readonly OperationResult[])[]> {
  const outcomes = await writeGroups(store, guard, groups);
  return outcomes.map((outcome) => {
    if (isRefusedGroup(outcome)) throw outcome;
    return outcome;
  });
}

class GroupWriter {
  readonly #store: MetadataStore;
  readonly #check: Operation;
  readonly #guard: ControllerGuard;

  constructor(store: MetadataStore, guard: ControllerGuard) {
    this.#store = store;
    this.#guard = guard;
    this.#check = { type: 'check', path: guard.path, expected: { exactly: guard.version } };
  }

  async writeChunk(groups: readonly OperationGroup[]): Promise<readonly GroupOutcome[]> {
    const together = await this.#write(groups.flat());
    if (isRefusedGroup(together)) {
      if (groups.length === 1) return [together];
      return Promise.all(groups.map((group) => this.#write(group)));
    }
    let end = 0;
    return groups.map(({ length }) => {
      end += length;
      return together.slice(end - length, end);
    });
  }

  async #write(operations: OperationGroup): Promise<GroupOutcome> {
    let isInDoubt = false;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await this.#store.multi([this.#check, ...operations])).slice(1);
      } catch (error) {
        if (!isMetadataError(error)) throw error;
        if (isMetadataError(error, 'SESSION_EXPIRED', 'STORE_CLOSED')) throw error;
        if (isMetadataError(error, 'CONNECTION_LOSS') && attempt < ATTEMPTS_MAX) {
          isInDoubt = true;
          await this.#connected();
          continue;
        }
        // A failed check of the guard counts in any case: who was replaced must not go by what he finds.
        this.#throwIfMoved(error);
        const applied = isInDoubt ? await this.#asApplied(operations) : undefined;
        return applied ?? error;
      }
    }
  }

  /** A read waits for the connection, and tells when the session has gone with it. */
  async #connected(): Promise<void> {
    const stat = await this.#store.exists(this.#guard.path);
    if (stat?.version !== this.#guard.version) throw moved(undefined);
  }

  #throwIfMoved(error: MetadataError): void {
    if (isMetadataError(error, 'BAD_VERSION', 'NO_NODE') && error.operationIndex === 0) throw moved(error);
  }

  /** The results of operations that an earlier attempt has applied; undefined when it has not. */
  async #asApplied(operations: OperationGroup): Promise<readonly OperationResult[] | undefined> {
    const results: OperationResult[] = [];
    for (const operation of operations) {
      const result = await this.#resultOf(operation);
      if (result === undefined) return undefined;
      results.push(result);
    }
    return results;
  }

  async #resultOf(operation: Operation): Promise<OperationResult | undefined> {
    const { type, path } = operation;
    if (type === 'check') return { type };
    const node = await this.#store.get(path).catch(ignoreNoNode);
    if (type === 'delete') return node === undefined ? { type } : undefined;
    if (node === undefined || !node.data.equals(operation.data)) return undefined;
    if (type === 'create') return { type, path };
    return isNextVersion(operation, node.stat) ? { type, stat: node.stat } : undefined;
  }
}

function isNextVersion(operation: Extract<Operation, { type: 'set' }>, { version }: NodeStat): boolean {
  return operation.expected === 'any' || operation.expected.exactly + 1 === version;
}

function ignoreNoNode(error: unknown): undefined {
  if (isMetadataError(error, 'NO_NODE')) return undefined;
  throw error;
}

function moved(cause: unknown): ControllerMovedError {
  return new ControllerMovedError('Another broker was elected controller while this one was writing.', { cause });
}

function* chunksOf(groups: Iterable<OperationGroup>): Generator<OperationGroup[]> {
  let chunk: OperationGroup[] = [];
  let operations = 0;
  let bytes = 0;
  for (const group of groups) {
    const groupBytes = group.reduce((sum, operation) => sum + sizeOf(operation), 0);
    const isFull = operations + group.length > OPERATIONS_PER_WRITE_MAX || bytes + groupBytes > METADATA_BYTES_MAX / 2;
    if (isFull && chunk.length > 0) {
      yield chunk;
      chunk = [];
      operations = 0;
      bytes = 0;
    }
    chunk.push(group);
    operations += group.length;
    bytes += groupBytes;
  }
  if (chunk.length > 0) yield chunk;
}

function sizeOf(operation: Operation): number {
  return operation.path.length + (operation.type === 'create' || operation.type === 'set' ? operation.data.length : 0);
}
