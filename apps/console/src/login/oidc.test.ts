import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CHANGE_HEADER } from '../api/contract.ts';
import { type Console, createConsole, type OidcOptions } from '../index.ts';
import { CLIENT_ID, CLIENT_SECRET, type ProviderStub, startProvider } from '../testing/provider-stub.ts';
import { SESSION_MS, SESSIONS_MAX, Sessions } from './sessions.ts';

/** Nobody listens there: no test here looks into a cluster. */
const CLUSTERS = { local: { bootstrapServers: '127.0.0.1:1' } };

let provider: ProviderStub;
beforeAll(async () => {
  provider = await startProvider();
});
afterAll(() => provider.close());
beforeEach(() => {
  provider.claims = { preferred_username: 'ann', groups: ['kafka-admins'] };
  provider.document = {};
  provider.sign = provider.signGood;
  provider.refusals.length = 0;
});

function options(given: Partial<OidcOptions> = {}): OidcOptions {
  return {
    issuer: provider.issuer,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    publicUrl: 'http://localhost:1',
    roles: [
      { value: 'kafka-admins', role: 'admin' },
      { value: 'team-*', role: null, grants: [{ role: 'editor', on: 'topic', pattern: 'orders-*' }] },
      { value: 'everybody', role: 'viewer' },
    ],
    ...given,
  };
}

describe('a login at a provider', () => {
  let served: Console;
  let origin: string;
  const audit: object[] = [];

  let server: Server;
  let broker: TestBroker;

  beforeAll(async () => {
    broker = await startBroker({ topics: ['orders'] });
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
    await producer.send({ topic: 'orders', value: 'x' });
    const clusters = { ...CLUSTERS, live: { bootstrapServers: broker.bootstrapServers } };
    // Its address has to be known before it is made, as it is where people reach it by a name.
    server = createServer((request, response) => served.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    // It listens on a port, so the address is one of IP.
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const info = (fields: object): void => void audit.push(fields);
    const logger = { debug: () => undefined, info, warn: info, error: info };
    served = await createConsole({ clusters, oidc: options({ publicUrl: origin }), logger });
  });
  afterAll(async () => {
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
    await served.close();
    await broker.close();
  });

  interface Got {
    readonly status: number;
    readonly location: string;
    readonly cookies: readonly string[];
    readonly text: string;
  }

  async function get(url: string, cookies: readonly string[] = [], headers: Record<string, string> = {}): Promise<Got> {
    const cookie = cookies.map((each) => each.split(';', 1)[0]).join('; ');
    const response = await fetch(new URL(url, origin), { redirect: 'manual', headers: { cookie, ...headers } });
    const location = response.headers.get('location') ?? '';
    return {
      status: response.status,
      location,
      cookies: response.headers.getSetCookie(),
      text: await response.text(),
    };
  }

  /** To the provider and back, as a browser goes. */
  async function toCallback(to = '/local/topics?q=a'): Promise<{ callback: string; cookies: readonly string[] }> {
    const begun = await get(`/login?to=${encodeURIComponent(to)}`);
    const { location: callback } = await get(begun.location);
    return { callback, cookies: begun.cookies };
  }

  async function login(to?: string): Promise<Got> {
    const { callback, cookies } = await toCallback(to);
    return get(callback, cookies);
  }

  it('leads whoever opens a page to the provider and back to where he wanted to go, as who he is', async () => {
    const page = await get('/local/topics?q=a', [], { accept: 'text/html' });
    expect(page).toMatchObject({ status: 302, location: '/login?to=%2Flocal%2Ftopics%3Fq%3Da' });
    const done = await login();
    expect(done).toMatchObject({ status: 302, location: '/local/topics?q=a' });
    const session = done.cookies.find((each) => each.startsWith('millrace-session='));
    expect(session).toMatch(/HttpOnly; SameSite=Lax; Max-Age=28800$/);
    const { status, text } = await get('/api/session', done.cookies);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ user: 'ann', role: 'admin', canLogOut: true });
    expect(audit).toContainEqual(expect.objectContaining({ audit: true, user: 'ann', route: 'login' }));
  });

  it('answers nothing but that a login is needed to who has none', async () => {
    for (const path of ['/api/session', '/api/clusters/local/topics', '/api/clusters/local/topics/t/stream']) {
      const { status, text } = await get(path);
      expect([status, JSON.parse(text)]).toMatchObject([401, { code: 'CONSOLE_LOGIN_NEEDED', loginAt: '/login' }]);
    }
    expect((await get('/api/session', ['millrace-session=guessed'])).status).toBe(401);
    expect((await get('/assets/index.js')).status).toBe(401);
    expect((await get('/login/elsewhere')).status).toBe(401);
  });

  it('gives the roles of all values that fit, and none to somebody whom nothing fits', async () => {
    provider.claims = { email: 'bo@example.com', groups: ['team-a', 'everybody', 7] };
    const { cookies } = await login();
    expect(JSON.parse((await get('/api/session', cookies)).text)).toMatchObject({
      user: 'bo@example.com',
      role: 'viewer',
      grants: [{ role: 'editor', on: 'topic', pattern: 'orders-*' }],
    });
    for (const groups of [undefined, [], 'kafka', ['Kafka-admins'], { 'kafka-admins': true }]) {
      provider.claims = { name: 'nobody', groups };
      const refused = await login();
      expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('has no role here')]);
      expect(refused.cookies).toEqual([]);
    }
  });

  it('takes a session to be over when it is ended, and leaves the provider too', async () => {
    const { cookies } = await login();
    const cookie = cookies.map((each) => each.split(';', 1)[0]).join('; ');
    const logOut = (headers: Record<string, string>) =>
      fetch(`${origin}/api/logout`, { method: 'POST', headers: { cookie, ...headers } });
    expect((await logOut({})).status).toBe(403);
    const { to } = (await (await logOut({ [CHANGE_HEADER]: '1' })).json()) as { to: string };
    expect(to).toContain(`${provider.issuer}/logout?client_id=`);
    expect((await get('/api/session', cookies)).status).toBe(401);
    expect((await get('/login/out')).text).toContain('logged out');
  });

  it("ends what goes on by itself with the session: tails, searches and files, and nobody else's", async () => {
    const cookieOf = async (): Promise<string> =>
      (await login()).cookies.map((each) => each.split(';', 1)[0]).join('; ');
    const [leaves, stays] = [await cookieOf(), await cookieOf()];
    const topic = `${origin}/api/clusters/live/topics/orders`;
    const [live, search] = ['stream?from=newest&live=true', 'stream?from=beginning'];
    const heard = async (what: string, cookie: string) => {
      const response = await fetch(`${topic}/${what}`, { headers: { cookie } });
      let text = '';
      const over = (async () => {
        for await (const part of response.body ?? []) text += Buffer.from(part).toString();
      })();
      return { over, text: () => text };
    };
    const tail = await heard(live, leaves);
    const other = await heard(live, stays);
    await expect.poll(() => tail.text() + other.text()).toMatch(/event: unread[\s\S]*event: unread/);
    const hold = broker.holdNext('Fetch', { times: 1000 });
    const searching = await heard(search, leaves);
    // A file whose first record is waited for has no answer yet.
    const file = fetch(`${topic}/export?from=beginning&format=jsonl`, { headers: { cookie: leaves } });
    await expect.poll(searching.text).toContain('event: progress');
    await fetch(`${origin}/api/logout`, { method: 'POST', headers: { cookie: leaves, [CHANGE_HEADER]: '1' } });
    for (const { over, text } of [tail, searching]) {
      await over;
      expect(text()).toMatch(/event: failed\ndata: \{"code":"CONSOLE_LOGIN_NEEDED".*has ended/);
    }
    await expect(file.then((response) => response.text())).rejects.toThrow();
    hold.remove();
    await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
    await producer.send({ topic: 'orders', value: 'for who is still there' });
    await expect.poll(other.text).toContain('for who is still there');
    expect(tail.text()).not.toContain('for who is still there');
    await fetch(`${origin}/api/logout`, { method: 'POST', headers: { cookie: stays, [CHANGE_HEADER]: '1' } });
    await other.over;
  });

  it.each(['https://evil.test/', '//evil.test', '/\\evil.test', '/login/callback', 'javascript:alert(1)', '/%0d%0aa'])(
    'sends nobody on to %s',
    async (to) => {
      const { location } = await login(to);
      expect(new URL(location, origin).origin).toBe(origin);
      expect(location).not.toMatch(/^\/[/\\]|login|evil|[\r\n]/);
    },
  );

  it('takes no answer that another browser, or another login, has begun, and none twice', async () => {
    const { callback, cookies } = await toCallback();
    const other = await toCallback();
    expect((await get(callback)).status).toBe(403);
    expect((await get(callback, other.cookies)).status).toBe(403);
    expect((await get(`${callback}&iss=https://evil.test`, cookies)).status).toBe(403);
    expect((await get(callback.replace(/code=[^&]+/, 'error=access_denied'), cookies)).text).toContain('access_denied');
    expect((await get(callback, cookies)).status).toBe(302);
    expect((await get(callback, cookies)).status).toBe(403);
    expect(provider.refusals).toContain('code');
  });

  it('gives cookies that no other host and no plain connection can set, where it is reached by HTTPS', async () => {
    const behindTls = await createConsole({ clusters: CLUSTERS, oidc: options({ publicUrl: 'https://console.test' }) });
    const port = await behindTls.listen({ port: 0 });
    const { cookies, location } = await get(`http://127.0.0.1:${port}/login`);
    await behindTls.close();
    expect(cookies).toEqual([expect.stringMatching(/^__Host-millrace-login=.*; Path=\/; HttpOnly; .*; Secure$/)]);
    expect(new URL(location).searchParams.get('redirect_uri')).toBe('https://console.test/login/callback');
  });

  it('shows what went wrong as text', async () => {
    const { callback, cookies } = await toCallback();
    const { text } = await get(callback.replace(/code=[^&]+/, 'error=<script>'), cookies);
    expect(text).not.toContain('<script>');
  });

  it.each<[string, (claims: JWTPayload) => Promise<string>]>([
    ['of another issuer', (claims) => provider.signGood({ ...claims, iss: 'https://evil.test' })],
    ['for another client', (claims) => provider.signGood({ ...claims, aud: 'other' })],
    ['for several, made for another', (claims) => provider.signGood({ ...claims, aud: [CLIENT_ID, 'x'], azp: 'x' })],
    ['for several, of which none is named', (claims) => provider.signGood({ ...claims, aud: [CLIENT_ID, 'x'] })],
    ['of another login', (claims) => provider.signGood({ ...claims, nonce: 'other' })],
    ['without a nonce', ({ nonce: _, ...claims }) => provider.signGood(claims)],
    ['that is over', (claims) => provider.signGood({ ...claims, exp: 1000 })],
    ['that never ends', ({ exp: _, ...claims }) => provider.signGood(claims)],
    ['of another key', async (claims) => signedBy((await generateKeyPair('ES256')).privateKey, 'ES256', claims)],
    [
      'signed with the secret',
      (claims) => signedBy(new TextEncoder().encode(CLIENT_SECRET.repeat(3)), 'HS256', claims),
    ],
    [
      'that nobody has signed',
      (claims) => Promise.resolve(`${base64('{"alg":"none"}')}.${base64(JSON.stringify(claims))}.`),
    ],
  ])('takes no token %s', async (_, sign) => {
    provider.sign = sign;
    const refused = await login();
    expect([refused.status, refused.cookies]).toEqual([403, []]);
    expect(refused.text).toContain('the id token does not hold');
  });
});

function signedBy(key: Parameters<SignJWT['sign']>[0], alg: string, claims: JWTPayload): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg, kid: 'k1' }).sign(key);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64url');
}

describe('a console whose login is not whole', () => {
  it.each<[string, Partial<OidcOptions>]>([
    ['no issuer', { issuer: '' }],
    ['no client', { clientId: ' ' }],
    ['an empty secret', { clientSecret: '' }],
    ['no address of its own', { publicUrl: '' }],
    ['an address that is a folder', { publicUrl: 'https://example.com/console' }],
    ['an address without TLS', { publicUrl: 'http://console.example.com' }],
    ['an issuer without TLS', { issuer: 'http://sso.example.com' }],
    ['no roles', { roles: [] }],
    ['a role that gives nothing', { roles: [{ value: 'a', role: null }] }],
    ['an issuer that is not there', { issuer: 'http://127.0.0.1:1' }],
    ['an issuer that is another by a slash', { issuer: `http://localhost:1/` }],
  ])('does not start with %s', async (_, given) => {
    await expect(createConsole({ clusters: CLUSTERS, oidc: options(given) })).rejects.toMatchObject({
      code: 'CONSOLE_OIDC_INVALID',
    });
  });

  it.each([
    { issuer: 'https://evil.test' },
    { token_endpoint: undefined },
    { jwks_uri: 'http://keys.example.com' },
    { authorization_endpoint: 'javascript:alert(1)' },
  ])('does not start with a provider that says %j', async (document) => {
    provider.document = document;
    await expect(createConsole({ clusters: CLUSTERS, oidc: options() })).rejects.toMatchObject({
      code: 'CONSOLE_OIDC_INVALID',
    });
  });
});

describe('sessions', () => {
  it('end by themselves, and are bounded', () => {
    let now = 0;
    const sessions = new Sessions(() => now);
    const who = { user: 'ann', role: 'admin', grants: [] } as const;
    const first = sessions.begin(who);
    now = SESSION_MS - 1;
    expect(sessions.find(first)).toMatchObject(who);
    now = SESSION_MS;
    expect(sessions.find(first)).toBeUndefined();
    const second = sessions.begin(who);
    const ended = sessions.find(second)?.ended;
    expect(ended?.aborted).toBe(false);
    for (let n = 0; n < SESSIONS_MAX; n += 1) sessions.begin(who);
    expect(sessions.find(second)).toBeUndefined();
    expect(ended?.aborted).toBe(true);
  });

  it('tell what goes on by itself that they have ended, though nobody asks any more', () => {
    vi.useFakeTimers();
    try {
      const sessions = new Sessions();
      const who = { user: 'ann', role: 'admin', grants: [] } as const;
      const [left, over] = [sessions.begin(who), sessions.begin(who)];
      const [one, other] = [sessions.find(left)?.ended, sessions.find(over)?.ended];
      sessions.end(left);
      expect([one?.aborted, other?.aborted]).toEqual([true, false]);
      vi.advanceTimersByTime(SESSION_MS);
      expect(other?.aborted).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});
