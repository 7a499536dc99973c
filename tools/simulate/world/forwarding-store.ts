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

/** A session that passes everything on to another; what differs is overridden. */
export class ForwardingStore implements MetadataStore {
  protected readonly inner: MetadataStore;

  constructor(inner: MetadataStore) {
    this.inner = inner;
  }

  get sessionId(): string {
    return this.inner.sessionId;
  }

  get sessionState(): SessionState {
    return this.inner.sessionState;
  }

  create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string> {
    return this.pass(() => this.inner.create(path, data, options));
  }

  set(path: string, data: Uint8Array, expected: Version): Promise<NodeStat> {
    return this.pass(() => this.inner.set(path, data, expected));
  }

  delete(path: string, expected: Version): Promise<void> {
    return this.pass(() => this.inner.delete(path, expected));
  }

  get(path: string, options?: ReadOptions): Promise<NodeContent> {
    return this.pass(() => this.inner.get(path, this.watching(options)));
  }

  exists(path: string, options?: ReadOptions): Promise<NodeStat | undefined> {
    return this.pass(() => this.inner.exists(path, this.watching(options)));
  }

  children(path: string, options?: ReadOptions): Promise<readonly string[]> {
    return this.pass(() => this.inner.children(path, this.watching(options)));
  }

  multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    return this.pass(() => this.inner.multi(operations));
  }

  onSession(listener: (state: SessionState) => void): () => void {
    return this.inner.onSession(listener);
  }

  renewSession(): Promise<void> {
    return this.pass(() => this.inner.renewSession());
  }

  close(): Promise<void> {
    return this.pass(() => this.inner.close());
  }

  /** Every call that the store answers goes through here. */
  protected pass<T>(call: () => Promise<T>): Promise<T> {
    return call();
  }

  /** The options of every read. */
  protected watching(options: ReadOptions | undefined): ReadOptions | undefined {
    return options;
  }
}
