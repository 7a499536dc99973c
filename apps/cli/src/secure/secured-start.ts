/** What `millrace start --secure` makes: an authority, a certificate, an administrator, and the settings that go with them. */

import { randomBytes, X509Certificate } from 'node:crypto';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { makeFolders } from '@millrace/ports';
import { failure } from '../errors.ts';
import { type Issued, issueServer, newAuthority } from './certificates.ts';
import { KEYSTORE } from './secrets.ts';

const AUTHORITY = 'ca.pem';
const AUTHORITY_KEY = 'ca-key.pem';
const PASSWORD = 'admin-password';
const PROPERTIES = 'client.properties';
const ADMIN = 'admin';
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
/** A certificate that ends sooner is made anew. */
const RENEWED_BEFORE_MS = 30 * 86_400_000;
const PASSWORD_BYTES = 18;

/** What a secured start is made of. */
export interface SecuredPlan {
  /** Where keys and passwords are kept; made where it is missing, for this user alone. */
  readonly folder: string;
  readonly port: number;
  /** A name that others reach this machine by; undefined: this machine alone can. */
  readonly advertisedHost?: string | undefined;
  readonly now: Date;
}

/** A broker's security, ready for its start. */
export interface SecuredStart {
  /** The broker's settings. */
  readonly settings: Readonly<Record<string, string>>;
  /** Writes the file for clients, and says how to connect; once it is known where the broker is. */
  ready(bootstrapServers: string): Promise<string>;
}

/** Makes what is missing, and takes what is there: passwords and the authority stay the same from start to start. */
export async function securedStart(plan: SecuredPlan): Promise<SecuredStart> {
  const folder = resolve(plan.folder);
  await makeFolders(folder, 0o700);
  await chmod(folder, 0o700);
  const authority = await authorityIn(folder, plan.now);
  const hosts = [...new Set([plan.advertisedHost ?? 'localhost', 'localhost', '127.0.0.1', '::1', ownName()])];
  const keystore = await keystoreIn(folder, authority, hosts, plan.now);
  const password = await passwordIn(folder);
  const { advertisedHost: host, port } = plan;
  const login = `${PLAIN} username="${ADMIN}" password="${password}" user_${ADMIN}="${password}";`;
  return {
    settings: {
      listeners: host === undefined ? `SASL_SSL://127.0.0.1:${port}` : `SASL_SSL://:${port}`,
      'advertised.listeners': `SASL_SSL://${host ?? 'localhost'}:${port}`,
      'security.inter.broker.protocol': 'SASL_SSL',
      'sasl.mechanism.inter.broker.protocol': 'PLAIN',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': login,
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': keystore,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': join(folder, AUTHORITY),
      'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
      'super.users': `User:${ADMIN}`,
    },
    async ready(bootstrapServers) {
      const file = join(folder, PROPERTIES);
      await writePrivate(file, clientProperties(bootstrapServers, password, join(folder, AUTHORITY)));
      return howToConnect(bootstrapServers, folder);
    },
  };
}

async function authorityIn(folder: string, now: Date): Promise<Issued> {
  const certificate = await contentOf(join(folder, AUTHORITY));
  const key = await contentOf(join(folder, AUTHORITY_KEY));
  if (certificate !== undefined && key !== undefined) {
    const hint =
      'Put it back from a copy; or move it and ca-key.pem away, and clients have to trust the authority that the next start makes.';
    const parsed = certificateIn(certificate, join(folder, AUTHORITY), hint);
    if (!endsSoon(parsed, now)) return { certificate, key };
  }
  const made = newAuthority(`Millrace of ${ownName()}`, now);
  await writePrivate(join(folder, AUTHORITY_KEY), made.key);
  await writePrivate(join(folder, AUTHORITY), made.certificate);
  return made;
}

/** The path of the file with the broker's key and certificate. */
async function keystoreIn(folder: string, authority: Issued, hosts: readonly string[], now: Date): Promise<string> {
  const path = join(folder, KEYSTORE);
  const present = await contentOf(path);
  const hint = 'Put it back from a copy, or move it away: the next start makes another.';
  const parsed = present === undefined ? undefined : certificateIn(present, path, hint);
  if (parsed !== undefined && serves(parsed, authority, hosts, now)) return path;
  const { key, certificate } = issueServer(authority, hosts, now);
  await writePrivate(path, `${key}${certificate}`);
  return path;
}

/** The first certificate of a file. @throws CliError naming the file, where there is none that can be read */
function certificateIn(pem: string, path: string, hint: string): X509Certificate {
  try {
    return new X509Certificate(pem.slice(Math.max(pem.indexOf('-----BEGIN CERTIFICATE-----'), 0)));
  } catch {
    throw failure(`${path} holds no certificate that can be read`, hint);
  }
}

function serves(certificate: X509Certificate, authority: Issued, hosts: readonly string[], now: Date): boolean {
  const isOurs = certificate.verify(new X509Certificate(authority.certificate).publicKey);
  const isNamed = (host: string): boolean =>
    (isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host)) !== undefined;
  return isOurs && !endsSoon(certificate, now) && hosts.every(isNamed);
}

function endsSoon({ validToDate }: X509Certificate, now: Date): boolean {
  return validToDate.getTime() - now.getTime() < RENEWED_BEFORE_MS;
}

async function passwordIn(folder: string): Promise<string> {
  const path = join(folder, PASSWORD);
  const present = (await contentOf(path))?.trim();
  // Anything else would break out of the quotes in which it stands.
  if (present !== undefined) {
    if (/^[A-Za-z0-9_-]{8,}$/.test(present)) return present;
    const hint =
      'Put the former one back, or move the file away: the next start makes another, which clients need then.';
    throw failure(`${path} holds no password of 8 or more letters, digits, - and _`, hint);
  }
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  await writePrivate(path, `${password}\n`);
  return password;
}

function clientProperties(bootstrapServers: string, password: string, authority: string): string {
  return [
    '# For Kafka’s tools (--command-config), Java clients and millrace. It has a password in it.',
    `bootstrap.servers=${bootstrapServers}`,
    'security.protocol=SASL_SSL',
    'sasl.mechanism=PLAIN',
    `sasl.jaas.config=${PLAIN} username="${ADMIN}" password="${password}";`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${authority}`,
    '',
  ].join('\n');
}

function howToConnect(bootstrapServers: string, folder: string): string {
  const properties = join(folder, PROPERTIES);
  const password = join(folder, PASSWORD);
  const authority = join(folder, AUTHORITY);
  return `
Clients speak TLS, log in, and may do nothing that no rule allows. ${ADMIN} may do everything; his password is in
${password}

  millrace      millrace topics list --command-config ${properties}
  Kafka's tools kafka-topics.sh --bootstrap-server ${bootstrapServers} --command-config ${properties} --list
  kcat          kcat -b ${bootstrapServers} -X security.protocol=SASL_SSL -X sasl.mechanisms=PLAIN -X sasl.username=${ADMIN} \\
                  -X sasl.password="$(cat ${password})" -X ssl.ca.location=${authority} -L
  SDK           new Producer({
                  bootstrapServers: '${bootstrapServers}',
                  tls: { ca: readFileSync('${authority}') },
                  sasl: { mechanism: 'PLAIN', username: '${ADMIN}', password: readFileSync('${password}', 'utf8').trim() },
                })

Let others in, for example:

  PW=... millrace users set-password alice --password-env PW --command-config ${properties}
  millrace acls add --principal alice --producer --topic orders --command-config ${properties}
`;
}

function ownName(): string {
  const name = hostname();
  return /^[A-Za-z0-9.-]{1,253}$/.test(name) ? name : 'localhost';
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all, and never for others to read. */
async function writePrivate(path: string, content: string): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  await writeFile(draft, content, { mode: 0o600 });
  await rename(draft, path);
}
