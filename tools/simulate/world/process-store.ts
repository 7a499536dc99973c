import type { MetadataStore, Operation, OperationResult, ReadOptions, SessionState } from '@millrace/metadata';
import { ForwardingStore } from './forwarding-store.ts';
import type { Gate } from './gate.ts';
import type { Saboteur } from './saboteur.ts';

/** What one process' way to its store consists of. */
export interface ProcessStoreOptions {
  readonly gate: Gate;
  /** Told of every transaction that the store has applied, whether the process hears of it or not. */
  readonly applied: (operations: readonly Operation[], results: readonly OperationResult[]) => void;
  readonly saboteur: Saboteur;
  /** Runs what the store calls, in the process. */
  readonly call: (run: () => void) => void;
}

/** The store as one process sees it: a paused one hears nothing of it, and once it is dead, nothing reaches the store or comes back. */
export class ProcessStore extends ForwardingStore {
  readonly #gate: Gate;
  readonly #options: ProcessStoreOptions;

  constructor(store: MetadataStore, options: ProcessStoreOptions) {
    super(store);
    this.#options = options;
    this.#gate = options.gate;
  }

  override multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return this.pass(async () => {
      const results = await this.inner.multi(operations);
      this.#options.applied(operations, results);
      return results;
    });
  }

  override onSession(listener: (state: SessionState) => void): () => void {
    return this.inner.onSession((state) => this.#gate.pass(() => this.#options.call(() => listener(state))));
  }

  /** A dead process waits for ever. */
  protected override pass<T>(call: () => Promise<T>): Promise<T> {
    if (this.#gate.isClosed) return new Promise(() => {});
    const error = this.#options.saboteur.error('store');
    if (error !== undefined) return Promise.reject(error);
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
    return { ...options, watch: (event) => this.#gate.pass(() => this.#options.call(() => watch(event))) };
  }
}
