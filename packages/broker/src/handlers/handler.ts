import type { ConnectionContext } from '@millrace/network';
import type { BrokerServices } from '../services.ts';

/** The part of a protocol `Api` that serving it takes: what decodes its requests and encodes its responses. */
export interface ServedApi<Req, ResInput> {
  readonly key: number;
  readonly name: string;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly flexibleSince: number;
  readonly request: { decode(reader: never, version: number): Req };
  readonly response: { encode(writer: never, body: ResInput, version: number): void };
}

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

/** One API as this broker serves it. */
export interface ApiHandler<Req = never, ResInput = unknown> {
  readonly api: ServedApi<Req, ResInput>;
  /** The lowest version that is advertised and served. */
  readonly minVersion: number;
  /** The highest version that is advertised and served. */
  readonly maxVersion: number;
  readonly handle: Handle<Req, ResInput>;
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
  api: ServedApi<Req, ResInput>,
  versions: { minVersion: number; maxVersion: number },
  handle: Handle<Req, ResInput>,
): ApiHandler<Req, ResInput> {
  if (versions.minVersion < api.minVersion || versions.maxVersion > api.maxVersion) {
    throw new RangeError(
      `${api.name} is defined for versions ${api.minVersion} to ${api.maxVersion}; ` +
        `a handler for ${versions.minVersion} to ${versions.maxVersion} cannot be registered`,
    );
  }
  return { api, minVersion: versions.minVersion, maxVersion: versions.maxVersion, handle };
}
