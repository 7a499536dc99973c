import type { Api } from '@millrace/protocol';
import { Connection } from './connection.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { ConnectionError } from './errors.ts';

/**
 * The way to one broker for one purpose: a connection that is made when it is first used, and anew when it was lost. It never sends
 * anything twice by itself: a request under way when the connection goes fails, and whoever sent it knows what to do.
 *
 * @example
 * const peer = new ReconnectingConnection({ host: 'broker-2', port: 9092, clientId: '1' });
 * const answer = await peer.send(UpdateMetadata, 8, request, { timeoutMs: 30_000 });
 */
export class ReconnectingConnection {
  readonly #options: ConnectionOptions;
  #connecting: Promise<Connection> | undefined;
  /** A request that was sent before the last one must not be sent after it, wherever it waits for its connection. */
  #resets = 0;
  #closed = false;

  /** Connects to nobody yet. */
  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /**
   * Sends a request; connects first where that is needed. A request that is not answered in time takes the connection with it, since
   * nobody knows what else waits there.
   * @param version A version both sides know, or `auto` for the highest one.
   * @param body The request's body, or a function of the version that gives it.
   * @throws as {@link Connection.connect} and {@link Connection.send}; ConnectionError after {@link close}.
   */
  async send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
    options: { readonly timeoutMs: number },
  ): Promise<Res> {
    const resets = this.#resets;
    const connection = await this.#connection();
    if (resets !== this.#resets) throw this.#givenUp();
    try {
      return await connection.send(api, version, body, options);
    } catch (error) {
      if ((error as { code?: string }).code === 'NETWORK_REQUEST_TIMED_OUT') void connection.close();
      throw error;
    }
  }

  /** Gives up the connection; what is under way fails, and the next request connects anew. */
  reset(): void {
    this.#resets += 1;
    const connecting = this.#connecting;
    this.#connecting = undefined;
    void connecting?.then(
      (connection) => connection.close(),
      () => undefined,
    );
  }

  /** Gives up the connection for good. */
  close(): void {
    this.#closed = true;
    this.reset();
  }

  async #connection(): Promise<Connection> {
    if (this.#closed) throw this.#givenUp();
    const resets = this.#resets;
    this.#connecting ??= this.#connect();
    const connection = await this.#connecting;
    if (connection.open || resets !== this.#resets) return connection;
    this.#connecting = this.#connect();
    return this.#connecting;
  }

  #givenUp(): ConnectionError {
    const { host, port } = this.#options;
    return new ConnectionError('NETWORK_CONNECTION_CLOSED', `The way to ${host}:${port} was closed`);
  }

  #connect(): Promise<Connection> {
    const connecting = Connection.connect(this.#options);
    connecting.catch(() => {
      if (this.#connecting === connecting) this.#connecting = undefined;
    });
    return connecting;
  }
}
