import { Admin } from '@millrace/admin';
import type { ClientOptions } from '@millrace/client';
import { Producer } from '@millrace/producer';

/** How to reach a cluster, as the SDKs take it. */
export type ClusterConnection = Pick<
  ClientOptions,
  'bootstrapServers' | 'clientId' | 'tls' | 'sasl' | 'logger' | 'connectTimeoutMs' | 'requestTimeoutMs'
>;

/** A person waits for the answer. */
const API_TIMEOUT_MS = 10_000;
/** How long everybody who looks is given the same look at the cluster. */
const LOOK_MS = 1500;

/** A cluster that the console shows. It connects when somebody first looks at it. */
export class Cluster {
  readonly name: string;
  readonly #connection: ClusterConnection;
  readonly #looks = new Map<string, { readonly takenMs: number; readonly look: Promise<unknown> }>();
  #admin: Admin | undefined;
  #producer: Producer | undefined;

  constructor(name: string, connection: ClusterConnection) {
    this.name = name;
    this.#connection = { clientId: 'millrace-console', ...connection };
  }

  get admin(): Admin {
    this.#admin ??= new Admin({ ...this.#connection, apiTimeoutMs: API_TIMEOUT_MS });
    return this.#admin;
  }

  get producer(): Producer {
    this.#producer ??= new Producer({
      ...this.#connection,
      deliveryTimeoutMs: API_TIMEOUT_MS,
      requestTimeoutMs: API_TIMEOUT_MS,
    });
    return this.#producer;
  }

  get connection(): ClusterConnection {
    return this.#connection;
  }

  /** Looks once for all who ask at about the same time; what fails is not kept. The kinds of looks are few and known. */
  look<T>(kind: string, take: () => Promise<T>): Promise<T> {
    const before = this.#looks.get(kind);
    // The kind tells the type: nobody else uses the same name.
    if (before !== undefined && performance.now() - before.takenMs < LOOK_MS) return before.look as Promise<T>;
    const look = take();
    this.#looks.set(kind, { takenMs: performance.now(), look });
    look.catch(() => this.#looks.delete(kind));
    return look;
  }

  /** Somebody has changed something: the next one to ask looks anew. */
  forget(): void {
    this.#looks.clear();
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#admin?.close({ timeoutMs: 1000 }), this.#producer?.close({ timeoutMs: 1000 })]);
  }
}
