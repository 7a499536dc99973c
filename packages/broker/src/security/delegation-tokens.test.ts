import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import {
  CreateDelegationToken,
  DescribeDelegationToken,
  ErrorCode,
  ExpireDelegationToken,
  RenewDelegationToken,
} from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest, type TestConnection } from '../testing/test-broker.ts';
import type { LoginStep } from './login/exchange.ts';
import { inventedCredential } from './login/invented-credential.ts';
import { scramLogin } from './login/scram.ts';
import type { ScramMechanism } from './login/scram-credential.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let test: BrokerUnderTest;

beforeEach(async () => {
  test = await BrokerUnderTest.start({ 'delegation.token.secret.key': 'test-secret' });
});
afterEach(() => test.stop());

/** A connection of somebody who has logged in. */
function as(user: string, changes: object = {}): TestConnection {
  const client = test.connect();
  Object.assign(client.context, { principal: `User:${user}`, securityProtocol: 'SASL_SSL', ...changes });
  return client;
}

const create = (client: TestConnection, changes: object = {}) =>
  client.ask(CreateDelegationToken, 3, {
    ownerPrincipalType: null,
    ownerPrincipalName: null,
    renewers: [],
    maxLifetimeMs: -1,
    ...changes,
  });
const bob = [{ principalType: 'User', principalName: 'bob' }];

async function nodesBelow(path: string): Promise<Record<string, string>> {
  const store = test.store.openSession();
  const names = await store.children(path);
  const found = await Promise.all(
    names.map(async (name) => [name, (await store.get(`${path}/${name}`)).data.toString()]),
  );
  await store.close();
  return Object.fromEntries(found);
}

describe('a delegation token', () => {
  it('is kept as Kafka 3.9.1 keeps it, without its secret, which is derived', async () => {
    const made = await create(as('alice'), { renewers: bob, maxLifetimeMs: HOUR_MS });
    const now = test.clock.now();
    expect(made).toMatchObject({
      errorCode: 0,
      principalType: 'User',
      principalName: 'alice',
      tokenRequesterPrincipalName: 'alice',
      issueTimestampMs: now,
      expiryTimestampMs: now + HOUR_MS,
      maxTimestampMs: now + HOUR_MS,
    });
    expect(made.hmac).toEqual(createHmac('sha512', 'test-secret').update(made.tokenId).digest());
    const nodes = await nodesBelow('/delegation_token/tokens');
    expect(JSON.parse(nodes[made.tokenId] as string)).toEqual({
      version: 3,
      owner: 'User%3Aalice',
      tokenRequester: 'User%3Aalice',
      renewers: ['User%3Abob'],
      issueTimestamp: now,
      maxTimestamp: now + HOUR_MS,
      expiryTimestamp: now + HOUR_MS,
      tokenId: made.tokenId,
    });
    expect(Object.values(await nodesBelow('/delegation_token/token_changes'))).toEqual([made.tokenId]);
  });

  it('lives for a day, renewed for seven, and may be ended by its owner and his renewers alone', async () => {
    const made = await create(as('alice'), { renewers: bob });
    const issued = made.issueTimestampMs;
    expect([made.expiryTimestampMs, made.maxTimestampMs]).toEqual([issued + DAY_MS, issued + 7 * DAY_MS]);
    const renew = (user: string, renewPeriodMs: number, hmac = made.hmac) =>
      as(user).ask(RenewDelegationToken, 2, { hmac, renewPeriodMs });
    expect((await renew('carol', 1)).errorCode).toBe(ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH);
    expect((await renew('alice', 1, Buffer.alloc(64))).errorCode).toBe(ErrorCode.DELEGATION_TOKEN_NOT_FOUND);
    expect((await renew('bob', 2 * DAY_MS)).expiryTimestampMs).toBe(issued + 2 * DAY_MS);
    expect((await renew('alice', 100 * DAY_MS)).expiryTimestampMs).toBe(issued + 7 * DAY_MS);
    expect((await renew('alice', -1)).expiryTimestampMs).toBe(issued + DAY_MS);
    const expire = (user: string, expiryTimePeriodMs: number) =>
      as(user).ask(ExpireDelegationToken, 2, { hmac: made.hmac, expiryTimePeriodMs });
    expect((await expire('carol', -1)).errorCode).toBe(ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH);
    expect((await expire('bob', HOUR_MS)).expiryTimestampMs).toBe(issued + HOUR_MS);
    expect(await expire('alice', -1)).toMatchObject({ errorCode: 0, expiryTimestampMs: issued });
    expect(await nodesBelow('/delegation_token/tokens')).toEqual({});
    expect((await expire('alice', -1)).errorCode).toBe(ErrorCode.DELEGATION_TOKEN_NOT_FOUND);
  });

  it('cannot be renewed once it has ended, and goes then', async () => {
    const made = await create(as('alice'), { maxLifetimeMs: 60_000 });
    await test.clock.advance(60_001);
    const renewed = await as('alice').ask(RenewDelegationToken, 2, { hmac: made.hmac, renewPeriodMs: -1 });
    expect(renewed.errorCode).toBe(ErrorCode.DELEGATION_TOKEN_EXPIRED);
    await test.clock.advance(HOUR_MS);
    await expect.poll(() => nodesBelow('/delegation_token/tokens')).toEqual({});
  });

  it.each<[string, string, object, object, number]>([
    ['over plain text', 'alice', { securityProtocol: 'PLAINTEXT' }, {}, 64],
    ['without a certificate', 'ANONYMOUS', { securityProtocol: 'SSL' }, {}, 64],
    [
      'by a token',
      'alice',
      { authentication: { stage: 'done', mechanism: 'SCRAM-SHA-256', expiresAtMs: 1, isByToken: true } },
      {},
      64,
    ],
    ['with a group to renew it', 'alice', {}, { renewers: [{ principalType: 'Group', principalName: 'g' }] }, 67],
    ['with a thousand to renew it', 'alice', {}, { renewers: Array.from({ length: 1000 }, () => bob[0]) }, 42],
  ])('is not made %s', async (_, user, connection, request, errorCode) => {
    expect(await create(as(user, connection), request)).toMatchObject({ errorCode, tokenId: '' });
    expect(await nodesBelow('/delegation_token/tokens')).toEqual({});
  });

  it('is known after a restart, and from another broker’s word', async () => {
    const made = await create(as('alice'));
    await test.restart();
    const described = await as('alice').ask(DescribeDelegationToken, 3, { owners: null });
    expect(described.tokens).toMatchObject([{ tokenId: made.tokenId, principalName: 'alice', hmac: made.hmac }]);
    const other = test.store.openSession();
    await other.delete(`/delegation_token/tokens/${made.tokenId}`, 'any');
    await other.create('/delegation_token/token_changes/token_change_', Buffer.from(made.tokenId), {
      sequential: true,
    });
    await expect
      .poll(async () => (await as('alice').ask(DescribeDelegationToken, 3, { owners: null })).tokens)
      .toEqual([]);
    await other.close();
  });

  it('that nobody can read lets nobody in, and harms nobody', async () => {
    const other = test.store.openSession();
    for (const [id, text] of Object.entries({
      a: '',
      b: '{}',
      c: '{"owner":7}',
      d: '{"owner":"User%3Aa","renewers":[]}',
    })) {
      await other.create(`/delegation_token/tokens/${id}`, Buffer.from(text));
      await other.create('/delegation_token/token_changes/token_change_', Buffer.from(id), { sequential: true });
    }
    await other.create('/delegation_token/token_changes/token_change_', Buffer.from('../../etc'), { sequential: true });
    await other.close();
    expect((await create(as('alice'))).errorCode).toBe(0);
    const { tokens } = await as('alice').ask(DescribeDelegationToken, 3, { owners: null });
    expect(tokens).toHaveLength(1);
  });

  it('is taken up when it is mended though nobody tells of it, after a start with the rubbish too', async () => {
    const { tokenId } = await create(as('alice'));
    const path = `/delegation_token/tokens/${tokenId}`;
    const known = async (): Promise<string[]> =>
      (await as('alice').ask(DescribeDelegationToken, 3, { owners: null })).tokens.map((token) => token.tokenId);
    const other = test.store.openSession();
    const { data } = await other.get(path);
    await other.set(path, data.subarray(0, data.length / 2), 'any');
    await test.restart();
    expect(await known()).toEqual([]);
    await other.set(path, data, 'any');
    await expect.poll(known).toEqual([tokenId]);
    await other.close();
  });
});

describe('tokens that are told of', () => {
  it('are one’s own, those that one may renew, and those of the owners that were asked for', async () => {
    test.authorizer = { isAllowed: () => false, isAllowedForAny: () => false };
    await create(as('alice'), { renewers: bob });
    await create(as('carol'));
    const of = async (user: string, owners: string[] | null): Promise<string[]> => {
      const asked = owners?.map((principalName) => ({ principalType: 'User', principalName })) ?? null;
      const { tokens } = await as(user).ask(DescribeDelegationToken, 3, { owners: asked });
      return tokens.map(({ principalName }) => principalName);
    };
    expect(await of('alice', null)).toEqual(['alice']);
    expect(await of('bob', null)).toEqual(['alice']);
    expect(await of('bob', ['carol'])).toEqual([]);
    expect(await of('dave', null)).toEqual([]);
    test.authorizer = { isAllowed: ({ operation }) => operation === 'DescribeTokens', isAllowedForAny: () => false };
    expect(await of('dave', null)).toHaveLength(2);
    expect(await of('dave', ['carol'])).toEqual(['carol']);
    expect((await create(as('dave'), { ownerPrincipalType: 'User', ownerPrincipalName: 'alice' })).errorCode).toBe(65);
  });
});

describe('a broker without a secret for tokens', () => {
  it('says so, and makes none', async () => {
    const other = await BrokerUnderTest.start();
    const client = other.connect();
    Object.assign(client.context, { principal: 'User:alice', securityProtocol: 'SASL_SSL' });
    expect((await create(client)).errorCode).toBe(ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED);
    expect((await client.ask(DescribeDelegationToken, 3, { owners: null })).errorCode).toBe(61);
    expect((await client.ask(RenewDelegationToken, 2, { hmac: Buffer.alloc(1), renewPeriodMs: 1 })).errorCode).toBe(61);
    await other.stop();
  });
});

describe('a login by a token', () => {
  async function login(id: string, secret: Buffer, mechanism: ScramMechanism = 'SCRAM-SHA-256'): Promise<LoginStep> {
    const { delegationTokens } = test.broker.services;
    const exchange = scramLogin({
      mechanism,
      find: () => undefined,
      findToken: async (wanted) => {
        const found = await delegationTokens.find(wanted, mechanism);
        return (
          found && {
            owner: found.token.owner.slice(5),
            expiresAtMs: found.token.expiresMs,
            credential: found.credential,
          }
        );
      },
      nonce: () => 'of-the-broker',
      invent: (user) => inventedCredential(mechanism, user, Buffer.from('secret'), () => undefined),
    });
    const bare = `n=${id},r=mine,tokenauth=true`;
    const first = await exchange.respond(Buffer.from(`n,,${bare}`));
    const serverFirst = first.challenge.toString();
    const [, salt = '', iterations = ''] = /,s=(.*),i=(.*)$/.exec(serverFirst) ?? [];
    const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
    const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
    const bytes = hash === 'sha256' ? 32 : 64;
    const salted = pbkdf2Sync(secret.toString('base64'), Buffer.from(salt, 'base64'), Number(iterations), bytes, hash);
    const withoutProof = 'c=biws,r=mineof-the-broker';
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(createHash(hash).update(clientKey).digest(), `${bare},${serverFirst},${withoutProof}`);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0))).toString('base64');
    return exchange.respond(Buffer.from(`${withoutProof},p=${proof}`));
  }

  it.each<ScramMechanism>(['SCRAM-SHA-256', 'SCRAM-SHA-512'])(
    'is in its owner’s name, by %s, until it ends',
    async (mechanism) => {
      const made = await create(as('alice'), { maxLifetimeMs: HOUR_MS });
      expect(await login(made.tokenId, made.hmac, mechanism)).toMatchObject({
        isDone: true,
        user: 'alice',
        expiresAtMs: made.expiryTimestampMs,
        isByToken: true,
      });
      await expect(login(made.tokenId, Buffer.alloc(64), mechanism)).rejects.toThrow('wrong');
      await expect(login('unknown', made.hmac, mechanism)).rejects.toThrow('wrong');
      await test.clock.advance(HOUR_MS);
      await expect(login(made.tokenId, made.hmac, mechanism)).rejects.toThrow('wrong');
    },
  );
});
