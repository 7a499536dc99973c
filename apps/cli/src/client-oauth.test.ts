import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { OauthBearerToken } from '@millrace/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clientConfigOf } from './client-config.ts';

interface Asked {
  readonly authorization: string | undefined;
  readonly body: string;
}

let server: Server;
let endpoint: string;
const asked: Asked[] = [];
let answer: { readonly status: number; readonly body: string };

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

beforeAll(async () => {
  server = createServer(async (request, response) => {
    asked.push({ authorization: request.headers.authorization, body: await textOf(request) });
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A server that listens on a port has one.
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
});
beforeEach(() => {
  asked.length = 0;
  answer = { status: 200, body: JSON.stringify({ access_token: 'abc', expires_in: 300 }) };
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** What the SDKs call when they log in. */
async function tokensOf(properties: Readonly<Record<string, string>>): Promise<() => Promise<OauthBearerToken>> {
  const all = { 'security.protocol': 'SASL_PLAINTEXT', 'sasl.mechanism': 'OAUTHBEARER', ...properties };
  const { connection, unused } = await clientConfigOf(new Map(Object.entries(all)));
  expect(unused).toEqual([]);
  // The test names the mechanism itself.
  return (connection.sasl as { token: () => Promise<OauthBearerToken> }).token;
}

const JAAS = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required';

describe('OAUTHBEARER in client properties', () => {
  it("takes Kafka's properties, and gets one token for all connections", async () => {
    const token = await tokensOf({
      'sasl.oauthbearer.token.endpoint.url': endpoint,
      'sasl.login.callback.handler.class':
        'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler',
      'sasl.jaas.config': `${JAAS} clientId="an:n" clientSecret="s&t" scope="read write" extension_logicalCluster="lkc-1";`,
    });
    const value = { value: 'abc', extensions: { logicalCluster: 'lkc-1' } };
    expect([await token(), await token()]).toEqual([value, value]);
    expect(asked).toEqual([
      {
        authorization: `Basic ${Buffer.from('an%3An:s%26t').toString('base64')}`,
        body: 'grant_type=client_credentials&scope=read+write',
      },
    ]);
  });

  it("takes librdkafka's and Kafka 4's names", async () => {
    const token = await tokensOf({
      'sasl.oauthbearer.method': 'oidc',
      'sasl.oauthbearer.token.endpoint.url': endpoint,
      'sasl.oauthbearer.client.id': 'ann',
      'sasl.oauthbearer.client.secret': 'x',
      'sasl.oauthbearer.extensions': 'a=1, b=2=3',
    });
    expect(await token()).toEqual({ value: 'abc', extensions: { a: '1', b: '2=3' } });
    const newer = await tokensOf({
      'sasl.oauthbearer.token.endpoint.url': endpoint,
      'sasl.oauthbearer.client.credentials.client.id': 'ann',
      'sasl.oauthbearer.client.credentials.client.secret': 'x',
      'sasl.oauthbearer.scope': 's',
    });
    await newer();
    expect(asked[1]!.body).toContain('scope=s');
  });

  it('gets a new token when the old one is over, or does not say how long it holds', async () => {
    const properties = {
      'sasl.oauthbearer.token.endpoint.url': endpoint,
      'sasl.oauthbearer.client.id': 'ann',
      'sasl.oauthbearer.client.secret': 'x',
    };
    answer = { status: 200, body: '{"access_token":"short","expires_in":5}' };
    const token = await tokensOf(properties);
    await token();
    answer = { status: 200, body: '{"access_token":"next"}' };
    expect((await token()).value).toBe('next');
    await token();
    expect(asked.length).toBe(3);
  });

  it.each([
    [401, '{"error":"invalid_client","error_description":"who is ann?"}', 'gave no token (HTTP 401): who is ann?'],
    [500, '<html>', 'gave no token (HTTP 500): no reason given'],
    [200, '{}', 'answered without an access_token'],
  ])('says what is wrong when the endpoint answers %i with %s', async (status, body, message) => {
    answer = { status, body };
    const jaas = `${JAAS} clientId="ann" clientSecret="x";`;
    const token = await tokensOf({ 'sasl.oauthbearer.token.endpoint.url': endpoint, 'sasl.jaas.config': jaas });
    await expect(token()).rejects.toThrow(message);
  });

  it('reads a token from a file, every time', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-token-'));
    const file = join(folder, 'token');
    await writeFile(file, 'one\n');
    const token = await tokensOf({ 'sasl.oauthbearer.token.endpoint.url': pathToFileURL(file).href });
    expect((await token()).value).toBe('one');
    await writeFile(file, 'two');
    expect((await token()).value).toBe('two');
    await rm(folder, { recursive: true });
    await expect(token()).rejects.toThrow('the token cannot be read from file:');
  });

  it('makes tokens without a signature for brokers that are set up for tests', async () => {
    const token = await tokensOf({ 'sasl.jaas.config': `${JAAS} unsecuredLoginStringClaim_sub="ann";` });
    const [header, claims, signature] = (await token()).value.split('.');
    expect(JSON.parse(Buffer.from(header!, 'base64url').toString())).toEqual({ alg: 'none' });
    expect(JSON.parse(Buffer.from(claims!, 'base64url').toString())).toMatchObject({ sub: 'ann' });
    expect(signature).toBe('');
  });

  it.each([
    [{}, 'OAUTHBEARER needs a source of tokens'],
    [{ 'sasl.oauthbearer.token.endpoint.url': 'ftp://x' }, 'is no http, https or file URL'],
    [{ 'sasl.oauthbearer.token.endpoint.url': 'https://x' }, 'OAUTHBEARER needs clientId and clientSecret'],
  ])('is refused without what it needs: %j', async (properties, message) => {
    await expect(tokensOf(properties as Record<string, string>)).rejects.toThrow(message);
  });
});
