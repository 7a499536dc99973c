import type {
  MetadataStore,
  NodeContent,
  Operation,
  OperationResult,
  ReadOptions,
  SessionState,
  WatchEvent,
} from '@millrace/metadata';
import { ForwardingStore } from '../world/forwarding-store.ts';

/** What a wrapped store does otherwise. */
export interface StoreHooks {
  /** What is written in place of a transaction. The results must fit the operations that were given. */
  multi?(operations: readonly Operation[], write: WriteOperations): Promise<readonly OperationResult[]>;
  /** What is read in place of a node. */
  get?(path: string, read: () => Promise<NodeContent>): Promise<NodeContent>;
  /** What is read in place of the names of a node's children. */
  children?(path: string, read: () => Promise<readonly string[]>): Promise<readonly string[]>;
  /** Whether the broker hears of a state of its session. */
  hears?(state: SessionState): boolean;
  /** Whether a watch tells the broker of a change of a node. */
  hearsOf?(path: string): boolean;
}

type WriteOperations = (operations: readonly Operation[]) => Promise<readonly OperationResult[]>;

/** A session that passes everything on, but for what its hooks say. */
export class WrappedStore extends ForwardingStore {
  readonly #hooks: StoreHooks;

  constructor(store: MetadataStore, hooks: StoreHooks) {
    super(store);
    this.#hooks = hooks;
  }

  override get(path: string, options?: ReadOptions): Promise<NodeContent> {
    const read = (): Promise<NodeContent> => super.get(path, options);
    return this.#hooks.get?.(path, read) ?? read();
  }

  override children(path: string, options?: ReadOptions): Promise<readonly string[]> {
    const read = (): Promise<readonly string[]> => super.children(path, options);
    return this.#hooks.children?.(path, read) ?? read();
  }

  override multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    const write: WriteOperations = (changed) => super.multi(changed);
    return this.#hooks.multi?.(operations, write) ?? write(operations);
  }

  protected override watching(options: ReadOptions | undefined): ReadOptions | undefined {
    const watch = options?.watch;
    const { hearsOf } = this.#hooks;
    if (watch === undefined || hearsOf === undefined) return options;
    const heard = (event: WatchEvent): void => {
      if (hearsOf(event.path)) watch(event);
    };
    return { ...options, watch: heard };
  }

  override onSession(listener: (state: SessionState) => void): () => void {
    return this.inner.onSession((state) => {
      if (this.#hooks.hears?.(state) !== false) listener(state);
    });
  }
}
