import type { ConnectionContext } from '@millrace/network';
import type { FetchWait } from './fetch-wait.ts';

/** The fetches that wait, so that none outlives its connection or the broker. */
export class FetchWaits {
  /** One a connection: the listener starts a connection's next Fetch when the one before is answered. */
  readonly #byConnection = new Map<ConnectionContext, FetchWait>();

  get size(): number {
    return this.#byConnection.size;
  }

  /** Resolves when the wait is over. */
  async follow(wait: FetchWait, connection: ConnectionContext): Promise<void> {
    this.#byConnection.get(connection)?.finish();
    this.#byConnection.set(connection, wait);
    await wait.done;
    if (this.#byConnection.get(connection) === wait) this.#byConnection.delete(connection);
  }

  connectionClosed(connection: ConnectionContext): void {
    this.#byConnection.get(connection)?.finish();
  }

  /** Ends all waits; to be called before the broker stops. */
  finishAll(): void {
    for (const wait of this.#byConnection.values()) wait.finish();
  }
}
