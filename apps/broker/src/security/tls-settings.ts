import { createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import type { SslSettings } from '@millrace/broker';
import { ownCertificateOf, trustedOf } from '../settings/certificate-stores.ts';
import { StartError } from '../start-error.ts';

type Read = (path: string) => Promise<Buffer>;

/** What `ssl.*` means to Node, and the files that it was made of. */
export interface TlsMaterial {
  readonly options: TlsOptions;
  readonly files: readonly string[];
}

const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

/** Java's names of the suites that are served, the first the dearest, and OpenSSL's: forward secret and authenticated, or not at all. */
export const CIPHERS: Readonly<Record<string, string>> = {
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_DHE_RSA_WITH_AES_128_GCM_SHA256: 'DHE-RSA-AES128-GCM-SHA256',
  TLS_DHE_RSA_WITH_AES_256_GCM_SHA384: 'DHE-RSA-AES256-GCM-SHA384',
};

/**
 * Reads what a listener with TLS needs, and tries whether it fits together.
 * @throws StartError START_CONFIG_INVALID, with what to do
 */
export async function tlsMaterial(listener: string, ssl: SslSettings, read: Read): Promise<TlsMaterial> {
  const files: string[] = [];
  const readNoted = (setting: string, path: string): Promise<Buffer> => {
    files.push(path);
    return contentOf(setting, path, read);
  };
  const options: TlsOptions & SecureContextOptions = {
    ...versionsOf(ssl.enabledProtocols),
    ...ciphersOf(ssl.cipherSuites),
    ...(await ownCertificate(listener, ssl, readNoted)),
    ...(await trusted(ssl, readNoted)),
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalid(
      `The key and certificates of listener ${listener} cannot be used: ${reason}. Look at its ssl.keystore.* and ssl.truststore.*, and at their passwords`,
      cause,
    );
  }
  return { options, files };
}

function versionsOf(wanted: readonly string[]): Pick<SecureContextOptions, 'minVersion' | 'maxVersion'> {
  const versions = TLS_VERSIONS.filter((each) => wanted.includes(each));
  const unknown = wanted.filter((each) => !TLS_VERSIONS.some((version) => version === each));
  const [minVersion] = versions;
  const maxVersion = versions.at(-1);
  if (unknown.length > 0 || minVersion === undefined || maxVersion === undefined) {
    throw invalid(
      `ssl.enabled.protocols=${wanted.join(',')} cannot be: give TLSv1.2, TLSv1.3 or both. Older versions are not safe`,
    );
  }
  return { minVersion, maxVersion };
}

function ciphersOf(wanted: readonly string[]): Pick<SecureContextOptions, 'ciphers'> {
  // Node's own choice has suites with CBC too, which have been broken by their timing (Lucky 13).
  if (wanted.length === 0) return { ciphers: Object.values(CIPHERS).join(':') };
  const known = wanted.map((name) => {
    const cipher = CIPHERS[name.trim()];
    if (cipher !== undefined) return cipher;
    throw invalid(
      `ssl.cipher.suites has ${name.trim()}, which is not served: there are ${Object.keys(CIPHERS).join(', ')}`,
    );
  });
  return { ciphers: known.join(':') };
}

type ReadNoted = (setting: string, path: string) => Promise<Buffer>;

async function ownCertificate(listener: string, ssl: SslSettings, read: ReadNoted): Promise<SecureContextOptions> {
  const { keystoreKey, keystoreCertificateChain, keystoreLocation: path, keystorePassword, keyPassword } = ssl;
  if (keystoreKey !== null || keystoreCertificateChain !== null) {
    if (keystoreKey === null || keystoreCertificateChain === null) {
      throw invalid(
        'ssl.keystore.key and ssl.keystore.certificate.chain go together: set both, or a file in ssl.keystore.location',
      );
    }
    const passphrase = keyPassword === null ? {} : { passphrase: keyPassword };
    return { key: unfolded(keystoreKey), cert: unfolded(keystoreCertificateChain), ...passphrase };
  }
  if (path === null) {
    throw invalid(
      `Listener ${listener} speaks TLS, and has no certificate: set ssl.keystore.location to a PEM, PKCS12 or JKS file, or ssl.keystore.key and ssl.keystore.certificate.chain`,
    );
  }
  const bytes = await read('ssl.keystore.location', path);
  const store = { setting: 'ssl.keystore', path, type: ssl.keystoreType, password: keystorePassword };
  return ownCertificateOf(store, bytes, keyPassword);
}

async function trusted(ssl: SslSettings, read: ReadNoted): Promise<SecureContextOptions> {
  const { truststoreCertificates, truststoreLocation: path } = ssl;
  if (truststoreCertificates !== null) return { ca: unfolded(truststoreCertificates) };
  if (path === null) return {};
  const bytes = await read('ssl.truststore.location', path);
  const store = { setting: 'ssl.truststore', path, type: ssl.truststoreType, password: ssl.truststorePassword };
  return trustedOf(store, bytes);
}

/** PEM in one line of a properties file, as people write it: with `\n` for the ends of lines. */
function unfolded(pem: string): string {
  return pem.replaceAll('\\n', '\n');
}

async function contentOf(setting: string, path: string, read: Read): Promise<Buffer> {
  try {
    return await read(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalid(`${setting}=${path} cannot be read: ${reason}`, cause);
  }
}

function invalid(message: string, cause?: unknown): StartError {
  return new StartError('START_CONFIG_INVALID', message, cause);
}
