import { MetadataError, type Watcher } from '@millrace/metadata';
import type { JuteReader } from './jute.ts';
import type { RequestBody } from './protocol.ts';
import type { WatchKind } from './watches.ts';

/** A watch that a read sets when it succeeds; `exist` where there is no node. */
export interface WatchRequest {
  readonly kind: WatchKind;
  readonly path: string;
  readonly watcher: Watcher;
}

/** A request that waits to be sent, or for its answer. */
export interface Pending {
  readonly body: RequestBody;
  readonly isWrite: boolean;
  readonly watch: WatchRequest | undefined;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** The answer of a server that is not an error of the request's kind. */
export interface Answer {
  readonly error: number;
  readonly reader: JuteReader;
}

/** Whether what is lost of a request may have been applied. */
export function isWrite({ type }: RequestBody): boolean {
  return !['get', 'exists', 'children', 'sync', 'getAcl', 'ping'].includes(type);
}

/** What fails a write whose answer is lost. */
export function lossError(keeper: string): MetadataError {
  return new MetadataError(
    'CONNECTION_LOSS',
    `The connection to ${keeper} was lost before the answer came: the write may or may not have been applied`,
  );
}

/** What fails a request once the client was closed. */
export function closedError(): MetadataError {
  return new MetadataError('STORE_CLOSED', 'The metadata store was closed.');
}
