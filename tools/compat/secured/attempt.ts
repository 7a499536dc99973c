/** One attempt of a client to write and read, which is the same for all clients whatever their language. */

export const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const;
export type Mechanism = (typeof MECHANISMS)[number];
export type Protocol = 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL';

/** Who the client says it is. */
export interface Login {
  readonly mechanism: Mechanism;
  readonly user: string;
  readonly password: string;
  /** For OAUTHBEARER: where the client gets a token for its secret, and one for those that take it from their program. */
  readonly tokenUrl: string;
  readonly token: string;
}

/** Files in PEM. */
export interface TlsFiles {
  readonly authority: string;
  /** What the client shows, where it shows something. */
  readonly shown?: { readonly key: string; readonly certificate: string; readonly both: string };
}

export interface Attempt {
  readonly id: string;
  readonly protocol: Protocol;
  readonly bootstrap: string;
  readonly login?: Login;
  readonly tls?: TlsFiles;
  readonly topic: string;
  readonly group: string;
  /** What is written, and read again. */
  readonly value: string;
}

/** What came of an attempt: the record was read, or why not. */
export const OUTCOMES = ['read', 'authentication', 'authorization', 'tls', 'disconnected', 'other'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Result {
  readonly id: string;
  readonly outcome: Outcome;
  /** What the client said. */
  readonly text: string;
}

/** A client with all of its attempts: each gives a result. */
export interface SecuredClient {
  readonly name: string;
  readonly mechanisms: readonly Mechanism[];
  /** How many attempts it makes at once. */
  run(attempts: readonly Attempt[]): Promise<Result[]>;
}
