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

/** What a wrapped store does otherwise. */
export interface StoreHooks {
  /** What is written in place of a transaction. The results must fit the operations that were given: see `whole`. */
  multi?(operations: readonly Operation[], write: WriteOperations): Promise<readonly OperationResult[]>;
  /** Whether the broker hears of a state of its session. */
  hears?(state: SessionState): boolean;
}

type WriteOperations = (operations: readonly Operation[]) => Promise<readonly OperationResult[]>;

/** A session that passes everything on, but for what its hooks say. */
export class WrappedStore implements MetadataStore {
  readonly #store: MetadataStore;
  readonly #hooks: StoreHooks;

  constructor(store: MetadataStore, hooks: StoreHooks) {
    this.#store = store;
    this.#hooks = hooks;
  }

  get sessionId(): string {
    return this.#store.sessionId;
  }

  get sessionState(): SessionState {
    return this.#store.sessionState;
  }

  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string> {
    return this.#store.create(path, data, options);
  }

  set(path: string, data: Uint8Array, expected: Version): Promise<NodeStat> {
    return this.#store.set(path, data, expected);
  }

  delete(path: string, expected: Version): Promise<void> {
    return this.#store.delete(path, expected);
  }

  get(path: string, options?: ReadOptions): Promise<NodeContent> {
    return this.#store.get(path, options);
  }

  exists(path: string, options?: ReadOptions): Promise<NodeStat | undefined> {
    return this.#store.exists(path, options);
  }

  children(path: string, options?: ReadOptions): Promise<readonly string[]> {
    return this.#store.children(path, options);
  }

  multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    const write: WriteOperations = (changed) => this.#store.multi(changed);
    return this.#hooks.multi?.(operations, write) ?? write(operations);
  }

  onSession(listener: (state: SessionState) => void): () => void {
    return this.#store.onSession((state) => {
      if (this.#hooks.hears?.(state) !== false) listener(state);
    });
  }

  renewSession(): Promise<void> {
    return this.#store.renewSession();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
