/** What OpenSSL's own client finds at a listener with TLS: versions, ciphers, names, and who may come in. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '@millrace/broker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from '../../apps/broker/src/index.ts';
import { has } from '../needs/index.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../packages/network/fixtures/${name}.pem`, import.meta.url));

let folder: string;
let broker: BrokerProcess;

/** Connects as `openssl s_client` does; what it says of the handshake. */
function handshake(listener: string, ...options: readonly string[]): Promise<string> {
  return say(listener, '', ...options);
}

/** The same, and types `text` once it has shaken hands. */
function say(listener: string, text: string, ...options: readonly string[]): Promise<string> {
  const port = broker.endpoints.find((each) => each.listener === listener)?.port;
  const args = [
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    '-CAfile',
    fixture('authority.cert'),
    '-verify_return_error',
  ];
  const client = spawn('openssl', [...args, ...options], { stdio: ['pipe', 'pipe', 'pipe'] });
  // Who has been refused does not read.
  client.stdin.on('error', () => undefined).end(text);
  let said = '';
  for (const stream of [client.stdout, client.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      said += part;
    });
  }
  return new Promise((resolve, reject) => {
    client.on('error', reject);
    client.on('close', () => resolve(said));
  });
}

describe.skipIf(!has('openssl', import.meta.url))('openssl s_client', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-openssl-'));
    const names = ['OPEN', 'NEW', 'ONE', 'KNOWN'];
    broker = await startBrokerProcess({
      env: {},
      logger: silentLogger,
      overrides: {
        'log.dirs': join(folder, 'data'),
        'millrace.http.port': '',
        listeners: names.map((name) => `${name}://127.0.0.1:0`).join(),
        'advertised.listeners': names.map((name) => `${name}://localhost:0`).join(),
        'listener.security.protocol.map': names.map((name) => `${name}:SSL`).join(),
        'inter.broker.listener.name': 'OPEN',
        'ssl.keystore.location': fixture('issued-first'),
        'ssl.truststore.location': fixture('authority.cert'),
        'listener.name.new.ssl.enabled.protocols': 'TLSv1.3',
        'listener.name.one.ssl.enabled.protocols': 'TLSv1.2',
        'listener.name.one.ssl.cipher.suites': 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
        'listener.name.known.ssl.client.auth': 'required',
      },
    });
  });
  afterAll(async () => {
    await broker.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['OPEN', '-tls1_3', /New, TLSv1\.3, Cipher is TLS_AES_256_GCM_SHA384/],
    ['OPEN', '-tls1_2', /New, TLSv1\.2, Cipher is ECDHE-ECDSA-/],
    ['ONE', '-tls1_2', /New, TLSv1\.2, Cipher is ECDHE-ECDSA-AES256-GCM-SHA384/],
    ['NEW', '-tls1_3', /New, TLSv1\.3/],
  ])('is served at %s with %s', async (listener, version, what) => {
    expect(await handshake(listener, version)).toMatch(what);
  });

  // At security level 0 the client offers what it has, however old, so that it is the broker who refuses.
  it.each([
    ['OPEN', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['OPEN', ['-tls1', '-cipher', 'ALL:@SECLEVEL=0']],
    ['NEW', ['-tls1_2']],
    ['ONE', ['-tls1_3']],
    ['ONE', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256']],
    ['OPEN', ['-tls1_2', '-cipher', 'NULL:aNULL:@SECLEVEL=0']],
    ['OPEN', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA']],
    ['OPEN', ['-tls1_2', '-cipher', 'AES128-SHA:AES256-SHA:AES128-GCM-SHA256:@SECLEVEL=0']],
  ])('is refused at %s with %j', async (listener, options) => {
    expect(await handshake(listener, ...options)).toMatch(/Cipher is \(NONE\)/);
  });

  it('finds the names of the host in the certificate, and no others', async () => {
    expect(await handshake('OPEN', '-verify_hostname', 'localhost')).toContain('Verify return code: 0 (ok)');
    expect(await handshake('OPEN', '-verify_hostname', 'elsewhere.example')).toContain('hostname mismatch');
  });

  it('does not renegotiate, nor compress', async () => {
    const said = await handshake('OPEN', '-tls1_2');
    expect(said).toContain('Secure Renegotiation IS supported');
    expect(said).toContain('Compression: NONE');
    // `R` has it try.
    expect(await say('OPEN', 'R\n', '-tls1_2')).toMatch(/RENEGOTIATING.*no renegotiation/s);
  });

  it('must show a certificate that is trusted, where one is asked for', async () => {
    const shows = (name: string): string[] => ['-cert', fixture(name), '-key', fixture(name)];
    // It waits for the end, for in TLS 1.3 its own handshake is done before the broker has seen what it shows.
    expect(await handshake('KNOWN', '-tls1_3', '-ign_eof')).toContain('alert certificate required');
    expect(await handshake('KNOWN', '-tls1_2', '-ign_eof')).toContain('alert handshake failure');
    const trusted = await handshake('KNOWN', '-tls1_2', ...shows('issued-elsewhere'));
    expect(trusted).not.toMatch(/alert|:error:/);
    expect(trusted).toContain('Acceptable client certificate CA names');
    const foreign = await handshake(
      'KNOWN',
      '-ign_eof',
      '-cert',
      fixture('localhost.cert'),
      '-key',
      fixture('localhost.key'),
    );
    // Node asks who is trusted once the handshake is done, and then hangs up without an alert.
    expect(foreign).toMatch(/unexpected eof|errno=104/);
  });
});
