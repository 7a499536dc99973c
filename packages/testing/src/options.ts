/** What a test may say when it starts brokers and gives them trouble. */
import type { Logger } from '@millrace/ports';
import type { TestSecurity } from './security.ts';

/** How a broker for tests is set up. */
export interface StartBrokerOptions extends TestSecurity {
  /**
   * Where the data is: in `memory` (the default, gone at the end), in a `temp` folder that is removed at the end, or in a folder
   * that stays, so that a second broker can go on with it.
   */
  readonly storage?: 'memory' | 'temp' | { readonly folder: string };
  /** The port on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /**
   * Settings by Kafka's names, such as `auto.create.topics.enable`; `advertised.listeners` is for clients that are to come through
   * a proxy: `PLAINTEXT://127.0.0.1:` and the proxy's port.
   */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /**
   * The `transaction.version` of the broker: 2, the default, where producers get a new epoch with each transaction (KIP-890); 0 for
   * transactions as before Kafka 4.0.
   */
  readonly transactionVersion?: 0 | 1 | 2;
  /** Topics that are there from the start: a name, or a name with its partitions and configs. */
  readonly topics?: readonly (string | NewTestTopic)[];
  /** pino or alike. Silent by default. */
  readonly logger?: Logger;
}

/** A topic for a test. */
export interface NewTestTopic {
  readonly topic: string;
  /** 1 by default. */
  readonly partitions?: number;
  /** Topic configs by Kafka's names. */
  readonly configs?: Readonly<Record<string, string | number | boolean>>;
}

/** How a cluster for tests is set up. */
export interface StartClusterOptions {
  /** How many brokers, 1 to 32; their ids are 1, 2 and so on. 3 by default. */
  readonly brokers?: number;
  /** Settings of all brokers by Kafka's names. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** The rack of each broker (`broker.rack`), in the order of their ids. None by default. */
  readonly racks?: readonly string[];
  /** Topics that are there from the start. */
  readonly topics?: readonly (string | NewClusterTopic)[];
  /** pino or alike. Silent by default. */
  readonly logger?: Logger;
}

/** A topic for a test on a cluster. */
export interface NewClusterTopic extends NewTestTopic {
  /** As many as there are brokers by default, 3 at the most. */
  readonly replicationFactor?: number;
}

/** The API whose requests a fault concerns, by Kafka's name: `Produce`, `Fetch`, `JoinGroup` ... */
export type ApiName = string;

/** How often a fault happens. */
export interface FaultOptions {
  /** How many requests, one after the other; `Infinity` for all from now on. 1 by default. */
  readonly times?: number | undefined;
  /** Only requests of clients with this `clientId`. All by default. */
  readonly clientId?: string | undefined;
}

/** How often a connection is cut, and when. */
export interface DropOptions extends FaultOptions {
  /** Before the request is carried out, the default, or after, so that only the answer is lost. */
  readonly when?: 'before' | 'after' | undefined;
}
