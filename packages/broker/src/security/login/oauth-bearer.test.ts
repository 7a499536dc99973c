import { createHmac } from 'node:crypto';
import { ManualClock } from '@millrace/ports';
import fc from 'fast-check';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SignedTokens, UnsecuredTokens } from '../../config/oauth-settings.ts';
import { silentLogger } from '../../shared/logger.ts';
import { LoginRefused, type LoginStep } from './exchange.ts';
import { type CheckToken, oauthBearerLogin } from './oauth-bearer.ts';
import { tokenCheck } from './token-checks.ts';

const SIGNED: SignedTokens = {
  kind: 'signed',
  keysUrl: 'https://provider.test/keys',
  issuer: 'https://provider.test',
  audience: ['kafka', 'millrace'],
  clockSkewMs: 30_000,
  subClaim: 'sub',
  scopeClaim: 'scope',
  refreshMs: 3_600_000,
  retryMs: 100,
  retryMsMax: 10_000,
};

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;
let pair: Pair;
let foreign: Pair;
let clock: ManualClock;
/** What the provider tells, how often it was asked, and whether it can be reached. */
let provider: { keys: object[]; asked: number; isUp: boolean; holdsBack?: Promise<void> };

beforeAll(async () => {
  [pair, foreign] = await Promise.all([generateKeyPair('RS256'), generateKeyPair('RS256')]);
});
beforeEach(async () => {
  clock = new ManualClock();
  provider = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k1' }], asked: 0, isUp: true };
});

const nowSeconds = (): number => Math.trunc(clock.now() / 1000);
const claims = (changes: JWTPayload = {}): JWTPayload => ({
  sub: 'alice',
  iss: 'https://provider.test',
  aud: 'kafka',
  iat: nowSeconds(),
  exp: nowSeconds() + 600,
  ...changes,
});

function signed(payload: JWTPayload, key = pair.privateKey, kid = 'k1', alg = 'RS256'): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(key);
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const unsecured = (payload: object, header: object = { alg: 'none' }): string =>
  `${encoded(header)}.${encoded(payload)}.`;

/** A token whose key nobody has, so that nobody comes to look at its signature. */
const madeUp = (kid: string): string => `${encoded({ alg: 'RS256', kid })}.${encoded(claims())}.AAAA`;

function check(settings: SignedTokens | UnsecuredTokens = SIGNED): CheckToken {
  const loadKeys = async (): Promise<unknown> => {
    provider.asked += 1;
    if (!provider.isUp) throw new Error('no route to the provider');
    const { keys, holdsBack } = provider;
    await holdsBack;
    return { keys };
  };
  return tokenCheck(settings, { clock, logger: silentLogger, loadKeys });
}

const first = (token: string, header = 'n,,'): Buffer => Buffer.from(`${header}\u0001auth=Bearer ${token}\u0001\u0001`);

/** One login: the user, or what the client is told. */
async function login(token: string, using = check(), header = 'n,,'): Promise<string> {
  const exchange = oauthBearerLogin(using);
  try {
    const step: LoginStep = await exchange.respond(first(token, header));
    if (step.isDone) return step.user;
    await exchange.respond(Buffer.from('\u0001'));
    return `${step.challenge}, and then nothing`;
  } catch (error) {
    if (error instanceof LoginRefused) return error.shown ?? `hidden: ${error.message}`;
    throw error;
  }
}

const INVALID = '{"status":"invalid_token"}';

describe('OAUTHBEARER with a provider', () => {
  it('lets in whom a signed token names, until the token ends', async () => {
    const step = await oauthBearerLogin(check()).respond(first(await signed(claims())));
    expect(step).toMatchObject({ isDone: true, user: 'alice', expiresAtMs: (nowSeconds() + 600) * 1000 });
    expect(await login(await signed(claims()), check(), 'n,a=alice,')).toBe('alice');
    expect(await login(await signed(claims({ aud: ['x', 'millrace'], scope: ['a', 'b'] })))).toBe('alice');
    const byName = check({ ...SIGNED, subClaim: 'client_id', issuer: undefined, audience: [] });
    expect(await login(await signed({ client_id: 'app', iat: nowSeconds(), exp: nowSeconds() + 1 }), byName)).toBe(
      'app',
    );
  });

  it.each<[string, () => Promise<string> | string]>([
    ['no signature (CVE-2026-33557)', () => unsecured(claims())],
    ['no signature, which its header hides', () => unsecured(claims(), { alg: 'RS256', kid: 'k1' })],
    ['another provider’s key', () => signed(claims(), foreign.privateKey)],
    ['another provider’s key by a name of its own', () => signed(claims(), foreign.privateKey, 'k2')],
    ['another issuer', () => signed(claims({ iss: 'https://other.test' }))],
    ['another audience', () => signed(claims({ aud: 'somebody' }))],
    ['no audience', () => signed({ ...claims(), aud: [] })],
    ['an end that is no time', () => signed(claims({ exp: 1e300 }))],
    ['its end behind it, by more than the clocks may differ', () => signed(claims({ exp: nowSeconds() - 31 }))],
    ['its beginning before it (nbf)', () => signed(claims({ nbf: nowSeconds() + 60 }))],
    ['no end', async () => signed({ sub: 'alice', iss: SIGNED.issuer as string, aud: 'kafka', iat: nowSeconds() })],
    [
      'no time of issue',
      async () => signed({ sub: 'alice', iss: SIGNED.issuer as string, aud: 'kafka', exp: nowSeconds() + 9 }),
    ],
    ['nobody in it', () => signed({ ...claims(), sub: ' ' })],
    ['scopes that are none', () => signed(claims({ scope: 7 }))],
    ['parts missing', () => 'abc.def'],
    ['nothing that can be read', () => 'a.b.c'],
  ])('refuses a token with %s, in words that tell nothing', async (_, make) => {
    expect(await login(await make())).toBe(INVALID);
  });

  it('refuses a token that was signed with the public key as a secret (RFC 8725, 3.1)', async () => {
    const body = `${encoded({ alg: 'HS256', kid: 'k1' })}.${encoded(claims())}`;
    const secrets = [await exportSPKI(pair.publicKey), JSON.stringify(await exportJWK(pair.publicKey))];
    for (const secret of secrets) {
      const signature = createHmac('sha256', secret).update(body).digest('base64url');
      expect(await login(`${body}.${signature}`)).toBe(INVALID);
    }
    provider.keys = [{ kty: 'oct', k: Buffer.from('secret').toString('base64url'), kid: 'k1', alg: 'HS256' }];
    expect(await login(`${body}.${createHmac('sha256', 'secret').update(body).digest('base64url')}`)).toBe(INVALID);
  });

  it('takes a token whose end is no further behind than the clocks may differ', async () => {
    expect(await login(await signed(claims({ exp: nowSeconds() - 29 })))).toBe('alice');
  });

  it('lets nobody be another (CVE-2017-12610)', async () => {
    expect(await login(await signed(claims()), check(), 'n,a=admin,')).toMatch('different from the token');
  });

  it('reads the keys once for all, again after their time, and goes on with the old ones where it cannot', async () => {
    const using = check();
    await Promise.all(Array.from({ length: 20 }, async () => login(await signed(claims()), using)));
    expect(provider.asked).toBe(1);
    provider.isUp = false;
    await clock.advance(3_600_001);
    expect(await login(await signed(claims()), using)).toBe('alice');
    expect(provider.asked).toBe(2);
  });

  it('finds a key that is new, and does not ask the provider for every name that somebody makes up', async () => {
    const using = check();
    await login(await signed(claims()), using);
    await clock.advance(10_001);
    provider.keys = [...provider.keys, { ...(await exportJWK(foreign.publicKey)), kid: 'k2' }];
    expect(await login(await signed(claims(), foreign.privateKey, 'k2'), using)).toBe('alice');
    const asked = provider.asked;
    for (let name = 0; name < 50; name += 1) {
      expect(await login(await signed(claims(), pair.privateKey, `made-up-${name}`), using)).toBe(INVALID);
    }
    expect(provider.asked).toBe(asked);
    await clock.advance(10_001);
    for (let times = 0; times < 50; times += 1) await login(await signed(claims(), pair.privateKey, 'made-up'), using);
    expect(provider.asked).toBe(asked + 1);
  });

  it('takes no key for missing, whoever asks for how many, while the provider cannot be reached', async () => {
    const using = check();
    await login(await signed(claims()), using);
    await clock.advance(10_001);
    provider.isUp = false;
    const renewed = (): Promise<string> => signed(claims(), foreign.privateKey, 'k2');
    expect(await login(await renewed(), using)).toBe(INVALID);
    for (let name = 0; name < 1100; name += 1) await login(madeUp(`x${name}`), using);
    provider.isUp = true;
    provider.keys = [...provider.keys, { ...(await exportJWK(foreign.publicKey)), kid: 'k2' }];
    await clock.advance(100);
    expect(await login(await renewed(), using)).toBe('alice');
  });

  it('takes no key for missing that was asked for while the keys were being read already', async () => {
    const using = check();
    await login(await signed(claims()), using);
    await clock.advance(10_001);
    const held = Promise.withResolvers<void>();
    provider.holdsBack = held.promise;
    const early = login(await signed(claims(), pair.privateKey, 'made-up'), using);
    await expect.poll(() => provider.asked).toBe(2);
    provider.keys = [...provider.keys, { ...(await exportJWK(foreign.publicKey)), kid: 'k2' }];
    // Looking for a key asks for the time when it begins, and when it has not found it and is about to wait for the reading.
    const looks = vi.spyOn(clock, 'monotonic');
    const late = login(await signed(claims(), foreign.privateKey, 'k2'), using);
    await expect.poll(() => looks.mock.calls.length).toBe(2);
    looks.mockRestore();
    held.resolve();
    expect(await Promise.all([early, late])).toEqual([INVALID, INVALID]);
    await clock.advance(10_001);
    expect(await login(await signed(claims(), foreign.privateKey, 'k2'), using)).toBe('alice');
  });

  it('finds a key that was missing a while ago, however many names are missing, and asks for none of absurd length', async () => {
    const using = check();
    await login(await signed(claims()), using);
    await clock.advance(10_001);
    const names = ['k2', ...Array.from({ length: 1100 }, (_, at) => `x${at}`)];
    await Promise.all(names.map((name) => login(madeUp(name), using)));
    expect(provider.asked).toBe(2);
    provider.keys = [...provider.keys, { ...(await exportJWK(foreign.publicKey)), kid: 'k2' }];
    await clock.advance(60_001);
    await login(madeUp('x'.repeat(1001)), using);
    expect(provider.asked).toBe(2);
    expect(await login(await signed(claims(), foreign.privateKey, 'k2'), using)).toBe('alice');
  });

  it('refuses everybody while there are no keys, asks for them no more than the pause allows, and lets in then', async () => {
    const using = check();
    provider.isUp = false;
    for (let times = 0; times < 10; times += 1) expect(await login(await signed(claims()), using)).toBe(INVALID);
    expect(provider.asked).toBe(1);
    provider.isUp = true;
    await clock.advance(100);
    expect(await login(await signed(claims()), using)).toBe('alice');
  });
});

describe('OAUTHBEARER without signatures, where the settings name it', () => {
  const settings: UnsecuredTokens = {
    kind: 'unsecured',
    subClaim: 'sub',
    scopeClaim: 'scope',
    scopes: [],
    clockSkewMs: 0,
  };

  it('lets in whoever a token names, and refuses those that are over, early, or signed', async () => {
    const using = check(settings);
    expect(await login(unsecured(claims()), using)).toBe('alice');
    expect(await login(unsecured(claims({ exp: nowSeconds() })), using)).toBe(INVALID);
    expect(await login(unsecured(claims({ iat: nowSeconds() + 1 })), using)).toBe(INVALID);
    expect(await login(unsecured({ sub: 'alice' }), using)).toBe(INVALID);
    expect(await login(await signed(claims()), using)).toBe(INVALID);
    expect(await login(unsecured(claims(), { alg: 'HS256' }), using)).toBe(INVALID);
    expect(provider.asked).toBe(0);
  });

  it('asks for the scopes that are wanted', async () => {
    const using = check({ ...settings, scopes: ['produce', 'read'] });
    expect(await login(unsecured(claims({ scope: 'read write produce' })), using)).toBe('alice');
    expect(await login(unsecured(claims({ scope: 'read' })), using)).toBe(
      '{"status":"insufficient_scope","scope":"produce read"}',
    );
  });
});

describe('the first message of OAUTHBEARER', () => {
  it.each([
    '',
    'n,,',
    'y,,\u0001auth=Bearer abc\u0001\u0001',
    'p=tls,,\u0001auth=Bearer abc\u0001\u0001',
    'n,,\u0001auth=Basic abc\u0001\u0001',
    'n,,\u0001auth=Bearer abc\u0001',
    'n,,\u0001auth=Bearer abc\u0001auth=Bearer def\u0001\u0001',
    'n,,\u0001x=y\u0001\u0001',
    'n,,\u0001auth=Bearer abc\u00011bad=v\u0001\u0001',
    'n,a=ali,ce,\u0001auth=Bearer abc\u0001\u0001',
  ])('is refused where it is malformed: %j', (message) => {
    const exchange = oauthBearerLogin(() => ({ subject: 'alice', expiresAtMs: 0 }));
    expect(() => exchange.respond(Buffer.from(message))).toThrow(LoginRefused);
  });

  it('may have extensions (KIP-342), a name with escapes, any case of the word', async () => {
    const exchange = oauthBearerLogin(() => ({ subject: 'o,p=q', expiresAtMs: 0 }));
    const message = 'n,a=o=2Cp=3Dq,\u0001logicalCluster=lkc-1\u0001auth=bearer a.b.c\u0001\u0001';
    expect(await exchange.respond(Buffer.from(message))).toMatchObject({ isDone: true, user: 'o,p=q' });
  });

  it('is taken or refused, whatever is in it, and never repeated', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.string(), async (bytes, text) => {
        for (const message of [Buffer.from(bytes), Buffer.from(text), first(text)]) {
          try {
            await oauthBearerLogin(check()).respond(message);
          } catch (error) {
            expect(error).toBeInstanceOf(LoginRefused);
            if (text.length > 12) expect((error as Error).message).not.toContain(text);
          }
        }
      }),
    );
  });

  it('cannot be followed by another token where the first did not hold', async () => {
    const exchange = oauthBearerLogin(check());
    expect(await exchange.respond(first('a.b.c'))).toMatchObject({ isDone: false });
    const second = first(await signed(claims()));
    expect(() => exchange.respond(second)).toThrow(LoginRefused);
  });
});
