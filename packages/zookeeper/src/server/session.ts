import type { TreeMetadataStore } from '@millrace/metadata';
import type { LongId } from '../jute.ts';

/** A client's session, over all the connections that it has one after the other. */
export interface ServerSession {
  readonly id: LongId;
  /** Who knows it may go on with the session from another connection. */
  readonly password: Buffer;
  readonly timeoutMs: number;
  /** The session in the store. */
  readonly store: TreeMetadataStore;
  /** When something last came from it, on the monotonic clock. */
  heardAtMs: number;
  /** The connection that it has now. */
  connection: { close(): void } | undefined;
}
