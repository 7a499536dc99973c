import { Admin } from '@millrace/admin';
import { type ClientOptions, KafkaClient } from '@millrace/client';
import { Producer } from '@millrace/producer';
import { Mask, type MaskRule } from '../messages/mask.ts';
import { SchemaRegistry, type SchemaRegistryConnection } from '../schemas/registry.ts';
import { GroupHistories } from './group-history.ts';
import { OneByOne } from './one-by-one.ts';
import { Watch } from './watch.ts';

/** How to reach a cluster, as the SDKs take it. */
export type ClusterConnection = Pick<
  ClientOptions,
  'bootstrapServers' | 'clientId' | 'tls' | 'sasl' | 'logger' | 'connectTimeoutMs' | 'requestTimeoutMs'
> & {
  /** By which bytes in the registries' wire format are shown as what they hold: Avro, Protobuf and JSON Schema. */
  readonly schemaRegistry?: SchemaRegistryConnection | undefined;
};

/** A person waits for the answer. */
const API_TIMEOUT_MS = 10_000;
/** One broker that lets nobody in is not all that a person waits for. */
const CONNECT_TIMEOUT_MS = 3000;
/** The largest record that is sent: what a topic takes its broker decides. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Records that wait to be acknowledged, of everybody together: as many as one of the largest, and small ones beside it. */
const BUFFER_BYTES_MAX = 2 * RECORD_BYTES_MAX;
/** How long everybody who looks is given the same look at the cluster. */
const LOOK_MS = 1500;
/** A look that took long is kept so many times as long: who watches a large cluster is not what keeps it busy. */
const KEPT_TIMES_MAX = 3;

interface Look {
  readonly look: Promise<unknown>;
  /** Until when it is given to others too: for ever while it is being taken. */
  keptToMs: number;
}

/** A cluster that the console shows. It connects when somebody first looks at it. */
export class Cluster {
  readonly name: string;
  readonly #connection: Omit<ClusterConnection, 'schemaRegistry'>;
  /** The schemas of its messages, where somebody keeps them. */
  readonly schemas: SchemaRegistry | undefined;
  readonly groupHistories = new GroupHistories();
  /** The groups that somebody has open, looked at for as long as the history of them may be asked for. */
  readonly watchedGroups = new Watch();
  /** Changes that are made only where something is still as it was seen. */
  readonly oneByOne = new OneByOne();
  readonly #looks = new Map<string, Look>();
  readonly #masks: readonly MaskRule[];
  #admin: Admin | undefined;
  #producer: Producer | undefined;
  #client: KafkaClient | undefined;

  constructor(name: string, { schemaRegistry, ...connection }: ClusterConnection, masks: readonly MaskRule[] = []) {
    this.name = name;
    this.#masks = masks;
    this.schemas = schemaRegistry === undefined ? undefined : new SchemaRegistry(schemaRegistry);
    this.#connection = { clientId: 'millrace-console', connectTimeoutMs: CONNECT_TIMEOUT_MS, ...connection };
  }

  /** What of a topic's records nobody is to see; undefined where nothing is hidden. */
  maskOf(topic: string): Mask | undefined {
    return Mask.of(this.#masks, topic);
  }

  /**
   * Looks through what it is reached by, without reaching for it.
   * @throws ClientError `CLIENT_INVALID_OPTION` for an address or a login that is none
   */
  check(): void {
    void this.admin;
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
      requestBytesMax: RECORD_BYTES_MAX,
      bufferBytesMax: BUFFER_BYTES_MAX,
    });
    return this.#producer;
  }

  /** For what the SDKs do not show: batches as they lie. */
  get client(): KafkaClient {
    this.#client ??= new KafkaClient({
      ...this.#connection,
      apiTimeoutMs: API_TIMEOUT_MS,
      allowAutoTopicCreation: false,
    });
    return this.#client;
  }

  get connection(): Omit<ClusterConnection, 'schemaRegistry'> {
    return this.#connection;
  }

  /** Looks once for all who ask at about the same time; what fails is not kept. The kinds of looks are few and known. */
  look<T>(kind: string, take: () => Promise<T>, keepMs: number = LOOK_MS): Promise<T> {
    const before = this.#looks.get(kind);
    // The kind tells the type: nobody else uses the same name.
    if (before !== undefined && performance.now() < before.keptToMs) return before.look as Promise<T>;
    const beganMs = performance.now();
    const look = take();
    const taken: Look = { look, keptToMs: Number.POSITIVE_INFINITY };
    this.#looks.set(kind, taken);
    look.then(
      () => {
        const tookMs = performance.now() - beganMs;
        taken.keptToMs = beganMs + Math.max(keepMs, tookMs * (1 + KEPT_TIMES_MAX));
      },
      () => {
        // Another may have been begun meanwhile, after a change.
        if (this.#looks.get(kind) === taken) this.#looks.delete(kind);
      },
    );
    return look;
  }

  /** Somebody has changed something: the next one to ask looks anew. */
  forget(): void {
    this.#looks.clear();
  }

  async close(): Promise<void> {
    this.watchedGroups.close();
    await Promise.allSettled([
      this.#admin?.close({ timeoutMs: 1000 }),
      this.#producer?.close({ timeoutMs: 1000 }),
      this.#client?.close(),
      this.schemas?.close(),
    ]);
  }
}
