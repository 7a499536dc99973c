import { createPrivateKey } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { Logger } from '@millrace/broker';
import { Connection } from '@millrace/network';
import { DescribeConfigs, IncrementalAlterConfigs, Metadata } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from '../broker-process.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../../packages/network/fixtures/${name}.pem`, import.meta.url));
const LOCATION = 'listener.name.ssl.ssl.keystore.location';
const INVALID_REQUEST = 42;

let folder: string;
let lines: string[];
let broker: BrokerProcess;
let admin: Connection;
let settings: Readonly<Record<string, string>>;

beforeEach(async () => {
  lines = [];
  folder = await mkdtemp(join(tmpdir(), 'millrace-certificates-'));
  settings = {
    'broker.id': '3',
    'log.dirs': join(folder, 'data'),
    'millrace.http.port': '',
    listeners: 'SSL://127.0.0.1:0,PLAINTEXT://127.0.0.1:0',
    'advertised.listeners': 'SSL://localhost:0,PLAINTEXT://localhost:0',
    'security.inter.broker.protocol': 'SSL',
    'ssl.keystore.location': fixture('issued-first'),
    'ssl.truststore.location': fixture('authority.cert'),
  };
  await start();
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(overrides: Readonly<Record<string, string>> = {}): Promise<void> {
  const line = (...given: unknown[]): void => void lines.push(inspect(given, { depth: null }));
  const logger: Logger = { debug: line, info: line, warn: line, error: line };
  broker = await startBrokerProcess({ env: {}, logger, overrides: { ...settings, ...overrides } });
  admin = await Connection.connect({ host: 'localhost', port: portOf('PLAINTEXT') });
}

async function stop(): Promise<void> {
  await admin.close();
  await broker.stop();
}

function portOf(listener: string): number {
  return broker.endpoints.find((each) => each.listener === listener)?.port ?? 0;
}

const KEY_PASSWORD = 'listener.name.ssl.ssl.key.password';
const SECRET = { 'password.encoder.secret': 'an encoder secret' };

/** The same with its key encrypted. */
function locked(pem: string, passphrase: string): string {
  const [key = '', ...certificates] = parts(pem);
  const encrypted = createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
  return [encrypted, ...certificates].join('\n');
}

function parts(pem: string): string[] {
  return pem.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n/g) ?? [];
}

/** Null takes a setting back. */
async function setAll(values: Readonly<Record<string, string | null>>): Promise<{ errorCode: number }> {
  const configs = Object.entries(values).map(([name, value]) => ({
    name,
    configOperation: value === null ? 1 : 0,
    value,
  }));
  const resources = [{ resourceType: 4, resourceName: '3', configs }];
  const { responses } = await admin.send(IncrementalAlterConfigs, 1, { resources, validateOnly: false });
  return responses[0] as { errorCode: number }; // One for each that was asked for.
}

async function describedConfigs() {
  const resources = [{ resourceType: 4, resourceName: '3', configurationKeys: null }];
  const asked = { resources, includeSynonyms: true, includeDocumentation: false };
  return (await admin.send(DescribeConfigs, 3, asked)).results[0]?.configs ?? [];
}

async function set(value: string | null, name = LOCATION): Promise<{ errorCode: number; errorMessage: string | null }> {
  const configs = [{ name, configOperation: value === null ? 1 : 0, value }];
  const resources = [{ resourceType: 4, resourceName: '3', configs }];
  const { responses } = await admin.send(IncrementalAlterConfigs, 1, { resources, validateOnly: false });
  return responses[0] as { errorCode: number; errorMessage: string | null };
}

/** The names in the certificate that is shown to somebody who trusts the authority and looks for `localhost`. */
async function shown(): Promise<string | undefined> {
  const ca = await readFile(fixture('authority.cert'));
  const socket = connect({ host: 'localhost', port: portOf('SSL'), servername: 'localhost', ca });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.subjectAltName);
      socket.destroy();
    });
  });
}

const FIRST = 'DNS:localhost, IP Address:127.0.0.1';
const SECOND = `${FIRST}, DNS:broker`;

describe('a listener’s certificate that is changed by its settings', () => {
  it('is shown from then on, after a restart too, and the former one once that is taken back', async () => {
    expect(await shown()).toBe(FIRST);
    const ca = await readFile(fixture('authority.cert'));
    const connected = await Connection.connect({ host: 'localhost', port: portOf('SSL'), tls: { ca } });
    expect(await set(fixture('issued-second'))).toMatchObject({ errorCode: 0 });
    expect(await shown()).toBe(SECOND);
    // Who is connected stays so.
    expect((await connected.send(Metadata, 9, { topics: [] })).brokers).toHaveLength(1);
    await connected.close();
    await stop();
    await start({ 'ssl.allow.san.changes': 'true' });
    expect(await shown()).toBe(SECOND);
    expect(await set(null)).toMatchObject({ errorCode: 0 });
    expect(await shown()).toBe(FIRST);
  });

  it('is read again where the same file is named again', async () => {
    const file = join(folder, 'keystore.pem');
    await copyFile(fixture('issued-first'), file);
    expect(await set(file)).toMatchObject({ errorCode: 0 });
    await copyFile(fixture('issued-second'), file);
    expect(await set(file)).toMatchObject({ errorCode: 0 });
    expect(await shown()).toBe(SECOND);
  });

  it('is taken up by itself where its file changes, also where that was named while the broker runs, and no other file counts', async () => {
    const [former, present] = ['former.pem', 'present.pem'].map((name) => join(folder, name)) as [string, string];
    const secured = { 'ssl.keystore.location': former, 'ssl.allow.san.changes': 'true' };
    await copyFile(fixture('issued-first'), former);
    await stop();
    await start(secured);
    expect(await shown()).toBe(FIRST);
    await copyFile(fixture('issued-second'), former);
    await expect.poll(shown, { timeout: 20_000, interval: 200 }).toBe(SECOND);
    // What does not fit together is left aside, with a line in the log.
    await writeFile(former, 'half a certificate');
    await expect.poll(() => lines.join(), { timeout: 20_000 }).toContain('the old ones hold on');
    expect(await shown()).toBe(SECOND);
    await copyFile(fixture('issued-first'), present);
    expect(await set(present)).toMatchObject({ errorCode: 0 });
    expect(await shown()).toBe(FIRST);
    await copyFile(fixture('issued-second'), present);
    await expect.poll(shown, { timeout: 20_000, interval: 200 }).toBe(SECOND);
  }, 60_000);

  it.each<[string, string, RegExp]>([
    ['of another subject', 'issued-elsewhere', /subject is another.*ssl\.allow\.dn\.changes/],
    ['that lacks a name', 'issued-fewer', /lacks .*IP Address:127\.0\.0\.1.*ssl\.allow\.san\.changes/],
    ['that brokers would not trust', 'own', /brokers would not trust it/],
    ['that is not there', 'missing', /ssl\.keystore\.location=.*cannot be read/],
    ['without a key', 'authority.cert', /cannot be used/],
  ])('is not taken where it is one %s, and the present one holds', async (_, name, why) => {
    const own = join(folder, 'own.pem');
    const parts = await Promise.all(['localhost.key', 'localhost.cert'].map((each) => readFile(fixture(each), 'utf8')));
    await writeFile(own, parts.join('\n'));
    const answer = await set(name === 'own' ? own : fixture(name));
    expect(answer).toMatchObject({ errorCode: INVALID_REQUEST, errorMessage: expect.stringMatching(why) });
    expect(await shown()).toBe(FIRST);
  });

  it('comes from a file with another password, and from no file at all, by what lies encoded in the metadata store', async () => {
    await stop();
    await start(SECRET);
    const second = await readFile(fixture('issued-second'), 'utf8');
    const file = join(folder, 'locked.pem');
    await writeFile(file, locked(second, 'its-pw'));
    expect(await setAll({ [LOCATION]: file })).toMatchObject({ errorCode: INVALID_REQUEST });
    expect(await setAll({ [LOCATION]: file, [KEY_PASSWORD]: 'not-its-pw' })).toMatchObject({
      errorCode: INVALID_REQUEST,
      errorMessage: expect.not.stringContaining('its-pw'),
    });
    expect(await shown()).toBe(FIRST);
    expect(await setAll({ [LOCATION]: file, [KEY_PASSWORD]: 'its-pw' })).toMatchObject({ errorCode: 0 });
    expect(await shown()).toBe(SECOND);
    const first = await readFile(fixture('issued-first'), 'utf8');
    await stop();
    await start({ ...SECRET, 'ssl.allow.san.changes': 'true' });
    expect(await shown()).toBe(SECOND);
    const [key = '', chain = ''] = parts(first);
    const inline = {
      'listener.name.ssl.ssl.keystore.key': key,
      'listener.name.ssl.ssl.keystore.certificate.chain': chain,
    };
    expect(await setAll({ ...inline, [LOCATION]: null, [KEY_PASSWORD]: null })).toMatchObject({ errorCode: 0 });
    expect(await shown()).toBe(FIRST);
    const described = await describedConfigs();
    expect(described.filter(({ name }) => Object.hasOwn(inline, name))).toHaveLength(2);
    for (const secret of ['its-pw', ...key.split('\n').slice(1, 3)]) {
      expect(JSON.stringify(described)).not.toContain(secret);
      expect(lines.join('\n')).not.toContain(secret);
    }
    expect(lines.join('\n')).toContain(KEY_PASSWORD);
  });

  it('keeps a broker from starting where its password was encoded with another secret, until that is the old one', async () => {
    await stop();
    await start(SECRET);
    const file = join(folder, 'locked.pem');
    await writeFile(file, locked(await readFile(fixture('issued-second'), 'utf8'), 'its-pw'));
    expect(await setAll({ [LOCATION]: file, [KEY_PASSWORD]: 'its-pw' })).toMatchObject({ errorCode: 0 });
    await stop();
    const why = /ssl\.key\.password, which lies encoded in .*password\.encoder\.old\.secret/;
    await expect(start()).rejects.toThrow(why);
    await expect(start({ 'password.encoder.secret': 'another' })).rejects.toThrow(why);
    const anew = { 'password.encoder.secret': 'another', 'ssl.allow.san.changes': 'true' };
    await start({ ...anew, 'password.encoder.old.secret': 'an encoder secret' });
    expect(await shown()).toBe(SECOND);
    await stop();
    // It has been encoded anew, and nobody needs the old one any more.
    await start(anew);
    expect(await shown()).toBe(SECOND);
  });

  it('may have another subject and fewer names where the file of settings allows it', async () => {
    await stop();
    await start({ 'ssl.allow.dn.changes': 'true', 'ssl.allow.san.changes': 'true' });
    expect(await set(fixture('issued-fewer'))).toMatchObject({ errorCode: 0 });
    expect(await shown()).toBe('DNS:localhost');
  });

  it.each([
    ['ssl.keystore.location', /only per-listener using the listener prefix: Set\(ssl\.keystore\.location\)/],
    ['listener.name.ssl.ssl.keystore.password', /is a secret.*set password\.encoder\.secret in the file of settings/],
    ['ssl.keystore.key', /only per-listener using the listener prefix: Set\(ssl\.keystore\.key\)/],
    ['listener.name.ssl.ssl.client.auth', /cannot be changed while the broker runs/],
    ['listener.name.other.ssl.keystore.location', /there is no listener OTHER/],
  ])('is not touched by %s, which is refused', async (name, why) => {
    expect(await set('x', name)).toMatchObject({
      errorCode: INVALID_REQUEST,
      errorMessage: expect.stringMatching(why),
    });
  });

  it('is told of by its setting alone', async () => {
    await set(fixture('issued-second'));
    const resources = [{ resourceType: 4, resourceName: '3', configurationKeys: [LOCATION] }];
    const asked = { resources, includeSynonyms: false, includeDocumentation: false };
    const [result] = (await admin.send(DescribeConfigs, 3, asked)).results;
    expect(result?.configs).toEqual([expect.objectContaining({ name: LOCATION, configSource: 2 })]);
  });
});
