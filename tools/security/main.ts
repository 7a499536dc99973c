/**
 * `node tools/security/main.ts compare [rights] [logins] [--all]`: asks a running Apache Kafka 3.9.1 in ZooKeeper mode and ours the same,
 * and prints what is answered otherwise: every recorded request with five sets of rights, or with all 36 of them, and logins in every way.
 * Needs `java` and openssl.
 *
 * `node tools/security/main.ts rolling`: secures a cluster of ours step by step while clients write, and changes its secrets; see
 * `rolling-change.ts`. Needs ZooKeeper and openssl.
 *
 * `node tools/security/main.ts [3|4]`: starts Apache Kafka with one listener per way to authenticate, and holds the connection
 * of `@millrace/network` against each: PLAIN, SCRAM-SHA-256 and -512, OAUTHBEARER, TLS, sessions that end; then the SDKs. Needs `java`.
 */
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import type { ClientOptions } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { Connection, type ConnectionOptions, type SaslOptions } from '@millrace/network';
import { Producer } from '@millrace/producer';
import { AlterUserScramCredentials, Metadata } from '@millrace/protocol';
import { freePort, KAFKA_3, KAFKA_4, startApacheKafka } from '../kafka/index.ts';
import { compareLogins } from './compare/logins.ts';
import { startPair } from './compare/pair.ts';
import { compareRights } from './compare/rights.ts';
import { changeRolling } from './rolling-change.ts';

const HOST = '127.0.0.1';
const SESSION_MS = 2_000;
const ITERATIONS = 4096;
const certificates = new URL('../../packages/network/fixtures/', import.meta.url);
const pem = (name: string): string => readFileSync(new URL(name, certificates), 'utf8');

/** An unsigned token, which the broker's development validator takes. */
function unsecuredToken(subject: string): string {
  const seconds = Math.floor(Date.now() / 1000);
  const part = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: seconds, exp: seconds + 3600 })}.`;
}

const plain = (password: string): SaslOptions => ({ mechanism: 'PLAIN', username: 'alice', password });
const scram = (mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512', password: string): SaslOptions => ({
  mechanism,
  username: 'bob,=x',
  password,
});
const oauth = (token: string): SaslOptions => ({ mechanism: 'OAUTHBEARER', token: () => token });

type Ports = Readonly<Record<'port' | 'saslPort' | 'tlsPort' | 'controllerPort', number>>;

/** One listener without a login, one with SASL, one with SASL over TLS. */
function startSecuredKafka(version: string, keystore: string, ports: Ports): ReturnType<typeof startApacheKafka> {
  const { port, saslPort, tlsPort, controllerPort } = ports;
  const module = (name: string, rest = ''): string => `org.apache.kafka.common.security.${name} required ${rest};`;
  return startApacheKafka({
    version,
    port,
    config: {
      'controller.quorum.voters': `1@${HOST}:${controllerPort}`,
      listeners: `PLAINTEXT://${HOST}:${port},SASL://${HOST}:${saslPort},TLS://${HOST}:${tlsPort},CONTROLLER://${HOST}:${controllerPort}`,
      'advertised.listeners': `PLAINTEXT://${HOST}:${port},SASL://${HOST}:${saslPort},TLS://${HOST}:${tlsPort}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL,CONTROLLER:PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      'connections.max.reauth.ms': String(SESSION_MS),
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': keystore,
      ...Object.fromEntries(
        ['sasl', 'tls'].flatMap((listener) => [
          [`listener.name.${listener}.plain.sasl.jaas.config`, module('plain.PlainLoginModule', 'user_alice="secret"')],
          [`listener.name.${listener}.scram-sha-256.sasl.jaas.config`, module('scram.ScramLoginModule')],
          [`listener.name.${listener}.scram-sha-512.sasl.jaas.config`, module('scram.ScramLoginModule')],
          [
            `listener.name.${listener}.oauthbearer.sasl.jaas.config`,
            module('oauthbearer.OAuthBearerLoginModule', 'unsecuredLoginStringClaim_sub="broker"'),
          ],
        ]),
      ),
    },
  });
}

async function main(): Promise<void> {
  const version = process.argv[2] === '4' ? KAFKA_4 : KAFKA_3;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-security-'));
  const keystore = join(folder, 'broker.pem');
  writeFileSync(keystore, `${pem('localhost.key.pem')}${pem('localhost.cert.pem')}`);
  const [port, saslPort, tlsPort, controllerPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const kafka = await startSecuredKafka(version, keystore, { port, saslPort, tlsPort, controllerPort });
  try {
    await addScramUser(port, 'bob,=x', 'pä,ss');
    const tls = { tls: { ca: pem('localhost.cert.pem') } };
    let failed = 0;
    const check = async (name: string, options: Partial<ConnectionOptions>, expected: string): Promise<void> => {
      const outcome = await tryConnection({ host: HOST, port: saslPort, ...options });
      failed += outcome === expected ? 0 : 1;
      console.log(`${outcome === expected ? 'ok  ' : 'FAIL'} ${name}: ${outcome}`);
    };
    const refused = 'NETWORK_AUTHENTICATION_FAILED';
    await check('PLAIN', { sasl: plain('secret') }, 'answered');
    await check('PLAIN, wrong password', { sasl: plain('wrong') }, refused);
    await check('PLAIN over TLS', { ...tls, port: tlsPort, sasl: plain('secret') }, 'answered');
    await check(
      'TLS, certificate not known',
      { tls: true, port: tlsPort, sasl: plain('secret') },
      'NETWORK_TLS_FAILED',
    );
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      await check(mechanism, { sasl: scram(mechanism, 'pä,ss') }, 'answered');
      await check(`${mechanism}, wrong password`, { sasl: scram(mechanism, 'wrong') }, refused);
    }
    await check('OAUTHBEARER', { sasl: oauth(unsecuredToken('carol')) }, 'answered');
    await check('OAUTHBEARER, not a token', { sasl: oauth('nonsense') }, refused);
    await check('SASL where there is none', { port, sasl: plain('secret') }, refused);
    await check('no SASL where it is wanted', {}, 'NETWORK_CONNECTION_LOST');
    await check('plaintext where TLS is wanted', { port: tlsPort }, 'NETWORK_UNEXPECTED_RESPONSE');
    for (const [name, sasl] of [
      ['PLAIN', plain('secret')],
      ['SCRAM-SHA-512', scram('SCRAM-SHA-512', 'pä,ss')],
      ['OAUTHBEARER', oauth(unsecuredToken('carol'))],
    ] as const) {
      const outcome = await roundTrip({ bootstrapServers: `${HOST}:${tlsPort}`, ...tls, sasl }, name);
      failed += outcome === 'read' ? 0 : 1;
      console.log(`${outcome === 'read' ? 'ok  ' : 'FAIL'} admin, producer and a group, ${name} over TLS: ${outcome}`);
    }
    process.exitCode = failed === 0 ? 0 : 1;
  } finally {
    await kafka.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A topic is made, a record written, and read by a group, all with these credentials, over longer than a session lasts. */
async function roundTrip(client: ClientOptions, name: string): Promise<string> {
  const topic = `secured-${name}`;
  try {
    await using admin = new Admin(client);
    await admin.createTopics([{ topic, partitions: 1, replicationFactor: 1 }]);
    await using producer = new Producer(client);
    await producer.send({ topic, value: 'before' });
    await sleep(SESSION_MS * 1.5);
    await producer.send({ topic, value: 'after' });
    await using consumer = new Consumer({ ...client, groupId: topic, autoOffsetReset: 'earliest' });
    consumer.subscribe(topic);
    const values: string[] = [];
    for await (const { value } of consumer) {
      if (values.push(String(value)) === 2) break;
    }
    return values.join() === 'before,after' ? 'read' : `read ${values.join()}`;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** Connects, asks at once and again after the session would have ended without re-authentication. */
async function tryConnection(options: ConnectionOptions): Promise<string> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.connect(options);
    await connection.send(Metadata, 'auto', { topics: [] });
    if (options.sasl !== undefined) {
      await sleep(SESSION_MS * 1.5);
      await connection.send(Metadata, 'auto', { topics: [] });
    }
    return 'answered';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await connection?.close();
  }
}

async function addScramUser(port: number, name: string, password: string): Promise<void> {
  const connection = await Connection.connect({ host: HOST, port });
  const salt = randomBytes(16);
  // One user's credentials may be altered only once in a request.
  for (const mechanism of [1, 2] as const) {
    const saltedPassword = pbkdf2Sync(
      password,
      salt,
      ITERATIONS,
      mechanism * 32,
      mechanism === 1 ? 'sha256' : 'sha512',
    );
    const { results } = await connection.send(AlterUserScramCredentials, 'auto', {
      deletions: [],
      upsertions: [{ name, mechanism, iterations: ITERATIONS, salt, saltedPassword }],
    });
    const refused = results.find(({ errorCode }) => errorCode !== 0);
    if (refused !== undefined) throw new Error(`Kafka does not take the SCRAM user: ${refused.errorMessage}`);
  }
  await connection.close();
}

async function rolling(): Promise<void> {
  const { sent, failed, longestMs, lost, letIn, unclear, seconds } = await changeRolling((line) => console.log(line));
  console.log(
    `${sent} sends in ${seconds.toFixed(0)} s: ${failed.length} failed, ${lost} lost, the longest took ${longestMs.toFixed(0)} ms`,
  );
  for (const reason of failed.slice(0, 5)) console.log(`  ${reason}`);
  process.exitCode = [failed, letIn, unclear].every(({ length }) => length === 0) && lost === 0 ? 0 : 1;
}

async function compare(): Promise<void> {
  const wants = (what: string): boolean =>
    process.argv.includes(what) || !['rights', 'logins'].some((each) => process.argv.includes(each));
  const pair = await startPair();
  try {
    let differing = 0;
    if (wants('logins')) differing += await compareLogins(pair);
    if (wants('rights')) differing += await compareRights(pair, process.argv.includes('--all'));
    process.exitCode = differing === 0 ? 0 : 1;
  } finally {
    await pair.stop();
  }
}

const commands: Readonly<Record<string, () => Promise<void>>> = { compare, rolling };
await (commands[process.argv[2] ?? ''] ?? main)();
