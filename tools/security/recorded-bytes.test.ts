/** Bytes before any login, announced sizes and what is no Kafka at all among them, as Apache Kafka 3.9.1 has taken them. */
import { readFileSync } from 'node:fs';
import { connect as connectTls } from 'node:tls';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RawClient } from '../faults/raw-client.ts';

interface Row {
  readonly what: string;
  readonly listener?: 'PLAINTEXT' | 'SASL_PLAINTEXT' | 'SSL';
  readonly frames?: readonly { readonly from: 'client' | 'broker'; readonly hex?: string }[];
  readonly closed?: boolean;
  readonly error?: string;
}

const rows = readFileSync(new URL('fixtures/bytes-3.9.1.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row);

/** Long enough for a broker that would end the connection, on a machine that does much else. */
const LOOK_MS = 1_500;
const DELAY_MS = 100;
/** Timers may be that much too early. */
const EARLY_MS_MAX = 5;
/** A browser is told here what it has met; Kafka hangs up. */
const HTTP = 'HTTP request to the SASL listener';
/** Kafka hangs up with an alert, which who speaks no TLS cannot read; here it is the end alone, and the log that says why. */
const PLAIN_TO_TLS = 'ApiVersions in plain text to the SSL listener';
/** A message like any other one that is no login, so it is answered late. A size that cannot be ends the connection at once here, and late there. */
const EMPTY = 'empty frame before login';

const pem = (name: string): string =>
  readFileSync(new URL(`../../packages/network/fixtures/localhost.${name}.pem`, import.meta.url), 'utf8');

const brokers = new Map<string, TestBroker>();
beforeAll(async () => {
  // Failed logins are answered late, as by the recorded broker.
  const config = { 'connection.failed.authentication.delay.ms': DELAY_MS };
  brokers.set('PLAINTEXT', await startBroker());
  brokers.set('SASL_PLAINTEXT', await startBroker({ users: { alice: 'alice-pw' }, config }));
  brokers.set('SSL', await startBroker({ tls: { key: pem('key'), cert: pem('cert') } }));
});
afterAll(async () => {
  for (const broker of brokers.values()) await broker.close();
});

const portOf = (listener = ''): number => brokers.get(listener)?.port ?? 0;

it.each(rows.filter(({ frames }) => frames !== undefined))('$what', async ({ what, listener, frames = [], closed }) => {
  const client = await RawClient.connect(portOf(listener));
  const hexOf = (from: string): string =>
    frames.map((frame) => (frame.from === from ? (frame.hex ?? '') : '')).join('');
  const beganMs = performance.now();
  client.write(Buffer.from(hexOf('client'), 'hex'));
  const isClosed = await Promise.race([
    client.closed.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), LOOK_MS)),
  ]);
  const tookMs = performance.now() - beganMs;
  const heard = client.received;
  client.close();
  expect(isClosed).toBe(closed);
  if (what === HTTP) expect(heard.toString()).toMatch(/^HTTP\/1\.1 400 /);
  else expect(heard.toString('hex')).toBe(what === PLAIN_TO_TLS ? '' : hexOf('broker'));
  if (what === EMPTY) expect(tookMs).toBeGreaterThan(DELAY_MS - EARLY_MS_MAX);
});

it.each(rows.filter(({ error }) => error !== undefined))('$what', async ({ what, error }) => {
  const listener = what.includes('SASL_PLAINTEXT') ? 'SASL_PLAINTEXT' : 'PLAINTEXT';
  const failed = Promise.withResolvers<NodeJS.ErrnoException>();
  const socket = connectTls({ port: portOf(listener), host: '127.0.0.1', rejectUnauthorized: false });
  socket.on('error', failed.resolve).on('secureConnect', () => failed.resolve(new Error('it shook hands')));
  expect((await failed.promise).code).toBe(error);
  socket.destroy();
});

it('are all of the recording', () => expect(rows).toHaveLength(13));
