/** An OpenID Connect provider in a few lines: it gives a code to whoever asks, and a token to who knows what the code was asked with. */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';

/** What it says and asks, to be changed by a test. */
export interface ProviderStub {
  readonly issuer: string;
  /** Claims of the next id tokens beside those of the login. */
  claims: JWTPayload;
  /** What stands in the discovery document instead of what it says by itself. */
  document: Record<string, unknown>;
  /** Makes the id token of a login; by default a good one. */
  sign: (claims: JWTPayload) => Promise<string>;
  /** Signs as the provider does. */
  readonly signGood: (claims: JWTPayload) => Promise<string>;
  /** Why the token's endpoint has refused. */
  readonly refusals: string[];
  close(): Promise<void>;
}

export const CLIENT_ID = 'millrace console';
export const CLIENT_SECRET = 'a%secret:with+signs';

/** What its answers stand on. */
interface World {
  readonly stub: ProviderStub;
  readonly jwk: object;
  /** What each code was asked with, until it is used. */
  readonly codes: Map<string, URLSearchParams>;
}

/** Starts one on a port of this machine. */
export async function startProvider(): Promise<ProviderStub> {
  const pair = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256' };
  const server = createServer((request, response) => void answer(world, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const signGood = (claims: JWTPayload): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(pair.privateKey);
  const stub: ProviderStub = {
    // It listens on a port, so the address is one of IP.
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}/realm`,
    claims: {},
    document: {},
    sign: signGood,
    signGood,
    refusals: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const world: World = { stub, jwk, codes: new Map() };
  return stub;
}

async function answer(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { stub, jwk, codes } = world;
  const { issuer } = stub;
  const url = new URL(request.url ?? '/', issuer);
  const json = (status: number, value: object): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  if (url.pathname === '/realm/.well-known/openid-configuration') {
    const own = {
      issuer,
      authorization_endpoint: `${issuer}/authorize?realm=main`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      end_session_endpoint: `${issuer}/logout`,
    };
    json(200, { ...own, ...stub.document });
  } else if (url.pathname === '/realm/keys') json(200, { keys: [jwk] });
  else if (url.pathname === '/realm/authorize') {
    const code = randomUUID();
    codes.set(code, url.searchParams);
    const back = new URL(url.searchParams.get('redirect_uri') ?? issuer);
    back.searchParams.set('code', code);
    back.searchParams.set('state', url.searchParams.get('state') ?? '');
    response.writeHead(302, { location: back.href }).end();
  } else {
    const token = await tokenFor(world, request);
    json(token === undefined ? 400 : 200, token === undefined ? { error: 'invalid_grant' } : { id_token: token });
  }
}

async function tokenFor({ stub, codes }: World, request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  // No encoding is set, so that parts are buffers.
  for await (const part of request) parts.push(part as Buffer);
  const body = new URLSearchParams(Buffer.concat(parts).toString());
  const asked = codes.get(body.get('code') ?? '');
  codes.delete(body.get('code') ?? '');
  const given = Buffer.from(String(request.headers.authorization).slice('Basic '.length), 'base64').toString();
  const secret = given.split(':').map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
  const challenge = createHash('sha256')
    .update(body.get('code_verifier') ?? '')
    .digest('base64url');
  const holds = {
    secret: secret[0] === CLIENT_ID && secret[1] === CLIENT_SECRET,
    code: asked !== undefined,
    challenge: asked?.get('code_challenge') === challenge && asked.get('code_challenge_method') === 'S256',
    redirect: asked?.get('redirect_uri') === body.get('redirect_uri'),
  };
  const wrong = Object.entries(holds).flatMap(([name, isSo]) => (isSo ? [] : [name]));
  stub.refusals.push(...wrong);
  if (wrong.length > 0) return undefined;
  const now = Math.floor(Date.now() / 1000);
  const nonce = asked?.get('nonce') ?? '';
  return stub.sign({ iss: stub.issuer, aud: CLIENT_ID, sub: 'u1', iat: now, exp: now + 60, nonce, ...stub.claims });
}
