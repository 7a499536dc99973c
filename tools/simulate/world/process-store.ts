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

/** The store as one process sees it: once the process is dead, nothing of it reaches the store or comes back from there. */
export class ProcessStore implements MetadataStore {
  readonly #store: MetadataStore;
  #isDead = false;

  constructor(store: MetadataStore) {
    this.#store = store;
  }

  get sessionId(): string {
    return this.#store.sessionId;
  }

  get sessionState(): SessionState {
    return this.#store.sessionState;
  }

  kill(): void {
    this.#isDead = true;
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
    return this.#whileAlive(() => this.#store.multi(operations));
  }

  onSession(listener: (state: SessionState) => void): () => void {
    return this.#store.onSession((state) => {
      if (!this.#isDead) listener(state);
    });
  }

  renewSession(): Promise<void> {
    return this.#whileAlive(() => this.#store.renewSession());
  }

  close(): Promise<void> {
    return this.#whileAlive(() => this.#store.close());
  }

  /** A dead process waits for ever. */
  #whileAlive<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isDead) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      call().then(
        (value) => this.#isDead || resolve(value),
        (error: unknown) => this.#isDead || reject(error),
      );
    });
  }

  #guarded(options: ReadOptions | undefined): ReadOptions | undefined {
    const watch = options?.watch;
    if (watch === undefined) return options;
    return {
      ...options,
      watch: (event) => {
        if (!this.#isDead) watch(event);
      },
    };
  }
}
