// What its own types leave out; builds begin at the doors, and no door imports a declaration.
/// <reference path="./jks-js.d.ts" />
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { StartError } from '../start-error.ts';

/** A file with keys or certificates, as settings name it. */
export interface CertificateStore {
  /** What the settings begin with: `ssl.keystore`, say. */
  readonly setting: string;
  readonly path: string;
  /** As it is set; null where nothing is. */
  readonly type: string | null;
  readonly password: string | null;
}

/** What of a store is shown: a key with its certificates. */
export type OwnCertificate = Pick<SecureContextOptions, 'cert' | 'key' | 'pfx' | 'passphrase'>;

const JKS_MAGIC = 0xfeedfeed;
const DER_SEQUENCE = 0x30;

/** The formats of Java: since version 9 it reads each of them under the other's name too, and so do those who wrote the settings. */
const JAVA_TYPES: readonly string[] = ['JKS', 'PKCS12'];

/**
 * The key and certificates of a key store, in PEM, PKCS12 or JKS.
 * @param keyPassword The key's own password (`ssl.key.password`); null where it is the store's.
 * @throws StartError START_CONFIG_INVALID, with what to do
 */
export async function ownCertificateOf(
  store: CertificateStore,
  bytes: Buffer,
  keyPassword: string | null,
): Promise<OwnCertificate> {
  const form = formOf(store, bytes);
  const { password } = store;
  if (form === 'PEM') return { cert: bytes, key: bytes, ...passphrase(keyPassword) };
  if (form === 'PKCS12') return { pfx: bytes, ...passphrase(password) };
  const keys = await reading(store, async () => {
    const { decrypt, parseJks } = (await import('jks-js')).default;
    return parseJks(bytes, password ?? undefined).flatMap(({ alias, chain, protectedPrivateKey }) => {
      if (chain === undefined || protectedPrivateKey === undefined) return [];
      const key = decrypt(protectedPrivateKey, keyPassword ?? password ?? '');
      return [{ alias, key, cert: chain.map(pemOf).join('') }];
    });
  });
  const kinds = new Set(keys.map(({ key }) => createPrivateKey(key).asymmetricKeyType));
  // One of each kind can be shown, as the client's ciphers have it. Which of two is meant, only their names could say.
  if (keys.length === 0 || kinds.size < keys.length) {
    const names = keys.map(({ alias }) => alias).join(', ');
    const has = keys.length === 0 ? 'no private key' : `several private keys of one kind, ${names}`;
    throw invalid(`${store.setting}.location=${store.path} has ${has}: give a store with the one that is to be shown`);
  }
  return { cert: keys.map(({ cert }) => cert), key: keys.map(({ key }) => key) };
}

/**
 * The certificates that are trusted, of a trust store in PEM, PKCS12 or JKS.
 * @throws StartError START_CONFIG_INVALID, with what to do
 */
export async function trustedOf(store: CertificateStore, bytes: Buffer): Promise<Pick<SecureContextOptions, 'ca'>> {
  const form = formOf(store, bytes);
  if (form === 'PEM') return { ca: bytes };
  const read = form === 'JKS' ? trustedOfJks : trustedOfPkcs12;
  const trusted = await reading(store, () => read(bytes, store.password ?? undefined));
  if (trusted.length > 0) return { ca: [...trusted] };
  throw invalid(`${store.setting}.location=${store.path} has no certificate in it: there is nobody to trust`);
}

/** Of an entry with a key Java trusts the first certificate (`TrustStoreUtil`). The library is read when first needed: most have PEM. */
async function trustedOfJks(bytes: Buffer, password: string | undefined): Promise<readonly string[]> {
  const { parseJks } = (await import('jks-js')).default;
  return parseJks(bytes, password).flatMap(({ cert, chain }) => [cert ?? chain?.[0] ?? []].flat().map(pemOf));
}

/** Node reads PKCS12 where there is a key in it, and no other. */
async function trustedOfPkcs12(bytes: Buffer, password: string | undefined): Promise<readonly string[]> {
  const { parsePkcs12, toPem } = (await import('jks-js')).default;
  const entries = Object.values(toPem(bytes, password));
  // Those without a name, or of one name, would get lost.
  const isWhole = parsePkcs12(bytes, password).length === entries.length && entries.every(({ ca }) => ca !== undefined);
  if (!isWhole) throw new Error(UNNAMED);
  return entries.flatMap(({ ca = [] }) => ca);
}

function pemOf({ value }: { readonly value: Buffer }): string {
  return new X509Certificate(value).toString();
}

async function reading<T>(store: CertificateStore, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw invalid(`${store.setting}.location=${store.path} cannot be read: ${whyUnread(cause, store)}`, cause);
  }
}

const UNNAMED = 'not each entry is a certificate with a name (alias) of its own';

function whyUnread(error: unknown, { setting, password }: CertificateStore): string {
  const message = error instanceof Error ? error.message : String(error);
  const name = `${setting}.password`;
  if (/Password verification failed|MAC could not be verified/.test(message)) {
    return `${password === null ? `it has a password: set ${name}` : `${name} is wrong, or the file is damaged`}`;
  }
  if (message === 'Cannot recover key') return 'the password of its key is another: set ssl.key.password';
  // What the library says of a certificate without a name.
  if (message === UNNAMED || /friendlyName|reading '0'/.test(message)) {
    return `${UNNAMED}. Write them to a PEM file, one after the other`;
  }
  return `${message}. Is it a key store of Java?`;
}

/**
 * By what is in it; what is set must not say otherwise.
 * @throws StartError START_CONFIG_INVALID where it is none that is read; nothing weaker is tried in its place
 */
function formOf({ setting, path, type }: CertificateStore, bytes: Buffer): 'JKS' | 'PKCS12' | 'PEM' {
  const found = contentOf(bytes);
  const said = type?.trim().toUpperCase() ?? '';
  if (said === '' || said === found || (JAVA_TYPES.includes(said) && JAVA_TYPES.includes(found))) return found;
  const mend = [...JAVA_TYPES, 'PEM'].includes(said)
    ? `Set ${setting}.type to ${found}, or name another file`
    : `Turn it into one of those: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12, and set ${setting}.type to PKCS12`;
  throw invalid(
    `${setting}.location=${path} is said to be of type ${said}, and what is in it is ${found === 'PEM' ? 'not of the types JKS and PKCS12' : found}; PEM, PKCS12 and JKS are read here. ${mend}`,
  );
}

function contentOf(bytes: Buffer): 'JKS' | 'PKCS12' | 'PEM' {
  if (bytes.length >= 4 && bytes.readUInt32BE(0) === JKS_MAGIC) return 'JKS';
  return bytes[0] === DER_SEQUENCE ? 'PKCS12' : 'PEM';
}

function passphrase(text: string | null): Pick<SecureContextOptions, 'passphrase'> {
  return text === null ? {} : { passphrase: text };
}

function invalid(message: string, cause?: unknown): StartError {
  return new StartError('START_CONFIG_INVALID', message, cause);
}
