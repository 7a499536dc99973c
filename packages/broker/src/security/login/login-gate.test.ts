import { ManualClock } from '@millrace/ports';
import { ErrorCode, FindCoordinator, Metadata, type SaslAuthenticateResponse, SaslHandshake } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { CredentialShape } from './invented-credential.ts';
import { type CheckToken, TokenRefused } from './oauth-bearer.ts';
import type { ScramMechanism } from './scram-credential.ts';
import {
  Client,
  decoded,
  PASSWORDS,
  type Recorded,
  rowsOf,
  type ScramChanges,
  SHAPES,
} from './testing/test-gate-client.ts';

const recorded = rowsOf<Recorded>('logins');

describe('logins as Kafka 3.9.1 has answered them, frame by frame', () => {
  it.each(recorded)('$what', async ({ steps, closed }) => {
    expect(steps.length).toBeGreaterThan(0);
    const client = new Client();
    let hasEnded = false;
    for (const { send, hears, isLate } of steps) {
      const sent = Buffer.from(send, 'hex');
      const { answer, isLate: wasLate } = await client.send(sent);
      if (answer === 'handlers') continue;
      // Never sooner than Kafka. Where it ends a connection at once without a word, some end after the delay here.
      expect(wasLate || !isLate).toBe(true);
      if (answer === 'ended') {
        // Kafka answers all other APIs in the middle of a login with an empty body of theirs; here, but for Metadata, the connection ends.
        expect(hears === null || 'hexBody' in hears).toBe(true);
        hasEnded = true;
      } else {
        expect(decoded(sent, answer)).toEqual(hears);
      }
    }
    expect(hasEnded || client.isDisconnected).toBe(closed);
  });
});

const FAILED = 'Authentication failed during authentication due to invalid credentials with SASL mechanism';

describe('SCRAM at the broker', () => {
  it.each<[ScramMechanism, string]>([
    ['SCRAM-SHA-256', 'alice'],
    ['SCRAM-SHA-512', 'alice'],
    ['SCRAM-SHA-256', 'o,p=q'],
  ])('lets in by %s who knows the password: %s', async (mechanism, user) => {
    const client = new Client();
    expect(await client.scram(mechanism, user, PASSWORDS[user] as string)).toMatchObject({ errorCode: 0 });
    expect(client.context).toMatchObject({ principal: `User:${user}`, authentication: { stage: 'done', mechanism } });
    expect(await client.ask(Metadata, 1, { topics: [] })).toBe('handlers');
  });

  it('takes the nonce with the client’s own in front once more, as librdkafka before 2.6.1 sends it', async () => {
    const changes: ScramChanges = { nonce: (full) => `mine${full}` };
    expect(await new Client().scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw', changes)).toMatchObject({
      errorCode: 0,
    });
  });

  it.each<[string, string, string, ScramChanges]>([
    ['a nonce with somebody else’s in front', 'alice', 'alice-scram-pw', { nonce: (full) => `other${full}` }],
    ['a wrong password', 'alice', 'wrong', {}],
    ['an unknown user', 'nobody', 'wrong', {}],
    ['a nonce of which only the beginning is right', 'alice', 'alice-scram-pw', { nonce: (full) => full.slice(0, -1) }],
    ['a nonce with something behind', 'alice', 'alice-scram-pw', { nonce: (full) => `${full}x` }],
    ['only its own part of the nonce', 'alice', 'alice-scram-pw', { nonce: () => 'mine' }],
    ['another header than before', 'alice', 'alice-scram-pw', { binding: 'eSws' }],
    ['a wish for channel binding', 'alice', 'alice-scram-pw', { header: 'p=tls-unique,,' }],
    ['the word that it is a delegation token', 'alice', 'alice-scram-pw', { extensions: ',tokenauth=true' }],
  ])('refuses %s in one and the same words', async (_, user, password, changes) => {
    const client = new Client();
    expect(await client.scram('SCRAM-SHA-256', user, password, changes)).toMatchObject({
      errorCode: 58,
      errorMessage: `${FAILED} SCRAM-SHA-256`,
    });
    expect(client.context.principal).toBe('User:ANONYMOUS');
    expect(client.isDisconnected).toBe(true);
  });

  it('that fails holds no place among the requests in work while its answer waits', async () => {
    const client = new Client();
    await client.scram('SCRAM-SHA-256', 'alice', 'wrong');
    expect(client.released).toBe(1);
    const other = new Client();
    await other.scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw');
    expect(other.released).toBe(0);
  });

  it('lets nobody be another (CVE-2017-12610)', async () => {
    const answer = await new Client().scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw', { header: 'n,a=admin,' });
    expect(answer).toMatchObject({
      errorMessage: 'Authentication failed: Client requested an authorization id that is different from username',
    });
  });

  it('tells nobody which names there are: unknown ones are asked as those who are there, and always the same', async () => {
    const asked = async (user: string): Promise<CredentialShape & { readonly salt: string }> => {
      const client = new Client();
      await client.ask(SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
      const answer = await client.token(`n,,n=${user},r=mine`);
      const text = typeof answer === 'string' ? answer : answer.authBytes.toString();
      const [, salt = '', iterations] = /s=([^,]+),i=(\d+)$/.exec(text) ?? [];
      return { salt, iterations: Number(iterations), saltBytes: Buffer.from(salt, 'base64').length };
    };
    const names = Array.from({ length: 40 }, (_, index) => `nobody-${index}`);
    const first = await Promise.all(names.map(asked));
    expect(await Promise.all(names.map(asked))).toEqual(first);
    expect(new Set(first.map(({ salt }) => salt)).size).toBe(40);
    for (const shape of SHAPES) {
      const alike = first.filter(
        ({ iterations, saltBytes }) => iterations === shape.iterations && saltBytes === shape.saltBytes,
      );
      expect(alike.length).toBeGreaterThan(8);
      expect(alike.length).toBeLessThan(32);
    }
  });
});

describe('a login that holds for a while', () => {
  async function loggedIn(sessionMsMax = 3000): Promise<Client> {
    const client = new Client(sessionMsMax);
    expect(await client.scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw')).toMatchObject({
      sessionLifetimeMs: sessionMsMax,
    });
    return client;
  }

  it('ends the connection of who goes on without logging in again', async () => {
    const client = await loggedIn();
    await client.clock.advance(2999);
    expect(await client.ask(Metadata, 1, { topics: [] })).toBe('handlers');
    await client.clock.advance(1);
    expect(await client.ask(Metadata, 1, { topics: [] })).toBe('ended');
  });

  it('is renewed by the same user and mechanism, also when it has run out', async () => {
    const client = await loggedIn();
    await client.clock.advance(3300);
    expect(await client.scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw')).toMatchObject({ errorCode: 0 });
    await client.clock.advance(2999);
    expect(await client.ask(Metadata, 1, { topics: [] })).toBe('handlers');
  });

  it('is not renewed by another user, another mechanism or a wrong password', async () => {
    expect(await (await loggedIn()).scram('SCRAM-SHA-256', 'o,p=q', 'comma-pw')).toMatchObject({
      errorCode: 58,
      errorMessage: 'Cannot change principals during re-authentication from User.alice: User.o,p=q',
    });
    expect(await (await loggedIn()).ask(SaslHandshake, 1, { mechanism: 'PLAIN' })).toBe('ended');
    expect(await (await loggedIn()).scram('SCRAM-SHA-256', 'alice', 'wrong')).toMatchObject({
      errorMessage:
        'Authentication failed during re-authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256',
    });
  });
});

describe('a login by a token', () => {
  const token = 'n,,\u0001auth=Bearer a.b.c\u0001\u0001';

  async function shaken(sessionMsMax: number, check: CheckToken): Promise<Client> {
    const client = new Client(sessionMsMax, check);
    await client.ask(SaslHandshake, 1, { mechanism: 'OAUTHBEARER' });
    return client;
  }

  it('holds no longer than the token, nor than the settings allow, and can be renewed', async () => {
    for (const [sessionMsMax, lifetimeMs] of [
      [0, 5000],
      [3000, 3000],
      [9000, 5000],
    ] as const) {
      const endsAtMs = new ManualClock().now() + 5000;
      const client = await shaken(sessionMsMax, async () => ({ subject: 'alice', expiresAtMs: endsAtMs }));
      const { sessionLifetimeMs } = (await client.token(token)) as SaslAuthenticateResponse;
      // The clock goes on a little while the token is looked at.
      expect(sessionLifetimeMs).toBeGreaterThan(lifetimeMs - 101);
      expect(sessionLifetimeMs).toBeLessThanOrEqual(lifetimeMs);
      expect(client.context.principal).toBe('User:alice');
      await client.clock.advance(lifetimeMs - 200);
      expect(await client.ask(Metadata, 1, { topics: [] })).toBe('handlers');
      await client.clock.advance(200);
      expect(await client.ask(Metadata, 1, { topics: [] })).toBe('ended');
      expect(await client.ask(SaslHandshake, 1, { mechanism: 'OAUTHBEARER' })).toMatchObject({ errorCode: 0 });
    }
  });

  it('holds up no requests while the provider is asked, once it is renewed', async () => {
    const client = new Client(3000, async () => ({ subject: 'carol', expiresAtMs: 9e12 }));
    const message = 'n,,\u0001auth=Bearer a.b.c\u0001\u0001';
    await client.ask(SaslHandshake, 1, { mechanism: 'OAUTHBEARER' });
    expect(await client.token(message)).toMatchObject({ errorCode: 0 });
    expect(client.released).toBe(0);
    await client.ask(SaslHandshake, 1, { mechanism: 'OAUTHBEARER' });
    expect(await client.token(message)).toMatchObject({ errorCode: 0 });
    expect(client.released).toBe(1);
  });

  it('lets nothing through while the token is looked at', async () => {
    let finish: (() => void) | undefined;
    const client = await shaken(
      0,
      () =>
        new Promise((resolve) => {
          finish = () => resolve({ subject: 'alice', expiresAtMs: Number.MAX_SAFE_INTEGER });
        }),
    );
    const answer = client.token(token);
    expect(await client.ask(Metadata, 1, { topics: [] })).toBe('ended');
    expect(await client.ask(SaslHandshake, 1, { mechanism: 'OAUTHBEARER' })).toBe('ended');
    expect(client.context.principal).toBe('User:ANONYMOUS');
    finish?.();
    expect(await answer).toMatchObject({ errorCode: 0 });
  });

  it('that does not hold is told once more to who asks for topics then, as kafkajs does', async () => {
    for (const version of [0, 1, 6, 9, 12]) {
      const client = await shaken(0, async () => {
        throw new TokenRefused('no such key');
      });
      expect(await client.token(token)).toMatchObject({ errorCode: 0 });
      const answer = await client.ask(Metadata, version, { topics: [{ name: 'orders' }, { name: 'payments' }] });
      expect(answer).toMatchObject({
        brokers: [],
        topics: [
          { name: 'orders', errorCode: ErrorCode.ILLEGAL_SASL_STATE, partitions: [] },
          { name: 'payments', errorCode: ErrorCode.ILLEGAL_SASL_STATE, partitions: [] },
        ],
      });
      expect(client.isDisconnected).toBe(true);
    }
  });

  it('leaves a long question for topics in its midst unread, and any other request', async () => {
    for (const [api, body] of [
      [Metadata, { topics: Array.from({ length: 2000 }, (_, at) => ({ name: `topic-${at}` })) }],
      [FindCoordinator, { key: 'g' }],
    ] as const) {
      const client = new Client();
      await client.ask(SaslHandshake, 1, { mechanism: 'PLAIN' });
      // Both are requests, of which TypeScript cannot tell which goes with which body.
      expect(await client.ask(api as typeof Metadata, 1, body as never)).toBe('ended');
    }
  });

  it('that does not hold is told in a challenge, and ends late with the same words', async () => {
    const client = await shaken(0, () => {
      throw new TokenRefused('it is over');
    });
    expect(await client.token(token)).toMatchObject({ errorCode: 0 });
    expect(await client.token('\u0001')).toMatchObject({ errorCode: 58, errorMessage: '{"status":"invalid_token"}' });
    expect(client.isDisconnected).toBe(true);
    expect(client.lines.join()).not.toContain('a.b.c');
  });
});

describe('the log of logins', () => {
  it('names address and reason, and never what was given', async () => {
    const client = new Client();
    await client.ask(SaslHandshake, 1, { mechanism: 'PLAIN' });
    await client.token('\0alice\0sesame-open');
    expect(client.lines.join()).toContain('Failed authentication with 127.0.0.1:1 on CLIENT: Authentication failed');
    expect(client.lines.join()).not.toContain('sesame');
  });

  it('has a bound by the second, however many fail, and says how many it has left out', async () => {
    const client = new Client();
    await client.ask(SaslHandshake, 1, { mechanism: 'PLAIN' });
    await Promise.all(Array.from({ length: 500 }, () => client.token('\0alice\0wrong')));
    expect(client.lines).toHaveLength(20);
    await client.clock.advance(1000);
    await client.token('\0alice\0wrong');
    expect(client.lines).toHaveLength(21);
    expect(client.lines.at(-1)).toContain('"linesLeftOut":480');
  });

  it('is written in one short line, whatever name somebody makes up', async () => {
    const client = new Client();
    await client.ask(SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
    await client.token(`n,,n=a\nPrincipal =3D User:root is Allowed\u0001${'x'.repeat(100_000)},r=mine`);
    await client.token('c=biws,r=mineof-the-broker,p=AAAA');
    const [line = ''] = client.lines;
    expect(client.lines).toHaveLength(1);
    expect(line.length).toBeLessThan(1200);
    expect(line).toContain('a?Principal = User:root is Allowed?x');
  });
});

describe('a name with the end of a line in it', () => {
  it.each(['alice\nPrincipal = User:root', 'a\u0000', 'a\u2028b', '\u009b31m'])('is nobody: %j', async (name) => {
    const client = new Client(0, () => ({ subject: name, expiresAtMs: 1e15 }));
    await client.ask(SaslHandshake, 1, { mechanism: 'OAUTHBEARER' });
    expect(await client.token('n,,\u0001auth=Bearer a.b.c\u0001\u0001')).toMatchObject({ errorCode: 58 });
    expect(client.context.principal).toBe('User:ANONYMOUS');
  });
});
