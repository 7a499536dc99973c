import type { ConnectionContext } from '@millrace/network';
import type { Api } from '@millrace/protocol';
import type { RequestQuota } from '../quotas/request-quota.ts';
import type { AuthorizationPurpose, Operation, Resource, ResourceType } from '../shared/authorization.ts';
import type { Refusal } from '../shared/refusal.ts';
import type { BrokerServices } from './services.ts';

/** What a handler knows of the request besides its body. */
export interface RequestContext {
  /** The request's version of its API; always within the handler's range. */
  readonly version: number;
  readonly correlationId: number;
  /** The client's own name; null where it sent none. */
  readonly clientId: string | null;
  readonly connection: ConnectionContext;
  /** The rooms of this broker. */
  readonly broker: BrokerServices;
  /** What the request uses of its sender's quotas, apart from the time and the bytes that all requests are counted by. */
  readonly quota: RequestQuota;
  /**
   * Says that the request's bytes are no longer needed. A handler that waits for something else than the request's own
   * work (a long poll, a rebalance) calls it before it waits, so that the connection and others can go on reading.
   */
  releaseRequest(): void;
  /**
   * Whether who sent the request may do something: undefined if so, otherwise what to answer for it. To be asked before anything is
   * looked up, so that nobody learns what is there.
   * @param references how often the request refers to the resource, for the audit log. Default: once.
   */
  authorize(operation: Operation, resource: Resource, references?: () => number): Refusal | undefined;
  /** As {@link authorize}, where only what is shown hangs on it: a refusal is no attempt that the audit log must have. */
  isAllowed(operation: Operation, resource: Resource, purpose?: Exclude<AuthorizationPurpose, 'access'>): boolean;
  /** Whether there is any resource of a type with which who sent the request may do something. */
  isAllowedForAny(operation: Operation, type: ResourceType): boolean;
  /**
   * Whether the request may wait for something else than the broker's own work. False: so many requests wait with so much to
   * remember that it should be answered as it stands.
   */
  mayWait(): boolean;
  /**
   * Says how large the response would like to be, and how large it may be now, one record batch more being no harm. The last call
   * counts; 0 gives back what was taken. For APIs that answer with records.
   */
  reserveResponse(wantedBytes: number): number;
  /**
   * To be awaited where it gives a promise, once for each element of a long request: others have their turn then. A handler whose
   * order matters to the connection's next requests must not use it before that order is settled. Rejects where the client has
   * gone meanwhile, so it belongs before what changes anything.
   */
  pause(): Promise<void> | undefined;
  /** Has `done` called when the response has left, and nobody needs the memory of its chunks any more; see `RequestAdmission`. */
  whenSent(done: () => void): void;
}

/**
 * Serves one request. The result is the response's body; `null` means that no response is sent (Produce with acks=0).
 * Errors that Kafka has a code for are part of the response. What a handler throws is a fault of the broker: it is logged
 * and the connection is closed, except that an API with an error code of its own may answer UNKNOWN_SERVER_ERROR itself.
 *
 * A handler may answer at once or with a promise. Whatever it does before its first `await` happens in the order in which
 * the connection's requests arrived; Produce relies on that.
 */
export type Handle<Req, ResInput> = (
  request: Req,
  context: RequestContext,
) => Promise<ResInput | null> | ResInput | null;

/** What a controller tells in one request may take so much memory once it is decoded: some 250,000 partitions. */
export const COMMAND_DECODED_BYTES_MAX: number = 128 * 1024 * 1024;

/**
 * What is asked before a request is decoded, of the cluster, and what is answered where it is refused: for those whose decoded form may take
 * more memory than strangers are given.
 */
export interface AskedFirst<ResInput> {
  readonly operation: Operation;
  readonly refused: (errorCode: number) => ResInput;
}

/** One API as this broker serves it. Without its types it is what the registry holds. */
export interface ApiHandler<Req = unknown, ResInput = unknown> {
  readonly api: Api<Req, unknown, never, ResInput>;
  /** The lowest version that is advertised and served. */
  readonly minVersion: number;
  /** The highest version that is advertised and served. */
  readonly maxVersion: number;
  /** How much memory a request's decoded form may take; undefined for what the codec allows strangers. */
  readonly decodedBytesMax: number | undefined;
  /** How much of that a request of many short names may take; undefined for what the codec allows strangers. */
  readonly denseBytesMax: number | undefined;
  /** Undefined where the handler asks by itself, when it knows what for. */
  readonly askedFirst: AskedFirst<ResInput> | undefined;
  /** See {@link Handle}. A method, so that handlers of different APIs fit into one list. */
  handle(request: Req, context: RequestContext): ReturnType<Handle<Req, ResInput>>;
}

/**
 * Ties an API of the protocol to the function that serves it.
 *
 * @example
 * ```ts
 * export const heartbeat = defineHandler(Heartbeat, { minVersion: 0, maxVersion: 4 }, (request, context) =>
 *   context.broker.groups.heartbeat(request),
 * );
 * ```
 */
export function defineHandler<Req, ResInput>(
  api: Api<Req, unknown, never, ResInput>,
  versions: {
    minVersion: number;
    maxVersion: number;
    decodedBytesMax?: number;
    denseBytesMax?: number;
    askedFirst?: AskedFirst<NoInfer<ResInput>>;
  },
  handle: Handle<Req, NoInfer<ResInput>>,
): ApiHandler<Req, ResInput> {
  if (versions.minVersion < api.minVersion || versions.maxVersion > api.maxVersion) {
    throw new RangeError(
      `${api.name} is defined for versions ${api.minVersion} to ${api.maxVersion}; ` +
        `a handler for ${versions.minVersion} to ${versions.maxVersion} cannot be registered`,
    );
  }
  const { minVersion, maxVersion, decodedBytesMax, denseBytesMax, askedFirst } = versions;
  return { api, minVersion, maxVersion, decodedBytesMax, denseBytesMax, askedFirst, handle };
}
