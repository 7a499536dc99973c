/** One run of a SASL mechanism on the client side. */
export interface SaslExchange {
  /**
   * The next message to the broker.
   *
   * @param challenge What the broker sent last; undefined at the start.
   * @returns The bytes to send, or undefined when the exchange is complete and the broker has proved what it must.
   * @throws AuthenticationError when the broker's message is not acceptable.
   */
  respond(challenge: Buffer | undefined): Promise<Buffer | undefined> | Buffer | undefined;
}

/** A secret, or where to get it: called at every authentication, so that it may change. */
export type Secret = string | (() => string | Promise<string>);

/** User name and password in the clear; use it over TLS. */
export interface SaslPlainOptions {
  readonly mechanism: 'PLAIN';
  readonly username: string;
  readonly password: Secret;
}

/** User name and password, of which only proofs travel (RFC 5802, RFC 7677). */
export interface SaslScramOptions {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  /** Or the id of a delegation token. */
  readonly username: string;
  /** Or its HMAC. */
  readonly password: Secret;
  /** Whether it is a delegation token that is logged in with (KIP-48). Default false. */
  readonly delegationToken?: boolean | undefined;
}

/** What an OAUTHBEARER token callback may give: the token, with SASL extensions (KIP-342) if the broker wants some. */
export interface OauthBearerToken {
  readonly value: string;
  readonly extensions?: Readonly<Record<string, string>>;
}

/** An OAuth 2 bearer token (RFC 7628). */
export interface SaslOauthBearerOptions {
  readonly mechanism: 'OAUTHBEARER';
  /** Called at every authentication and re-authentication. */
  readonly token: () => string | OauthBearerToken | Promise<string | OauthBearerToken>;
}

/** A mechanism of the caller's own. */
export interface SaslCustomOptions {
  /** The name that the broker knows it by. */
  readonly mechanism: string;
  /** Begins one authentication. */
  readonly exchange: () => SaslExchange;
}

/** How a client proves who it is. */
export type SaslOptions = SaslPlainOptions | SaslScramOptions | SaslOauthBearerOptions | SaslCustomOptions;

/** A secret's present value. */
export async function readSecret(secret: Secret): Promise<string> {
  const value: unknown = typeof secret === 'string' ? secret : await secret();
  // Whatever it is must not be shown.
  if (typeof value !== 'string') throw new TypeError('the function password gave no text');
  return value;
}
