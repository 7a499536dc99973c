/** Certificates for one run, made with openssl: what the broker shows, what clients show, and those that nobody shall trust. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A key with its certificate, in files. */
export interface KeyPair {
  readonly key: string;
  readonly certificate: string;
  /** Both in one file, as Kafka has it. */
  readonly both: string;
}

export interface RunCertificates {
  readonly authority: string;
  /** Trusted by nobody. */
  readonly otherAuthority: string;
  /** For localhost and 127.0.0.1. */
  readonly broker: KeyPair;
  /** For a host that is not this one. */
  readonly elsewhere: KeyPair;
  /** A client's, of the broker's authority. */
  readonly alice: KeyPair;
  /** A client's with the same name, of the other authority. */
  readonly forged: KeyPair;
}

const NEW_KEY = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'.split(' ');

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

function makeAuthority(folder: string, name: string): string {
  const certificate = join(folder, `${name}.pem`);
  const key = join(folder, `${name}.key`);
  openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', key, '-out', certificate);
  return certificate;
}

function issue(folder: string, authority: string, file: string, name: string, hosts?: string): KeyPair {
  const at = (end: string): string => join(folder, `${file}.${end}`);
  const [key, request, certificate, both] = [at('key'), at('request'), at('cert'), at('both')] as const;
  const names = hosts === undefined ? [] : ['-addext', `subjectAltName=${hosts}`];
  openssl('req', ...NEW_KEY, '-subj', `/CN=${name}`, ...names, '-keyout', key, '-out', request);
  openssl(
    ...['x509', '-req', '-days', '2', '-copy_extensions', 'copy', '-in', request],
    ...['-CA', authority, '-CAkey', authority.replace(/pem$/, 'key'), '-CAcreateserial', '-out', certificate],
  );
  writeFileSync(both, `${readFileSync(key, 'utf8')}${readFileSync(certificate, 'utf8')}`, { mode: 0o600 });
  return { key, certificate, both };
}

/** @param name - Of the authority: OpenSSL finds who has issued a certificate by his name. */
export function makeRunCertificates(folder: string, name = 'authority'): RunCertificates {
  const authority = makeAuthority(folder, name);
  const otherAuthority = makeAuthority(folder, 'other');
  return {
    authority,
    otherAuthority,
    broker: issue(folder, authority, 'broker', 'broker', 'DNS:localhost,IP:127.0.0.1'),
    elsewhere: issue(folder, authority, 'elsewhere', 'elsewhere', 'DNS:elsewhere.example'),
    alice: issue(folder, authority, 'alice', 'alice'),
    forged: issue(folder, otherAuthority, 'forged', 'alice'),
  };
}
