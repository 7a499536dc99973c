import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { OauthBearerToken, SaslOptions } from '@millrace/client';
import { CliError } from './errors.ts';

/** What a token is got with, as client properties say it. */
export interface OauthSettings {
  /** Where tokens are given out; a `file:` URL is a file that holds one. */
  readonly endpoint: string | undefined;
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  readonly scope: string | undefined;
  /** Whom a token without a signature names: for brokers that are set up for tests. */
  readonly unsecuredSubject: string | undefined;
  /** SASL extensions (KIP-342). */
  readonly extensions: Readonly<Record<string, string>>;
}

/** How long an endpoint may take, in milliseconds. */
const ENDPOINT_MS_MAX = 10_000;
/** A token is taken for gone a little before it is, in milliseconds: the broker's clock is another. */
const MARGIN_MS = 30_000;
/** How long a token without a signature holds, in seconds; as `OAuthBearerUnsecuredLoginCallbackHandler` has it. */
const UNSECURED_SECONDS = 3600;

/**
 * OAUTHBEARER with tokens by the client credentials grant (RFC 6749, 4.4), from a file, or without a signature.
 * @throws CliError `CLI_CONFIG_INVALID` where the properties name no source of tokens
 */
export function oauthOf(settings: OauthSettings): SaslOptions {
  const { endpoint, unsecuredSubject, extensions } = settings;
  let get: () => Promise<Token>;
  if (endpoint?.startsWith('file:') === true) get = () => tokenInFile(endpoint);
  else if (endpoint !== undefined) get = grantedBy(endpoint, settings);
  else if (unsecuredSubject !== undefined) get = async () => unsecured(unsecuredSubject, Date.now());
  else {
    throw invalid(
      'OAUTHBEARER needs a source of tokens: set sasl.oauthbearer.token.endpoint.url, with clientId and clientSecret in sasl.jaas.config',
    );
  }
  let held: Token | undefined;
  const token = async (): Promise<OauthBearerToken> => {
    // Every connection asks, and one token does for all of them.
    if (held === undefined || held.expiresAt <= Date.now()) held = await get();
    return { value: held.value, extensions };
  };
  return { mechanism: 'OAUTHBEARER', token };
}

interface Token {
  readonly value: string;
  /** In milliseconds of the wall clock. */
  readonly expiresAt: number;
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

function grantedBy(endpoint: string, { clientId, clientSecret, scope }: OauthSettings): () => Promise<Token> {
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw invalid(`sasl.oauthbearer.token.endpoint.url=${endpoint} is no http, https or file URL`);
  }
  if (clientId === undefined || clientSecret === undefined) {
    throw invalid(
      'OAUTHBEARER needs clientId and clientSecret: set them in sasl.jaas.config, or as sasl.oauthbearer.client.id and .secret',
    );
  }
  const credentials = [clientId, clientSecret].map(encodeURIComponent).join(':');
  const request = {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      ...(scope === undefined ? {} : { scope }),
    }).toString(),
  };
  return async () => {
    const answer = await ask(endpoint, request);
    const { access_token: value, expires_in: seconds } = answer;
    if (typeof value !== 'string' || value === '') throw failed(`${endpoint} answered without an access_token`);
    const lifetimeMs = typeof seconds === 'number' ? seconds * 1000 - MARGIN_MS : 0;
    return { value, expiresAt: Date.now() + lifetimeMs };
  };
}

async function ask(endpoint: string, request: RequestInit): Promise<Readonly<Record<string, unknown>>> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(endpoint, { ...request, redirect: 'error', signal: AbortSignal.timeout(ENDPOINT_MS_MAX) });
    text = await response.text();
  } catch (error) {
    // fetch says only that it failed; its cause says why.
    const { message, cause } = error as Error;
    throw failed(`no token came from ${endpoint}: ${cause instanceof Error ? cause.message : message}`, error);
  }
  const answer = objectIn(text);
  if (response.ok && answer !== undefined) return answer;
  const why = answer?.['error_description'] ?? answer?.['error'] ?? 'no reason given';
  throw failed(`${endpoint} gave no token (HTTP ${response.status}): ${String(why)}`);
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

function invalid(message: string): CliError {
  return new CliError('CLI_CONFIG_INVALID', `The client properties cannot be used: ${message}`);
}

function failed(message: string, cause?: unknown): CliError {
  return new CliError('CLI_FAILED', `Cannot log in: ${message}`, { cause });
}
