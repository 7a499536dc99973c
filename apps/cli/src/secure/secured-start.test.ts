import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrokerProcess, startBrokerProcess } from '@millrace/broker-app';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { millrace } from '../testing/test-cli.ts';
import { issueServer, newAuthority } from './certificates.ts';
import { securedStart } from './secured-start.ts';

const NOW = new Date('2026-11-29T00:00:00Z');
const YEAR_MS = 365 * 86_400_000;

let folder: string;
let broker: BrokerProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-secure-'));
});
afterEach(async () => {
  await broker?.stop();
  broker = undefined;
  await rm(folder, { recursive: true, force: true });
});

const prepare = (changes: Partial<Parameters<typeof securedStart>[0]> = {}) =>
  securedStart({ folder: join(folder, 'secure'), port: 0, now: new Date(), ...changes });
const file = (name: string): Promise<string> => readFile(join(folder, 'secure', name), 'utf8');

describe('what a secured start finds damaged', () => {
  it.each(['ca.pem', 'broker.pem', 'admin-password'])('is named and left as it is: %s', async (name) => {
    await prepare();
    for (const content of ['', 'junk', '-----BEGIN CERTIFICATE-----\njunk\n-----END CERTIFICATE-----\n']) {
      await writeFile(join(folder, 'secure', name), content);
      await expect(prepare()).rejects.toMatchObject({
        code: 'CLI_FAILED',
        message: expect.stringContaining(join(folder, 'secure', name)),
        hint: expect.stringMatching(/back.*away/),
      });
      expect(await file(name)).toBe(content);
    }
  });
});

describe('certificates of one’s own authority', () => {
  it('are what they say they are', () => {
    const authority = newAuthority('Millrace test', NOW);
    const hosts = ['broker.test', 'localhost', '127.0.0.1', '::1', 'fe80::1:2'];
    const issued = issueServer(authority, hosts, NOW);
    const [ca, server] = [new X509Certificate(authority.certificate), new X509Certificate(issued.certificate)];
    expect([ca.ca, server.ca, ca.subject, server.issuer]).toEqual([
      true,
      false,
      'CN=Millrace test',
      'CN=Millrace test',
    ]);
    expect(server.checkIssued(ca) && server.verify(ca.publicKey) && ca.verify(ca.publicKey)).toBe(true);
    expect(server.publicKey.equals(createPublicKey(issued.key))).toBe(true);
    const named = (host: string) => (isIP(host) === 0 ? server.checkHost(host) : server.checkIP(host));
    for (const host of hosts) expect(named(host)).toBe(host);
    expect([server.checkHost('other.test'), server.checkIP('127.0.0.2')]).toEqual([undefined, undefined]);
    expect(server.validFromDate.getTime()).toBeLessThan(NOW.getTime());
  });
});

describe('a start with --secure', () => {
  it('keeps keys and passwords for its user alone', async () => {
    await (await prepare()).ready('localhost:9092');
    const path = join(folder, 'secure');
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    const names = (await readdir(path)).toSorted();
    expect(names).toEqual(['admin-password', 'broker.pem', 'ca-key.pem', 'ca.pem', 'client.properties']);
    for (const name of names) expect((await stat(join(path, name))).mode & 0o777, name).toBe(0o600);
  });

  it('has the same authority and password every time, and a new certificate before the old one ends or for a new name', async () => {
    await prepare({ now: NOW });
    const first = await Promise.all(['ca.pem', 'admin-password', 'broker.pem'].map(file));
    await prepare({ now: NOW });
    expect(await Promise.all(['ca.pem', 'admin-password', 'broker.pem'].map(file))).toEqual(first);
    const later = new Date(NOW.getTime() + YEAR_MS + 5 * 86_400_000);
    await prepare({ now: later });
    const [authority, password, renewed = ''] = await Promise.all(['ca.pem', 'admin-password', 'broker.pem'].map(file));
    expect([authority, password]).toEqual(first.slice(0, 2));
    expect(renewed).not.toBe(first[2]);
    await prepare({ now: later, advertisedHost: 'broker.example' });
    const named = await file('broker.pem');
    expect(new X509Certificate(named.slice(named.indexOf('-----BEGIN CERT'))).checkHost('broker.example')).toBe(
      'broker.example',
    );
    await prepare({ now: new Date(NOW.getTime() + 11 * YEAR_MS) });
    expect(await file('ca.pem')).not.toBe(first[0]);
  });

  it('gives a broker on which the administrator may do everything, and nobody else anything', async () => {
    const secured = await prepare();
    const data = { 'log.dirs': join(folder, 'data'), 'millrace.http.port': '', 'millrace.log.level': 'silent' };
    broker = await startBrokerProcess({ env: {}, overrides: { ...secured.settings, ...data } });
    const bootstrap = `localhost:${broker.endpoints[0]?.port}`;
    const told = await secured.ready(bootstrap);
    expect(told).toContain(bootstrap);
    expect(told).not.toContain((await file('admin-password')).trim());
    const properties = join(folder, 'secure', 'client.properties');
    const admin = ['--command-config', properties];
    const as = (...args: string[]) => millrace(undefined, args, { env: { PW: 'alice-pw' } });
    expect((await as('topics', 'create', 'orders', ...admin)).exitCode).toBe(0);
    process.env['SECURED_PW'] = 'alice-pw';
    expect((await as('users', 'set-password', 'alice', '--password-env', 'SECURED_PW', ...admin)).exitCode).toBe(0);
    delete process.env['SECURED_PW'];
    const hers = join(folder, 'alice.properties');
    await writeFile(
      hers,
      (await readFile(properties, 'utf8'))
        .replace('sasl.mechanism=PLAIN', 'sasl.mechanism=SCRAM-SHA-512')
        .replace(
          /sasl\.jaas\.config=.*/,
          'sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="alice-pw";',
        ),
    );
    const listed = async (): Promise<unknown> =>
      JSON.parse((await as('topics', 'list', '--json', '--command-config', hers)).stdout);
    expect(await listed()).toEqual([]);
    expect(
      (await as('acls', 'add', '--principal', 'alice', '--consumer', '--topic', 'orders', '--group', 'g', ...admin))
        .exitCode,
    ).toBe(0);
    expect(await listed()).toMatchObject([{ topic: 'orders' }]);
    expect((await as('topics', 'list', '--bootstrap-server', bootstrap, '--timeout', '1s')).exitCode).not.toBe(0);
  });

  it.each([
    [['--config', 'server.properties'], '--config has a file of them'],
    [['--override', 'listeners=PLAINTEXT://:9092'], '--secure sets listeners itself'],
    [['--override', 'super.users=User:me'], '--secure sets super.users itself'],
    [['--override', 'advertised.listeners=PLAINTEXT://host:9092'], 'It has one listener'],
  ])('does not take what would undo it: %j', async (args, message) => {
    const { exitCode, stderr } = await millrace(undefined, ['start', '--secure', '--data', join(folder, 'd'), ...args]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it.each([
    ['on the line', () => ['--data', `${folder}/data/`], {}],
    ['as a setting', () => ['--override', `log.dirs=${folder}/data,${folder}/more`], {}],
    ['in the environment', () => [], { KAFKA_LOG_DIRS: 'data' }],
    ['for a cluster', () => ['--data', `${folder}/data`, '--brokers', '3'], {}],
    ['in a file', () => ['--config', `${folder}/server.properties`], {}],
    ['beside a file', () => ['--data', `${folder}/data`, '--config', `${folder}/more.properties`], {}, 78],
    ['beside listeners that say nothing', () => ['--data', `${folder}/data`, '--override', 'listeners='], {}],
    ['beside a setting that secures nothing', () => ['--data', `${folder}/data`], { KAFKA_SSL_CIPHER_SUITES: '' }, 78],
  ])(
    'has its data opened by nobody who leaves it out, the folder being given %s',
    async (_name, args, given, ownCode = 69) => {
      await mkdir(join(folder, 'data'), { recursive: true });
      await mkdir(join(folder, 'data-secure'), { recursive: true });
      await writeFile(join(folder, 'data-secure', 'broker.pem'), '');
      await writeFile(join(folder, 'server.properties'), `log.dirs=${folder}/more,${folder}/data\n`);
      await writeFile(join(folder, 'more.properties'), `log.dirs=${folder}/more\nsasl.enabled.mechanisms=PLAIN\n`);
      const env = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, join(folder, value)]));
      const { exitCode, stderr } = await millrace(undefined, ['start', ...args()], { env });
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining('was begun with --secure')]);
      expect(stderr).toContain('Add --secure. To open it all the same, say how');
      // Whoever says where to listen has thought of it; that address is nobody's here. Nobody there could honour limits of TLS, or logins.
      const told = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
      const own = await millrace(undefined, ['start', ...args(), '-o', 'listeners=PLAINTEXT://203.0.113.7:1'], { env });
      told.mockRestore();
      expect(own.exitCode).toBe(ownCode);
    },
  );
});
