/**
 * librdkafka's test of certificates in all of its formats, the broker's trusted and not (0097); that of tokens from a provider, asked for by a
 * secret, by an assertion and as a machine of Azure (0126); and that of sessions that end and are made anew (0142), on a listener whose logins
 * hold for five seconds.
 */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@millrace/ports';
import { ProxiedNetwork } from '../faults/link-proxy.ts';
import { runLibrdkafka } from './librdkafka.ts';
import { PASSWORDS, type SecuredTarget, startSecuredTarget } from './secured/secured-target.ts';

/** The others of its parts want share groups, which Kafka 3.9 does not have either, or tokens that nobody has signed. */
const PARTS = ['do_test_consumer', 'do_test_producer', 'do_test_txn_producer', 'do_test_reauth_failure'] as const;
const SESSION_MS = 5_000;

/** @param only - Numbers of tests; none means both. Returns how many parts failed. */
export async function runLibrdkafkaSecured(wanted: string | undefined, only: readonly string[]): Promise<number> {
  const isWanted = (test: string): boolean => only.length === 0 || only.includes(test);
  const target = await startSecuredTarget(wanted, {
    'connections.max.reauth.ms': String(SESSION_MS),
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
  });
  try {
    let failed = isWanted('0097') ? await runCertificates(target) : 0;
    if (isWanted('0126')) failed += await runTokens(target);
    if (!isWanted('0142')) return failed;
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-512'] as const) {
      const settings = {
        'security.protocol': 'SASL_SSL',
        'ssl.ca.location': target.certificates.authority,
        'sasl.mechanism': mechanism,
        'sasl.username': 'admin',
        'sasl.password': PASSWORDS.admin,
      };
      for (const part of PARTS) {
        console.log(`${mechanism}, ${part}`);
        failed += await runLibrdkafka(target.bootstrap('SASL_SSL'), ['0142'], { settings, part });
      }
    }
    return failed;
  } finally {
    await target.stop();
  }
}

/** The parts of 0126 that want no share groups. */
const TOKEN_PARTS = ['do_test_produce_consumer', 'do_test_OIDC_aws_iam'] as const;
const KEY_PASSWORD = 'key-pw';

/** 0126 finds the provider and the keys that assertions are signed with by variables. */
async function runTokens({ certificates, provider, bootstrap }: SecuredTarget): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'librdkafka-tokens-'));
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [plain, encrypted] = [join(folder, 'key.pem'), join(folder, 'key.encrypted.pem')];
  const pem = { type: 'pkcs8', format: 'pem' } as const;
  writeFileSync(plain, privateKey.export(pem));
  writeFileSync(encrypted, privateKey.export({ ...pem, cipher: 'aes-256-cbc', passphrase: KEY_PASSWORD }));
  provider.addAssertionKey('admin', publicKey);
  const settings = {
    'security.protocol': 'SASL_SSL',
    'ssl.ca.location': certificates.authority,
    'sasl.mechanism': 'OAUTHBEARER',
    'sasl.oauthbearer.method': 'oidc',
    'sasl.oauthbearer.client.id': 'admin',
    'sasl.oauthbearer.client.secret': PASSWORDS.admin,
  };
  const variables = {
    VALID_OIDC_URL: provider.tokenUrl,
    INVALID_OIDC_URL: provider.wrongUrl,
    EXPIRED_TOKEN_OIDC_URL: provider.expiredTokenUrl,
    OAUTHBEARER_CLIENT_PRIVATE_KEY: plain,
    OAUTHBEARER_CLIENT_PRIVATE_KEY_ENCRYPTED: encrypted,
    OAUTHBEARER_CLIENT_PRIVATE_KEY_PASSWORD: KEY_PASSWORD,
  };
  let failed = 0;
  try {
    for (const part of TOKEN_PARTS) {
      console.log(`OAUTHBEARER, ${part}`);
      failed += await runLibrdkafka(bootstrap('SASL_SSL'), ['0126'], { settings, variables, part });
    }
    return failed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const STORE_PASSWORD = 'store-pw';
const LINK_MS = 5;

/** 0097 finds each certificate in each format by a variable. */
async function runCertificates(target: SecuredTarget): Promise<number> {
  const { alice, authority, otherAuthority } = target.certificates;
  const folder = mkdtempSync(join(tmpdir(), 'librdkafka-certificates-'));
  const made = (name: string, ...args: readonly string[]): string => {
    const file = join(folder, name);
    execFileSync('openssl', [...args, '-out', file], { stdio: 'pipe' });
    return file;
  };
  const network = new ProxiedNetwork(systemRandom);
  try {
    const authorities = join(folder, 'authorities.pem');
    writeFileSync(authorities, [otherAuthority, authority].map((file) => readFileSync(file, 'utf8')).join(''));
    const password = ['-passout', `pass:${STORE_PASSWORD}`];
    const parts = ['-in', alice.certificate, '-inkey', alice.key, '-certfile', authority];
    // librdkafka calls a certificate that it refuses a lost connection where it has come before its first look, as on one machine it may.
    const port = Number(target.bootstrap('SSL').split(':')[1]);
    network.setBoth('broker 1', 'broker 2', { delayMs: LINK_MS });
    const bootstrap = `127.0.0.1:${await network.way('broker 1', 'broker 2', () => port)}`;
    return await runLibrdkafka(bootstrap, ['0097'], {
      settings: {
        'security.protocol': 'SSL',
        'ssl.ca.location': authority,
        'ssl.certificate.location': alice.certificate,
        'ssl.key.location': alice.key,
        'ssl.key.password': STORE_PASSWORD,
      },
      variables: {
        // Where they are demanded it waits for an alert when one is refused, and Node sends none.
        SSL_client_auth: 'none',
        SSL_password: STORE_PASSWORD,
        SSL_pkcs: made('alice.p12', 'pkcs12', '-export', ...parts, ...password),
        SSL_pub_pem: alice.certificate,
        SSL_priv_pem: alice.key,
        SSL_all_cas_pem: authorities,
        SSL_pub_der: made('alice.cert.der', 'x509', '-in', alice.certificate, '-outform', 'DER'),
        SSL_priv_der: made('alice.key.der', 'pkey', '-in', alice.key, '-outform', 'DER'),
        SSL_ca_der: made('authority.der', 'x509', '-in', authority, '-outform', 'DER'),
      },
    });
  } finally {
    await network.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
