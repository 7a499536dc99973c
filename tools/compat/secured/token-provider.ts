/**
 * A small provider of tokens (OpenID Connect, as far as clients of Kafka use it): keys at `/keys`, and tokens at `/token` for clients that show
 * their secret, an assertion that they have signed (RFC 7523), or ask from a machine of Azure. The client `forger` gets tokens that are signed
 * with a key that is not among the keys. At `/expired` tokens have ended.
 */
import { generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export const AUDIENCE = 'kafka';
const LIFE_SECONDS = 3600;
/** Longer ago than clocks may differ. */
const ENDED_SECONDS = -60;
const FORGER = 'forger';
const SCOPE = 'all';
const ASSERTION = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** What a machine of Azure has to say of itself (IMDS). */
const OF_AZURE = ['api-version', 'resource', 'client_id'];

type Answer = readonly [status: number, body?: object];

export class TokenProvider {
  readonly #server: Server;
  readonly #url: string;
  readonly #secrets: Readonly<Record<string, string>>;
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #forgedKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #asserting = new Map<string, KeyObject>();

  private constructor(server: Server, secrets: Readonly<Record<string, string>>) {
    this.#server = server;
    this.#secrets = secrets;
    // The address of a server that listens on a port is one of the internet.
    this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param secrets - Of clients by their ids, which become the names of users. */
  static async start(secrets: Readonly<Record<string, string>>): Promise<TokenProvider> {
    let provider: TokenProvider | undefined;
    const server = createServer(async (request, response) => {
      const [status, body] = (await provider?.answer(request)) ?? [503];
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify(body ?? { error: 'invalid_client' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    provider = new TokenProvider(server, secrets);
    return provider;
  }

  get keysUrl(): string {
    return `${this.#url}/keys`;
  }

  get tokenUrl(): string {
    return `${this.#url}/token`;
  }

  get expiredTokenUrl(): string {
    return `${this.#url}/expired`;
  }

  /** Where there is nothing. */
  get wrongUrl(): string {
    return `${this.#url}/nowhere`;
  }

  get keySet(): object {
    return { keys: [{ ...this.#keys.publicKey.export({ format: 'jwk' }), kid: 'k', use: 'sig', alg: 'ES256' }] };
  }

  /** Whoever signs an assertion with the key that belongs to this one gets tokens of that user. */
  addAssertionKey(user: string, key: KeyObject): void {
    this.#asserting.set(user, key);
  }

  /** A token for a user, as its client would be given it. */
  token(user: string, lifeSeconds = LIFE_SECONDS): string {
    const seconds = Math.floor(Date.now() / 1000);
    const subject = user === FORGER ? 'alice' : user;
    const claims = {
      iss: this.#url,
      aud: AUDIENCE,
      sub: subject,
      client_id: subject,
      iat: seconds + lifeSeconds - LIFE_SECONDS,
      exp: seconds + lifeSeconds,
      scope: SCOPE,
    };
    return signed(claims, user === FORGER ? this.#forgedKeys.privateKey : this.#keys.privateKey);
  }

  async answer(request: IncomingMessage): Promise<Answer> {
    const asked = new URL(request.url ?? '/', this.#url);
    const form = new URLSearchParams(await text(request));
    switch (asked.pathname) {
      case '/keys':
        return [200, this.keySet];
      case '/token':
        return answerFor(this.#userOf(request, asked.searchParams, form), (user) => this.token(user));
      case '/expired':
        return answerFor(this.#userOf(request, asked.searchParams, form), (user) => this.token(user, ENDED_SECONDS));
      default:
        return [404];
    }
  }

  /** Who is given a token, by what he shows; undefined: nobody. */
  #userOf({ headers }: IncomingMessage, query: URLSearchParams, form: URLSearchParams): string | undefined {
    if (headers['metadata'] === 'true') {
      // Of all users of a machine the first.
      return OF_AZURE.every((name) => query.has(name)) ? Object.keys(this.#secrets)[0] : undefined;
    }
    if (form.get('grant_type') === ASSERTION) {
      const isWanted = (form.get('scope') ?? SCOPE) === SCOPE;
      const entries = isWanted ? [...this.#asserting] : [];
      return entries.find(([, key]) => isSignedBy(form.get('assertion') ?? '', key))?.[0];
    }
    const basic = Buffer.from(headers.authorization?.replace(/^Basic /, '') ?? '', 'base64').toString();
    const [id = '', secret] = basic.split(':');
    const isKnown = Object.hasOwn(this.#secrets, id) && this.#secrets[id] === secret;
    return isKnown || id === FORGER ? id : undefined;
  }

  get issuer(): string {
    return this.#url;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function answerFor(user: string | undefined, tokenOf: (user: string) => string): Answer {
  if (user === undefined) return [401];
  return [200, { access_token: tokenOf(user), token_type: 'Bearer', expires_in: LIFE_SECONDS }];
}

function signed(claims: object, key: KeyObject): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const content = `${part({ alg: 'ES256', kid: 'k' })}.${part(claims)}`;
  return `${content}.${sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

/** By RS256, which is the key's; what else a header says does not count. */
function isSignedBy(assertion: string, key: KeyObject): boolean {
  const [header = '', claims = '', signature = ''] = assertion.split('.');
  const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString() || '{}') as { readonly alg?: string };
  const content = Buffer.from(`${header}.${claims}`);
  return alg === 'RS256' && verify('sha256', content, key, Buffer.from(signature, 'base64url'));
}
