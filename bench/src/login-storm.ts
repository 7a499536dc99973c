/** Clients that log in by SCRAM, and go, and come again, while somebody else is measured. */
import { Connection, type SaslOptions } from '@millrace/network';

export class LoginStorm {
  /** Logins that were let in. */
  count = 0;
  readonly #startedMs = performance.now();
  readonly #lanes: readonly Promise<void>[];
  #isOver = false;
  #failure: unknown;

  /** @param atOnce - How many log in at the same time */
  constructor(port: number, sasl: SaslOptions, atOnce: number) {
    const lane = async (): Promise<void> => {
      while (!this.#isOver) {
        const connection = await Connection.connect({ host: '127.0.0.1', port, sasl });
        this.count += 1;
        await connection.close();
      }
    };
    this.#lanes = Array.from({ length: atOnce }, () =>
      lane().catch((error: unknown) => {
        this.#failure ??= error;
      }),
    );
  }

  /** Ends it, and tells how many logins there were a second. @throws What ended a lane */
  async stop(): Promise<number> {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const { count } = this;
    this.#isOver = true;
    await Promise.all(this.#lanes);
    if (this.#failure !== undefined) throw this.#failure;
    return count / seconds;
  }
}
