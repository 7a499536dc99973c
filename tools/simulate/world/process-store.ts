import type { MetadataStore, Operation, OperationResult, ReadOptions, SessionState } from '@millrace/metadata';
import { ForwardingStore } from './forwarding-store.ts';
import type { Gate } from './gate.ts';

/** The store as one process sees it: a paused one hears nothing of it, and once it is dead, nothing reaches the store or comes back. */
export class ProcessStore extends ForwardingStore {
  readonly #gate: Gate;
  readonly #applied: (operations: readonly Operation[], results: readonly OperationResult[]) => void;

  /** @param applied - Told of every transaction that the store has applied, whether the process hears of it or not. */
  constructor(
    store: MetadataStore,
    gate: Gate,
    applied: (operations: readonly Operation[], results: readonly OperationResult[]) => void,
  ) {
    super(store);
    this.#applied = applied;
    this.#gate = gate;
  }

  override multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return this.pass(async () => {
      const results = await this.inner.multi(operations);
      this.#applied(operations, results);
      return results;
    });
  }

  override onSession(listener: (state: SessionState) => void): () => void {
    return this.inner.onSession((state) => this.#gate.pass(() => listener(state)));
  }

  /** A dead process waits for ever. */
  protected override pass<T>(call: () => Promise<T>): Promise<T> {
    if (this.#gate.isClosed) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      call().then(
        (value) => this.#gate.pass(() => resolve(value)),
        (error: unknown) => this.#gate.pass(() => reject(error)),
      );
    });
  }

  protected override watching(options: ReadOptions | undefined): ReadOptions | undefined {
    const watch = options?.watch;
    if (watch === undefined) return options;
    return { ...options, watch: (event) => this.#gate.pass(() => watch(event)) };
  }
}
