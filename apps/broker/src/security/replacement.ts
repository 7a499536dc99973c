import { X509Certificate } from 'node:crypto';
import { duplexPair } from 'node:stream';
import { connect, createSecureContext, createServer, type SecureContextOptions, type TlsOptions } from 'node:tls';

/** What may differ where a certificate takes another's place (KIP-978). */
export interface Allowed {
  readonly allowsDnChanges: boolean;
  readonly allowsSanChanges: boolean;
}

/**
 * What is wrong with a certificate that somebody wants in another's place while the broker runs: as in Kafka it has the same subject
 * and at least the same names, for whoever can change settings could pose as another otherwise. Undefined where nothing is.
 */
export function replacementFault(before: TlsOptions, after: TlsOptions, allowed: Allowed): string | undefined {
  const [old, next] = [ownCertificate(before), ownCertificate(after)];
  if (old === undefined || next === undefined) return undefined;
  if (!allowed.allowsDnChanges && old.subject !== next.subject) {
    return `its subject is another, ${oneLine(next.subject)} in place of ${oneLine(old.subject)}. Set ssl.allow.dn.changes=true in the file of settings where that is meant`;
  }
  const names = new Set(namesOf(next));
  const missing = namesOf(old).filter((name) => !names.has(name));
  if (allowed.allowsSanChanges || missing.length === 0) return undefined;
  return `it lacks alternative names that the former one has: ${missing.join(', ')}. Set ssl.allow.san.changes=true in the file of settings where that is meant`;
}

/** The first of a chain; undefined where it cannot be read. OpenSSL knows which it is, whatever kind of store it came from. */
export function ownCertificate(options: SecureContextOptions): X509Certificate | undefined {
  try {
    // Node gives the bytes of the certificate, and has no type for whom it asks.
    const context = createSecureContext(options).context as { getCertificate?: () => Buffer | null };
    const der = context.getCertificate?.() ?? undefined;
    return der === undefined ? undefined : new X509Certificate(der);
  } catch {
    return undefined;
  }
}

/** Brokers show each other their certificates, so one must be trusted by what the same listener trusts; undefined where it is. */
export function untrustedByItself(options: TlsOptions): Promise<string | undefined> {
  const [client, server] = duplexPair();
  const listening = createServer({ ...options, requestCert: false });
  // It fails at the other end too, and once is enough.
  listening.on('tlsClientError', () => undefined);
  listening.emit('connection', server);
  const { ca, minVersion, maxVersion, ciphers } = options;
  const wanted = Object.entries({ ca, minVersion, maxVersion, ciphers }).filter(([, value]) => value !== undefined);
  return new Promise((resolve) => {
    const ends = (fault: string | undefined): void => {
      resolve(fault);
      socket.destroy();
      server.destroy();
    };
    const given = { ...Object.fromEntries(wanted), checkServerIdentity: () => undefined };
    const socket = connect({ socket: client, ...given }, () => ends(undefined));
    socket.on('error', (error) =>
      ends(`brokers would not trust it, by the listener's own ssl.truststore: ${error.message}`),
    );
  });
}

function namesOf({ subjectAltName }: X509Certificate): readonly string[] {
  return subjectAltName === undefined ? [] : subjectAltName.split(', ');
}

function oneLine(subject: string): string {
  return subject.replaceAll('\n', ', ');
}
