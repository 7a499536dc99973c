import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Files of a certificate for 127.0.0.1 and of the authority that has signed it. */
export interface Certificates {
  readonly ca: string;
  /** Key and certificate in one PEM file. */
  readonly pem: string;
  readonly pkcs12: string;
  readonly password: string;
}

/** Makes certificates with openssl. */
export function makeCertificates(folder: string): Certificates {
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const ca = at('ca.pem');
  const [key, request, certificate] = [at('key.pem'), at('request.pem'), at('certificate.pem')] as const;
  openssl(
    ...'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority'.split(' '),
    '-keyout',
    at('ca.key'),
    '-out',
    ca,
  );
  openssl(
    ...'req -newkey rsa:2048 -nodes -subj /CN=broker -addext subjectAltName=IP:127.0.0.1'.split(' '),
    ...['-keyout', key, '-out', request],
  );
  openssl(
    ...['x509', '-req', '-days', '2', '-copy_extensions', 'copy', '-in', request, '-CA', ca, '-CAkey', at('ca.key')],
    ...['-CAcreateserial', '-out', certificate],
  );
  const pem = at('both.pem');
  execFileSync('sh', ['-c', 'cat "$1" "$2" > "$3"', 'sh', key, certificate, pem]);
  const [pkcs12, password] = [at('both.p12'), 'secret'] as const;
  openssl('pkcs12', '-export', '-in', pem, '-out', pkcs12, '-passout', `pass:${password}`);
  return { ca, pem, pkcs12, password };
}
