import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@millrace/ports';
import { AuthenticationError } from '../errors.ts';
import type { OauthBearerToken, SaslOauthBearerOptions } from './mechanism.ts';

/** Where tokens for OAUTHBEARER come from. */
export interface TokenSource {
  /**
   * Where tokens are given out by the client credentials grant (RFC 6749, 4.4): an `https:` or `http:` URL. A `file:` URL names a file
   * that holds a token. It must come from whoever runs the program, never from over the wire.
   */
  readonly endpoint?: string | undefined;
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
  readonly scope?: string | undefined;
  /** Without an endpoint: whom a token without a signature names, for brokers that are set up for tests. */
  readonly unsecuredSubject?: string | undefined;
  /** SASL extensions (KIP-342). */
  readonly extensions?: Readonly<Record<string, string>> | undefined;
}

/** How long an endpoint may take, in milliseconds. */
const ENDPOINT_MS_MAX = 10_000;
/** The longest answer that is read of it. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** A token is taken for gone a little before it is, in milliseconds: the broker's clock is another. */
const MARGIN_MS = 30_000;
/** How long a token without a signature holds, in seconds; as `OAuthBearerUnsecuredLoginCallbackHandler` has it. */
const UNSECURED_SECONDS = 3600;

/** What keeps a source from giving tokens; undefined where nothing does. */
export function tokenSourceFault(source: TokenSource): string | undefined {
  const { endpoint, clientId, clientSecret, unsecuredSubject } = source;
  if (endpoint === undefined) {
    return unsecuredSubject === undefined
      ? 'OAUTHBEARER needs a source of tokens: set sasl.oauthbearer.token.endpoint.url, with clientId and clientSecret in sasl.jaas.config'
      : undefined;
  }
  if (!URL.canParse(endpoint) || !/^(?:https?|file):$/.test(new URL(endpoint).protocol)) {
    return `sasl.oauthbearer.token.endpoint.url=${endpoint} is no http, https or file URL`;
  }
  if (endpoint.startsWith('file:') || (clientId !== undefined && clientSecret !== undefined)) return undefined;
  return 'OAUTHBEARER needs clientId and clientSecret: set them in sasl.jaas.config, or as sasl.oauthbearer.client.id and .secret';
}

/**
 * OAUTHBEARER with tokens of a source. One token does for all connections until it is nearly over; one in a file is read for each.
 * @throws AuthenticationError what {@link tokenSourceFault} finds; and when it is asked for a token and gets none
 */
export function oauthBearerFrom(source: TokenSource): SaslOauthBearerOptions {
  const fault = tokenSourceFault(source);
  if (fault !== undefined) throw new AuthenticationError(fault);
  const { extensions = {} } = source;
  let held: Token | undefined;
  const token = async (): Promise<OauthBearerToken> => {
    if (held === undefined || held.expiresAt <= Date.now()) held = await tokenOf(source);
    return { value: held.value, extensions };
  };
  return { mechanism: 'OAUTHBEARER', token };
}

interface Token {
  readonly value: string;
  /** In milliseconds of the wall clock. */
  readonly expiresAt: number;
}

function tokenOf(source: TokenSource): Promise<Token> {
  const { endpoint, unsecuredSubject = '' } = source;
  if (endpoint === undefined) return Promise.resolve(unsecured(unsecuredSubject, Date.now()));
  return endpoint.startsWith('file:') ? tokenInFile(endpoint) : granted(endpoint, source);
}

/** Read anew for every connection: what keeps the file fresh is somebody else's business. */
async function tokenInFile(url: string): Promise<Token> {
  try {
    const text = await readFile(fileURLToPath(url), 'utf8');
    return { value: text.trim(), expiresAt: 0 };
  } catch (cause) {
    throw failed(`the token cannot be read from ${url}: ${(cause as Error).message}`, cause);
  }
}

async function granted(endpoint: string, source: TokenSource): Promise<Token> {
  const { clientId = '', clientSecret = '', scope } = source;
  const credentials = [clientId, clientSecret].map(encodeURIComponent).join(':');
  const grant = { grant_type: 'client_credentials', ...(scope === undefined ? {} : { scope }) };
  const answer = await ask(endpoint, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    },
    body: new URLSearchParams(grant).toString(),
  });
  const { access_token: value, expires_in: seconds } = answer;
  if (typeof value !== 'string' || value === '') throw failed(`${endpoint} answered without an access_token`);
  const lifetimeMs = typeof seconds === 'number' ? seconds * 1000 - MARGIN_MS : 0;
  return { value, expiresAt: Date.now() + lifetimeMs };
}

async function ask(endpoint: string, request: RequestInit): Promise<Readonly<Record<string, unknown>>> {
  let response: Response;
  let text: string;
  const patience = new AbortController();
  const late = new Error(`it has not answered within ${ENDPOINT_MS_MAX} ms`);
  const timer = systemClock.schedule(ENDPOINT_MS_MAX, () => patience.abort(late));
  try {
    response = await fetch(endpoint, { ...request, redirect: 'error', signal: patience.signal });
    text = await boundedText(response);
  } catch (error) {
    // fetch says only that it failed; its cause says why.
    const { message, cause } = error as Error;
    throw failed(`no token came from ${endpoint}: ${cause instanceof Error ? cause.message : message}`, error);
  } finally {
    timer.cancel();
  }
  const answer = objectIn(text);
  if (response.ok && answer !== undefined) return answer;
  const why = answer?.['error_description'] ?? answer?.['error'] ?? 'no reason given';
  throw failed(`${endpoint} gave no token (HTTP ${response.status}): ${String(why)}`);
}

async function boundedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`its answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    // Every field is looked at before it is used.
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** A token that proves nothing (`alg: none`), for brokers that take any. */
function unsecured(subject: string, now: number): Token {
  const issued = Math.floor(now / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { sub: subject, iat: issued, exp: issued + UNSECURED_SECONDS };
  return { value: `${part({ alg: 'none' })}.${part(claims)}.`, expiresAt: now + UNSECURED_SECONDS * 1000 - MARGIN_MS };
}

function failed(message: string, cause?: unknown): AuthenticationError {
  return new AuthenticationError(`Cannot log in: ${message}`, { cause });
}
