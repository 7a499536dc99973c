import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { BrokerConfig } from '@millrace/broker';
import type { NodeRights, SaslLogin, ZooKeeperMetadataOptions } from '@millrace/zookeeper';
import { StartError } from '../start-error.ts';
import { ownCertificateOf, trustedOf } from './certificate-stores.ts';
import { clientLogin } from './jaas.ts';
import type { ProcessSettings } from './process-settings.ts';

/** Who this broker is to ZooKeeper, where TLS does not say it. */
export interface ZooKeeperLogin {
  /** `millrace.zookeeper.digest`: `user:password` of ZooKeeper's digest scheme. */
  readonly digest: string | undefined;
  /** `millrace.zookeeper.login.config`: the file that says who logs in by SASL. */
  readonly loginConfig: string | undefined;
}

/** The settings of the process that say who this broker is. */
export function loginOf(process: Pick<ProcessSettings, 'zooKeeperDigest' | 'zooKeeperLoginConfig'>): ZooKeeperLogin {
  return { digest: process.zooKeeperDigest, loginConfig: process.zooKeeperLoginConfig };
}

type Read = (path: string) => Promise<Buffer>;

/**
 * What the settings of `zookeeper.*` mean for a session.
 * @throws StartError START_CONFIG_INVALID, with what to do
 */
export async function zooKeeperOptions(
  config: BrokerConfig,
  login: ZooKeeperLogin,
  read: Read,
  onNotice: (message: string, error: unknown) => void = () => {},
): Promise<Omit<ZooKeeperMetadataOptions, 'connect'>> {
  const tls = config.zookeeperSslClientEnable ? await tlsOptions(config, read) : undefined;
  const hasCertificate = tls?.cert !== undefined || tls?.pfx !== undefined;
  const { digest, loginConfig } = login;
  if (config.zookeeperSetAcl && digest === undefined && loginConfig === undefined && !hasCertificate) {
    throw invalid(
      'zookeeper.set.acl=true needs somebody whom the nodes shall belong to: set millrace.zookeeper.login.config to a file ' +
        'with a login, as brokers of Kafka have one, millrace.zookeeper.digest to user:password, or zookeeper.ssl.keystore.location to a certificate that ZooKeeper knows',
    );
  }
  return {
    sessionTimeoutMs: config.zookeeperSessionTimeoutMs,
    connectionTimeoutMs: config.zookeeperConnectionTimeoutMs ?? config.zookeeperSessionTimeoutMs,
    inFlightMax: config.zookeeperMaxInFlightRequests,
    rightsOf: config.zookeeperSetAcl ? securedRights : () => 'open',
    ...(digest === undefined ? {} : { digest }),
    ...(loginConfig === undefined ? {} : { sasl: await readLogin(loginConfig, read) }),
    ...(tls === undefined ? {} : { tls: rereading(tls, () => tlsOptions(config, read), onNotice) }),
  };
}

async function readLogin(file: string, read: Read): Promise<SaslLogin> {
  return clientLogin(file, (await contentOf('millrace.zookeeper.login.config', file, read)).toString());
}

/** Nodes that may hold passwords or their hashes (`ZkData.SensitiveRootPaths`), and the secret of logins, which Kafka has not. */
const SENSITIVE = ['/config/users', '/config/brokers', '/delegation_token/tokens', '/cluster/millrace_login_secret'];

/** What `zookeeper.set.acl` gives nodes (`ZkData.defaultAcls`): consumers of old write below `/consumers` themselves. */
function securedRights(path: string): NodeRights {
  if (path === '/consumers') return 'open';
  return SENSITIVE.some((each) => path.startsWith(each)) ? 'closed' : 'readable';
}

/** Files that are replaced count from the next connection on. While they cannot be read, what was read before does. */
function rereading(
  first: TlsOptions,
  readAgain: () => Promise<TlsOptions>,
  onNotice: (message: string, error: unknown) => void,
): () => Promise<TlsOptions> {
  let last = first;
  return async () => {
    try {
      const read = await readAgain();
      // Both refuse what is no certificate: a file may be written just now.
      createSecureContext(read);
      for (const authority of [read.ca ?? []].flat()) new X509Certificate(authority);
      last = read;
    } catch (error) {
      onNotice('The certificates for ZooKeeper cannot be read; those that were read before hold on', error);
    }
    return last;
  };
}

type TlsOptions = Exclude<NonNullable<ZooKeeperMetadataOptions['tls']>, (...none: never[]) => unknown>;

const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

async function tlsOptions(config: BrokerConfig, read: Read): Promise<TlsOptions> {
  return {
    ...versionsOf(config.zookeeperSslEnabledProtocols ?? TLS_VERSIONS),
    ...(await ownCertificate(config, read)),
    ...(await trusted(config, read)),
    ...(config.zookeeperSslEndpointIdentificationAlgorithm === '' ? { checkServerIdentity: () => undefined } : {}),
  };
}

function versionsOf(wanted: readonly string[]): Pick<TlsOptions, 'minVersion' | 'maxVersion'> {
  const versions = TLS_VERSIONS.filter((each) => wanted.includes(each));
  const unknown = wanted.filter((each) => !TLS_VERSIONS.some((version) => version === each));
  const [minVersion] = versions;
  const maxVersion = versions.at(-1);
  if (unknown.length > 0 || minVersion === undefined || maxVersion === undefined) {
    throw invalid(
      `zookeeper.ssl.enabled.protocols=${wanted.join(',')} cannot be: give TLSv1.2, TLSv1.3 or both. Older versions are not safe`,
    );
  }
  return { minVersion, maxVersion };
}

async function ownCertificate(
  config: BrokerConfig,
  read: Read,
): Promise<Pick<TlsOptions, 'cert' | 'key' | 'pfx' | 'passphrase'>> {
  const { zookeeperSslKeystoreLocation: path, zookeeperSslKeystorePassword: password } = config;
  if (path === null) return {};
  const store = { setting: 'zookeeper.ssl.keystore', path, type: config.zookeeperSslKeystoreType, password };
  return ownCertificateOf(store, await contentOf('zookeeper.ssl.keystore.location', path, read), password);
}

async function trusted(config: BrokerConfig, read: Read): Promise<Pick<TlsOptions, 'ca'>> {
  const { zookeeperSslTruststoreLocation: path, zookeeperSslTruststorePassword: password } = config;
  if (path === null) return {};
  const store = { setting: 'zookeeper.ssl.truststore', path, type: config.zookeeperSslTruststoreType, password };
  return trustedOf(store, await contentOf('zookeeper.ssl.truststore.location', path, read));
}

async function contentOf(setting: string, path: string, read: Read): Promise<Buffer> {
  try {
    return await read(path);
  } catch (cause) {
    throw invalid(
      `${setting}=${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  }
}

function invalid(message: string, cause?: unknown): StartError {
  return new StartError('START_CONFIG_INVALID', message, cause);
}
