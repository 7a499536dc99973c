/** An OpenID Connect provider: what its discovery document says, and the code that it gives for a token. */
import { createRemoteJWKSet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { type ConsoleError, refusal } from '../errors.ts';
import { invalid, type OidcSettings, safeUrl } from './options.ts';

const PROVIDER_TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Only what the provider alone can sign with: a secret that both know proves nothing about who wrote it. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const CLOCK_SKEW_S = 60;

/** What a login began with. */
export interface Login {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** A provider that has been found. */
export class Provider {
  readonly #settings: OidcSettings;
  readonly #authorize: URL;
  readonly #token: URL;
  readonly #keys: JWTVerifyGetKey;
  readonly #inBody: boolean;
  /** Where somebody logs out of the provider too; undefined where it has no such place. */
  readonly logout: URL | undefined;

  private constructor(settings: OidcSettings, document: Record<string, unknown>) {
    this.#settings = settings;
    this.#authorize = safeUrl('authorization_endpoint', document['authorization_endpoint']);
    this.#token = safeUrl('token_endpoint', document['token_endpoint']);
    this.#keys = createRemoteJWKSet(safeUrl('jwks_uri', document['jwks_uri']), {
      timeoutDuration: PROVIDER_TIMEOUT_MS,
    });
    const methods = document['token_endpoint_auth_methods_supported'];
    this.#inBody = Array.isArray(methods) && !methods.includes('client_secret_basic');
    const logout = document['end_session_endpoint'];
    this.logout = logout === undefined ? undefined : safeUrl('end_session_endpoint', logout);
  }

  /**
   * Reads the provider's discovery document.
   * @throws ConsoleError `CONSOLE_OIDC_INVALID` where it cannot be had, is another's, or lacks what a login takes
   */
  static async find(settings: OidcSettings): Promise<Provider> {
    const at = `${settings.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    let document: Record<string, unknown>;
    try {
      document = await readJson(await fetch(at, { redirect: 'error', signal: timeout() }));
    } catch (cause) {
      throw invalid(`the provider's document at ${at} cannot be read: ${reasonOf(cause)}`, cause);
    }
    if (document['issuer'] !== settings.issuer) {
      throw invalid(`the document at ${at} is of ${String(document['issuer'])}, not of ${settings.issuer}`);
    }
    return new Provider(settings, document);
  }

  /** Where a browser goes to log in. */
  authorizeUrl({ state, nonce }: Login, challenge: string): string {
    const url = new URL(this.#authorize);
    const { clientId, scope } = this.#settings;
    const query = {
      response_type: 'code',
      client_id: clientId,
      redirect_uri: this.#redirectUri,
      scope,
      state,
      nonce,
      code_challenge: challenge,
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  }

  /**
   * The claims of who has logged in.
   * @throws ConsoleError `CONSOLE_LOGIN_FAILED` where the provider refuses the code or its token is not for this login
   */
  async claimsOf(code: string, login: Login): Promise<JWTPayload> {
    const token = await this.#tokenFor(code, login);
    const { issuer, clientId } = this.#settings;
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer,
        audience: clientId,
        algorithms: ALGORITHMS,
        requiredClaims: ['sub', 'exp', 'iat', 'nonce'],
        clockTolerance: CLOCK_SKEW_S,
      });
      const isForUs = payload['azp'] === undefined ? !isForSeveral(payload) : payload['azp'] === clientId;
      if (payload['nonce'] !== login.nonce || !isForUs) throw new Error('it was made for another login');
      return payload;
    } catch (cause) {
      throw failed(`the id token does not hold: ${reasonOf(cause)}`, cause);
    }
  }

  get #redirectUri(): string {
    return `${this.#settings.origin}/login/callback`;
  }

  async #tokenFor(code: string, { verifier }: Login): Promise<string> {
    const { clientId, clientSecret } = this.#settings;
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: this.#redirectUri,
      client_id: clientId,
      code_verifier: verifier,
    });
    const headers: Record<string, string> = { accept: 'application/json' };
    if (clientSecret !== undefined && this.#inBody) body.set('client_secret', clientSecret);
    else if (clientSecret !== undefined) headers['authorization'] = basic(clientId, clientSecret);
    try {
      const response = await fetch(this.#token, {
        method: 'POST',
        headers,
        body,
        redirect: 'error',
        signal: timeout(),
      });
      const answer = await readJson(response);
      const token = answer['id_token'];
      if (typeof token === 'string') return token;
      throw new Error('there is no id token in its answer');
    } catch (cause) {
      throw failed(`the provider gave no token: ${reasonOf(cause)}`, cause);
    }
  }
}

function isForSeveral({ aud }: JWTPayload): boolean {
  return Array.isArray(aud) && aud.length > 1;
}

export function failed(what: string, cause?: unknown): ConsoleError {
  return refusal('CONSOLE_LOGIN_FAILED', 'loginFailed', { why: what }, cause);
}

function basic(name: string, password: string): string {
  // Encoded as forms are before it is encoded again (RFC 6749, 2.3.1).
  const encoded = [name, password].map((text) => new URLSearchParams({ '': text }).toString().slice(1)).join(':');
  return `Basic ${Buffer.from(encoded).toString('base64')}`;
}

function timeout(): AbortSignal {
  return AbortSignal.timeout(PROVIDER_TIMEOUT_MS);
}

function reasonOf(error: unknown): string {
  return error instanceof Error
    ? `${error.message}${error.cause instanceof Error ? ` (${error.cause.message})` : ''}`
    : '?';
}

/** An answer that is JSON and not endless. */
async function readJson(response: Response): Promise<Record<string, unknown>> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error('its answer is too long');
    parts.push(part);
  }
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new Error('its answer is no object');
  return value as Record<string, unknown>;
}
