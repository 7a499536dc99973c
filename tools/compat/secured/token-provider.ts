/**
 * A small provider of tokens (OpenID Connect, as far as clients of Kafka use it): keys at `/keys`, and tokens at `/token` for clients that
 * show their secret. The client `forger` gets tokens that are signed with a key that is not among the keys.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export const AUDIENCE = 'kafka';
const LIFE_SECONDS = 3600;
const FORGER = 'forger';

export class TokenProvider {
  readonly #server: Server;
  readonly #url: string;
  readonly #secrets: Readonly<Record<string, string>>;
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #forgedKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  private constructor(server: Server, secrets: Readonly<Record<string, string>>) {
    this.#server = server;
    this.#secrets = secrets;
    // The address of a server that listens on a port is one of the internet.
    this.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param secrets - Of clients by their ids, which become the names of users. */
  static async start(secrets: Readonly<Record<string, string>>): Promise<TokenProvider> {
    let provider: TokenProvider | undefined;
    const server = createServer((request, response) => {
      const [status, body] =
        request.url === '/keys' ? [200, provider?.keySet] : (provider?.grant(request.headers.authorization) ?? [503]);
      response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
      response.end(JSON.stringify(body ?? { error: 'invalid_client' }));
      request.resume();
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

  get keySet(): object {
    return { keys: [{ ...this.#keys.publicKey.export({ format: 'jwk' }), kid: 'k', use: 'sig', alg: 'ES256' }] };
  }

  /** A token for a user, as its client would be given it. */
  token(user: string): string {
    const seconds = Math.floor(Date.now() / 1000);
    const subject = user === FORGER ? 'alice' : user;
    const claims = {
      iss: this.#url,
      aud: AUDIENCE,
      sub: subject,
      iat: seconds,
      exp: seconds + LIFE_SECONDS,
      scope: 'all',
    };
    return signed(claims, user === FORGER ? this.#forgedKeys.privateKey : this.#keys.privateKey);
  }

  /** The answer to a request for a token, by what it says of itself. */
  grant(authorization: string | undefined): [number, object?] {
    const [id = '', secret] = Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64')
      .toString()
      .split(':');
    const isKnown = Object.hasOwn(this.#secrets, id) && this.#secrets[id] === secret;
    if (!isKnown && id !== FORGER) return [401];
    return [200, { access_token: this.token(id), token_type: 'Bearer', expires_in: LIFE_SECONDS }];
  }

  get issuer(): string {
    return this.#url;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function signed(claims: object, key: KeyObject): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'ES256', kid: 'k' })}.${part(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}
