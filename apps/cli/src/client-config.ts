import { readFile } from 'node:fs/promises';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { CertificateStore, OwnCertificate } from '@millrace/broker-app';
import {
  type ClientOptions,
  oauthBearerFrom,
  type SaslOptions,
  type TokenSource,
  tlsFault,
  tokenSourceFault,
} from '@millrace/client';
import { nearestName, parseProperties, propertiesText } from '@millrace/ports';
import { CliError } from './errors.ts';
import { liveCertificates, unusable } from './live-certificates.ts';
import { printable } from './output/format.ts';
import { tlsLimits } from './tls-limits.ts';

/** What a file of client properties says about connecting. */
export interface ClientConfig {
  readonly bootstrapServers: string | undefined;
  readonly connection: Pick<ClientOptions, 'clientId' | 'tls' | 'sasl' | 'requestTimeoutMs'>;
  /** Names that say nothing to this program. */
  readonly unused: readonly string[];
  /** The name that may have been meant with one of them. */
  nearest(unused: string): string | undefined;
}

/** Properties whose values nobody else should see. */
export const SECRET_NAME = /(?:password|jaas\.config|secret|keystore\.key)$/;

type Read = (path: string) => Promise<Buffer>;

/** Where files come from, and who is told of those that cannot be read again. */
export interface ConfigSources {
  readonly read?: Read | undefined;
  readonly warn?: ((message: string) => void) | undefined;
}

/**
 * Reads client properties as Kafka's tools take them with `--command-config`; where librdkafka has another name for the same
 * (`sasl.username`, `ssl.ca.location`), that is taken too, so that a file for kcat works.
 *
 * @throws CliError `CLI_CONFIG_INVALID` for what cannot be meant or is not supported
 */
export async function readClientConfig(path: string, sources: ConfigSources = {}): Promise<ClientConfig> {
  const { read = readFile } = sources;
  const text = await readNamed(path, 'the client properties', read);
  const properties = parseProperties(textOf(path, text));
  const names = [...properties.keys()];
  if (names.length > 0 && !names.some((name) => PROPERTY_NAME.test(name))) {
    const shown = printable(names[0]!.slice(0, NAME_SHOWN_MAX));
    const fault = `no line of it sets one, the first ${shown}. Is it the file that was meant?`;
    throw new CliError('CLI_CONFIG_INVALID', `Cannot read the client properties in ${path}: ${fault}`);
  }
  return clientConfigOf(properties, sources);
}

/** Names of client properties have dots, but for these two. */
const PROPERTY_NAME = /^(?:[a-z][\w-]*(?:\.[\w-]+)+|acks|retries)$/;
const NAME_SHOWN_MAX = 60;

function textOf(path: string, bytes: Buffer): string {
  try {
    return propertiesText(bytes);
  } catch (cause) {
    const fault = cause instanceof Error ? cause.message : String(cause);
    throw new CliError('CLI_CONFIG_INVALID', `Cannot read the client properties in ${path}: it ${fault}`, { cause });
  }
}

/** The properties as options of the SDKs. The certificate files that they name are read now, and again for every connection. */
export async function clientConfigOf(
  properties: ReadonlyMap<string, string>,
  { read = readFile, warn = () => undefined }: ConfigSources = {},
): Promise<ClientConfig> {
  const taken = new Set<string>();
  const take: Take = (...names) => {
    let found: string | undefined;
    for (const name of names) {
      taken.add(name);
      found ??= properties.get(name);
    }
    return found;
  };
  const protocol = (take('security.protocol') ?? 'PLAINTEXT').toUpperCase();
  if (!['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'].includes(protocol)) {
    throw invalid(`security.protocol=${protocol} is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL`);
  }
  const sasl = protocol.startsWith('SASL_') ? saslOf(take) : undefined;
  const tls = protocol.endsWith('SSL') ? await tlsOf(take, read, warn) : undefined;
  const requestTimeout = take('request.timeout.ms');
  const config = {
    bootstrapServers: take('bootstrap.servers', 'metadata.broker.list'),
    connection: {
      clientId: take('client.id'),
      tls,
      sasl,
      requestTimeoutMs: requestTimeout === undefined ? undefined : Number(requestTimeout),
    },
  };
  const isPassedOver = (name: string): boolean =>
    tls === undefined || !name.startsWith('ssl.') ? SECURITY_NAMES.test(name) : WITHIN_JAVA.test(name);
  const wasted = (name: string): boolean => !taken.has(name) && !isPassedOver(name);
  return {
    ...config,
    unused: [...properties.keys()].filter(wasted),
    nearest: (unused) => nearestName(unused, [...taken, ...SECURITY_PROPERTIES]),
  };
}

type Take = (...names: string[]) => string | undefined;

/** Settings of a security that the protocol does not use are common in shared files, and no mistake; a slip of the fingers is. */
const SECURITY_NAMES = new RegExp(
  `^(?:${[
    'ssl\\.(?:ca|certificate|key|crl|engine)\\.\\w+(?:\\.\\w+)*',
    'ssl\\.(?:keystore|truststore)\\.(?:location|password|type|key|certificate\\.chain|certificates)',
    'ssl\\.(?:cipher\\.suites|curves\\.list|sigalgs\\.list|enabled\\.protocols|protocol|provider|providers)',
    'ssl\\.(?:keymanager|trustmanager|endpoint\\.identification)\\.algorithm',
    'ssl\\.secure\\.random\\.implementation',
    'sasl\\.(?:mechanisms?|username|password|jaas\\.config)',
    'sasl\\.(?:kerberos|login|oauthbearer|client)\\..+',
  ].join('|')})$`,
);

/** How Java finds the parts of TLS: nothing more is let through where another program has its own. */
const WITHIN_JAVA =
  /^ssl\.(?:protocol|providers?|(?:keymanager|trustmanager)\.algorithm|secure\.random\.implementation)$/;

/** Those that are only looked at where the protocol asks for them. */
const SECURITY_PROPERTIES = [
  'sasl.mechanism',
  'sasl.jaas.config',
  'sasl.username',
  'sasl.password',
  'sasl.oauthbearer.token.endpoint.url',
  'ssl.truststore.location',
  'ssl.truststore.type',
  'ssl.keystore.location',
  'ssl.keystore.password',
  'ssl.keystore.type',
];

const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

function saslOf(take: Take): SaslOptions {
  const mechanism = take('sasl.mechanism', 'sasl.mechanisms') ?? 'PLAIN';
  if (mechanism.toUpperCase() === 'OAUTHBEARER') {
    const source = tokenSourceOf(take);
    const fault = tokenSourceFault(source);
    if (fault !== undefined) throw invalid(fault);
    return oauthBearerFrom(source);
  }
  const known = MECHANISMS.find((name) => name === mechanism.toUpperCase());
  if (known === undefined) {
    throw invalid(`sasl.mechanism=${mechanism} is not supported here: use ${MECHANISMS.join(', ')}, OAUTHBEARER`);
  }
  const jaas = jaasCredentials(take('sasl.jaas.config'));
  const username = take('sasl.username') ?? jaas['username'];
  const password = take('sasl.password') ?? jaas['password'];
  if (username === undefined || password === undefined) {
    throw invalid('SASL needs a user name and a password: set sasl.jaas.config, or sasl.username and sasl.password');
  }
  if (known === 'PLAIN') return { mechanism: known, username, password };
  const delegationToken = jaas['tokenauth']?.toLowerCase() === 'true' ? { delegationToken: true } : {};
  return { mechanism: known, username, password, ...delegationToken };
}

const JAAS_OPTION = /(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s;"']+))/g;

/** The names of Kafka 3 (in the JAAS options), of Kafka 4.1, and of librdkafka. */
function tokenSourceOf(take: Take): TokenSource {
  const jaas = jaasCredentials(take('sasl.jaas.config'));
  const extensions = Object.entries(jaas).filter(([name]) => name.startsWith(JAAS_EXTENSION));
  const listed = (take('sasl.oauthbearer.extensions') ?? '').split(',').filter((each) => each.includes('='));
  take('sasl.login.callback.handler.class', 'sasl.oauthbearer.method');
  return {
    endpoint: take('sasl.oauthbearer.token.endpoint.url'),
    clientId: take('sasl.oauthbearer.client.credentials.client.id', 'sasl.oauthbearer.client.id') ?? jaas['clientId'],
    clientSecret:
      take('sasl.oauthbearer.client.credentials.client.secret', 'sasl.oauthbearer.client.secret') ??
      jaas['clientSecret'],
    scope: take('sasl.oauthbearer.scope') ?? jaas['scope'],
    unsecuredSubject: jaas['unsecuredLoginStringClaim_sub'],
    extensions: Object.fromEntries([
      ...extensions.map(([name, value]) => [name.slice(JAAS_EXTENSION.length), value]),
      ...listed.map((each) => each.split(/=(.*)/s, 2).map((part) => part.trim())),
    ]),
  };
}

const JAAS_EXTENSION = 'extension_';

/** User and password of `org.apache...ScramLoginModule required username="a" password="b";`. */
function jaasCredentials(jaas: string | undefined): Readonly<Record<string, string>> {
  const options: Record<string, string> = {};
  for (const [, name, quoted, single, bare] of (jaas ?? '').matchAll(JAAS_OPTION)) {
    options[name!] = quoted?.replace(/\\(.)/g, '$1') ?? single ?? bare ?? '';
  }
  return options;
}

/** What the properties say of TLS: as it is, where they name no file, and else as the files are for each connection. */
async function tlsOf(take: Take, read: Read, warn: (message: string) => void): Promise<ClientOptions['tls']> {
  const limits = await inWords(() => tlsLimits(take));
  const { hasFiles, load } = tlsLoader(take, read, limits);
  const first = await load();
  const fault = unusable(first);
  if (fault !== undefined) throw invalid(fault);
  return hasFiles ? liveCertificates(first, load, warn) : first;
}

function tlsLoader(
  take: Take,
  read: Read,
  limits: TlsOptions,
): { readonly hasFiles: boolean; load(): Promise<TlsOptions> } {
  const store = (setting: string, path: string | undefined): CertificateStore | undefined => {
    const [type = null, password = null] = [take(`${setting}.type`), take(`${setting}.password`)];
    return path === undefined ? undefined : { setting, path, type, password };
  };
  const keyStore = store('ssl.keystore', take('ssl.keystore.location'));
  const trustStore = store('ssl.truststore', take('ssl.truststore.location', 'ssl.ca.location'));
  const [cert, key, crl] = [take('ssl.certificate.location'), take('ssl.key.location'), take('ssl.crl.location')];
  const [ownCa, ownCert, ownKey] = [
    take('ssl.truststore.certificates'),
    take('ssl.keystore.certificate.chain'),
    take('ssl.keystore.key'),
  ];
  const keyPassword = take('ssl.key.password');
  const checkHost = take('ssl.endpoint.identification.algorithm');
  const pem = (name: string, path: string | undefined): Promise<Buffer | undefined> =>
    path === undefined ? Promise.resolve(undefined) : readPem(path, name, read);
  const load = async (): Promise<TlsOptions> => {
    const own = keyStore === undefined ? {} : await ownOf(await opened(keyStore, read), keyPassword ?? null);
    return definedOnly({
      ...limits,
      crl: crl === undefined ? undefined : await readRevoked(crl, read),
      passphrase: keyPassword,
      ...own,
      ca: ownCa ?? (trustStore === undefined ? undefined : await trustOf(await opened(trustStore, read))),
      cert: ownCert ?? (await pem('ssl.certificate.location', cert)) ?? own.cert,
      key: ownKey ?? (await pem('ssl.key.location', key)) ?? own.key,
      // Kafka's way to say that the certificate need not name the host.
      checkServerIdentity: checkHost === '' || checkHost === 'none' ? () => undefined : undefined,
    });
  };
  return { hasFiles: [keyStore, trustStore, cert, key, crl].some((each) => each !== undefined), load };
}

async function opened(store: CertificateStore, read: Read): Promise<ReadStore> {
  const bytes = await readNamed(store.path, `${store.setting}.location`, read);
  const opening = { ...store, bytes };
  if (isPem(opening)) mustBePem(bytes, store.path, `${store.setting}.location`);
  return opening;
}

async function readPem(path: string, name: string, read: Read): Promise<Buffer> {
  const bytes = await readNamed(path, name, read);
  mustBePem(bytes, path, name);
  return bytes;
}

/** Another file is taken for an empty list, by which nothing is revoked. */
async function readRevoked(path: string, read: Read): Promise<Buffer> {
  const bytes = await readNamed(path, 'ssl.crl.location', read);
  if (bytes.includes('-----BEGIN X509 CRL-----')) return bytes;
  throw invalid(
    `${path} (ssl.crl.location) has no list of revoked certificates in PEM: nothing in it begins with -----BEGIN X509 CRL-----`,
  );
}

/** Another file is taken for one without certificates, and then nobody is trusted. */
function mustBePem(bytes: Buffer, path: string, name: string): void {
  if (tlsFault({ ca: bytes }) === undefined) return;
  throw invalid(`${path} (${name}) has no certificate and no key in PEM: nothing in it begins with -----BEGIN`);
}

interface ReadStore extends CertificateStore {
  readonly bytes: Buffer;
}

/** What DER begins with, and JKS. */
const NO_TEXT: readonly unknown[] = [0x30, 0xfe];

/** Text is PEM; for the rest the broker's room is asked, lazily, since that is large and few have such stores. */
function isPem({ type, bytes }: ReadStore): boolean {
  return (type ?? 'PEM').toUpperCase() === 'PEM' && !NO_TEXT.includes(bytes[0]);
}

async function ownOf(store: ReadStore, keyPassword: string | null): Promise<OwnCertificate> {
  const { bytes, password } = store;
  if (isPem(store)) {
    const passphrase = password ?? keyPassword;
    return { cert: bytes, key: bytes, ...(passphrase === null ? {} : { passphrase }) };
  }
  return inWords(async () => (await import('@millrace/broker-app')).ownCertificateOf(store, bytes, keyPassword));
}

async function trustOf(store: ReadStore): Promise<TlsOptions['ca']> {
  if (isPem(store)) return store.bytes;
  return inWords(async () => (await (await import('@millrace/broker-app')).trustedOf(store, store.bytes)).ca);
}

async function inWords<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
}

function definedOnly(options: Record<string, unknown>): TlsOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

async function readNamed(path: string, what: string, read: Read): Promise<Buffer> {
  try {
    return await read(path);
  } catch (cause) {
    throw new CliError('CLI_FILE_UNREADABLE', `Cannot read ${path} (${what}): ${fileFault(cause)}`, { cause });
  }
}

/** Why a file cannot be read, in words. */
export function fileFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not read it';
  return code === 'EISDIR' ? 'it is a folder' : message;
}

function invalid(message: string, hint?: string): CliError {
  return new CliError('CLI_CONFIG_INVALID', `The client properties cannot be used: ${message}`, { hint });
}
