import type { ConnectionContext, RequestAdmission, RequestHandler } from '@millrace/network';

/**
 * Answers for a broker that is still starting: whoever knows its port from before may ask already, and is answered when it has
 * started. Where it does not start, its listener closes, which ends every connection.
 */
export class StartingHandler implements RequestHandler {
  readonly #started = Promise.withResolvers<RequestHandler>();
  #handler: RequestHandler | undefined;
  /** Connections that have gone before there was anybody to be told. */
  readonly #gone = new WeakSet<ConnectionContext>();

  started(handler: RequestHandler): void {
    this.#handler = handler;
    this.#started.resolve(handler);
  }

  handle(
    frame: Buffer,
    connection: ConnectionContext,
    admission: RequestAdmission,
  ): ReturnType<RequestHandler['handle']> {
    if (this.#handler !== undefined) return this.#handler.handle(frame, connection, admission);
    return this.#handleLater(frame, connection, admission);
  }

  connectionClosed(connection: ConnectionContext): void {
    if (this.#handler === undefined) this.#gone.add(connection);
    else this.#handler.connectionClosed?.(connection);
  }

  async #handleLater(
    frame: Buffer,
    connection: ConnectionContext,
    admission: RequestAdmission,
  ): Promise<readonly Uint8Array[] | null> {
    const handler = await this.#started.promise;
    return this.#gone.has(connection) ? null : handler.handle(frame, connection, admission);
  }
}
