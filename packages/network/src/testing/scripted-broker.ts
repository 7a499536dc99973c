/** A broker for tests that answers as it is told, with the real codec on a real socket. Not part of the package. */
import { type Api, ApiVersions, apiByKey, decodeRequestFrame, encodeResponse } from '@millrace/protocol';
import type { ConnectionContext } from '../connection-context.ts';
import { Listener, type ListenerOptions } from '../listener.ts';

/** What a request looked like. */
export interface SeenRequest {
  readonly api: string;
  readonly version: number;
  readonly clientId: string | null;
  readonly body: unknown;
}

/** Answers one request; null sends nothing. */
type Answer<Req, ResInput> = (
  request: Req,
  version: number,
  connection: ConnectionContext,
) => ResInput | null | Promise<ResInput | null>;

/** Versions that are advertised, by API name; others are not served. */
type Advertised = Readonly<Record<string, readonly [min: number, max: number]>>;

export class ScriptedBroker {
  readonly requests: SeenRequest[] = [];
  readonly listener: Listener;
  readonly #answers = new Map<number, Answer<unknown, unknown>>();
  readonly #advertised: Advertised;
  port = 0;

  constructor(advertised: Advertised, options: Partial<ListenerOptions> = {}) {
    this.#advertised = advertised;
    this.listener = new Listener({
      host: '127.0.0.1',
      ...options,
      handler: { handle: (frame, connection) => this.#handle(frame, connection) },
    });
  }

  async start(): Promise<this> {
    this.port = (await this.listener.listen()).port;
    return this;
  }

  on<Req, Res, ReqInput, ResInput>(api: Api<Req, Res, ReqInput, ResInput>, answer: Answer<Req, ResInput>): this {
    this.#answers.set(api.key, answer as Answer<unknown, unknown>);
    return this;
  }

  apiKeys(): { apiKey: number; minVersion: number; maxVersion: number }[] {
    return [...apiByKey.values()].flatMap((api) => {
      const range = this.#advertised[api.name];
      return range === undefined ? [] : [{ apiKey: api.key, minVersion: range[0], maxVersion: range[1] }];
    });
  }

  async #handle(frame: Buffer, connection: ConnectionContext): Promise<readonly Uint8Array[] | null> {
    if (frame.readInt16BE(0) === ApiVersions.key && frame.readInt16BE(2) > (this.#advertised.ApiVersions?.[1] ?? 0)) {
      this.requests.push({ api: 'ApiVersions', version: frame.readInt16BE(2), clientId: null, body: undefined });
      return encodeResponse(ApiVersions, 0, frame.readInt32BE(4), { errorCode: 35, apiKeys: this.apiKeys() });
    }
    const request = decodeRequestFrame(frame);
    if (request === undefined) throw new Error('unknown API');
    const { api, header, body } = request;
    this.requests.push({ api: api.name, version: header.apiVersion, clientId: header.clientId, body });
    const answer = this.#answers.get(api.key);
    if (answer === undefined && api.key === ApiVersions.key) {
      return encodeResponse(ApiVersions, header.apiVersion, header.correlationId, {
        errorCode: 0,
        apiKeys: this.apiKeys(),
        finalizedFeatures: [{ name: 'transaction.version', minVersionLevel: 0, maxVersionLevel: 2 }],
      });
    }
    const response = await answer?.(body, header.apiVersion, connection);
    return response === null || response === undefined
      ? null
      : encodeResponse(api, header.apiVersion, header.correlationId, response);
  }
}
