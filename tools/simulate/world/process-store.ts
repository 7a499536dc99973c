import type {
  CreateOptions,
  MetadataStore,
  NodeContent,
  NodeStat,
  Operation,
  OperationResult,
  ReadOptions,
  SessionState,
  Version,
} from '@millrace/metadata';
import type { Gate } from './gate.ts';

/** The store as one process sees it: a paused one hears nothing of it, and once it is dead, nothing reaches the store or comes back. */
export class ProcessStore implements MetadataStore {
  readonly #store: MetadataStore;
  readonly #gate: Gate;
  readonly #applied: (operations: readonly Operation[], results: readonly OperationResult[]) => void;

  /** @param applied - Told of every transaction that the store has applied, whether the process hears of it or not. */
  constructor(
    store: MetadataStore,
    gate: Gate,
    applied: (operations: readonly Operation[], results: readonly OperationResult[]) => void,
  ) {
    this.#applied = applied;
    this.#store = store;
    this.#gate = gate;
  }

  get sessionId(): string {
    return this.#store.sessionId;
  }

  get sessionState(): SessionState {
    return this.#store.sessionState;
  }

  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string> {
    return this.#whileAlive(() => this.#store.create(path, data, options));
  }

  set(path: string, data: Uint8Array, expected: Version): Promise<NodeStat> {
    return this.#whileAlive(() => this.#store.set(path, data, expected));
  }

  delete(path: string, expected: Version): Promise<void> {
    return this.#whileAlive(() => this.#store.delete(path, expected));
  }

  get(path: string, options?: ReadOptions): Promise<NodeContent> {
    return this.#whileAlive(() => this.#store.get(path, this.#guarded(options)));
  }

  exists(path: string, options?: ReadOptions): Promise<NodeStat | undefined> {
    return this.#whileAlive(() => this.#store.exists(path, this.#guarded(options)));
  }

  children(path: string, options?: ReadOptions): Promise<readonly string[]> {
    return this.#whileAlive(() => this.#store.children(path, this.#guarded(options)));
  }

  multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return this.#whileAlive(async () => {
      const results = await this.#store.multi(operations);
      this.#applied(operations, results);
      return results;
    });
  }

  onSession(listener: (state: SessionState) => void): () => void {
    return this.#store.onSession((state) => this.#gate.pass(() => listener(state)));
  }

  renewSession(): Promise<void> {
    return this.#whileAlive(() => this.#store.renewSession());
  }

  close(): Promise<void> {
    return this.#whileAlive(() => this.#store.close());
  }

  /** A dead process waits for ever. */
  #whileAlive<T>(call: () => Promise<T>): Promise<T> {
    if (this.#gate.isClosed) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      call().then(
        (value) => this.#gate.pass(() => resolve(value)),
        (error: unknown) => this.#gate.pass(() => reject(error)),
      );
    });
  }

  #guarded(options: ReadOptions | undefined): ReadOptions | undefined {
    const watch = options?.watch;
    if (watch === undefined) return options;
    return {
      ...options,
      watch: (event) => this.#gate.pass(() => watch(event)),
    };
  }
}
