/** A certificate authority of one's own, and certificates by it (RFC 5280), for brokers on one's own machine. */
import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import { bits, integer, numbered, objectId, octets, sequence, set, time, utf8, yes } from './der.ts';

/** A certificate with its key, in PEM. */
export interface Issued {
  readonly certificate: string;
  readonly key: string;
}

const ECDSA_WITH_SHA256 = sequence(objectId('1.2.840.10045.4.3.2'));
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** As long as browsers and systems take certificates of servers for. */
const SERVER_DAYS = 397;
/** Clocks differ: it holds from a little before. */
const EARLIER_MS = 3_600_000;
const SERIAL_BYTES = 16;

/** Makes an authority. */
export function newAuthority(name: string, now: Date): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const extensions = [
    extension('2.5.29.19', sequence(yes), true),
    // keyCertSign and cRLSign.
    extension('2.5.29.15', bits(Buffer.of(0b0000_0110), 1), true),
    subjectKeyId(publicKey),
  ];
  const to = { name, publicKey, extensions, days: CA_DAYS };
  return { certificate: certificate(to, { name, key: privateKey }, now), key: pemOf(privateKey) };
}

/** Has an authority make a certificate for a server by its names and addresses. */
export function issueServer(authority: Issued, hosts: readonly string[], now: Date): Issued {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = new X509Certificate(authority.certificate);
  const names = hosts.map((host) => {
    if (isIP(host) === 0) return numbered(2, Buffer.from(host, 'latin1'));
    return numbered(7, addressBytes(host));
  });
  const extensions = [
    extension('2.5.29.19', sequence(), true),
    // digitalSignature
    extension('2.5.29.15', bits(Buffer.of(0b1000_0000), 7), true),
    extension('2.5.29.37', sequence(objectId('1.3.6.1.5.5.7.3.1'))),
    extension('2.5.29.17', sequence(...names)),
    subjectKeyId(publicKey),
    extension('2.5.29.35', sequence(numbered(0, keyId(issuer.publicKey)))),
  ];
  const to = { name: hosts[0] ?? 'localhost', publicKey, extensions, days: SERVER_DAYS };
  const by = { name: issuer.subject.replace(/^CN=/, ''), key: createPrivateKey(authority.key) };
  return { certificate: certificate(to, by, now), key: pemOf(privateKey) };
}

interface Subject {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly days: number;
}

function certificate(subject: Subject, issuer: { readonly name: string; readonly key: KeyObject }, now: Date): string {
  const until = new Date(now.getTime() + subject.days * DAY_MS);
  const serial = randomBytes(SERIAL_BYTES);
  // Positive, and as long as it is whatever chance gives.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const body = sequence(
    numbered(0, integer(Buffer.of(2)), true),
    integer(serial),
    ECDSA_WITH_SHA256,
    nameOf(issuer.name),
    sequence(time(new Date(now.getTime() - EARLIER_MS)), time(until)),
    nameOf(subject.name),
    spkiOf(subject.publicKey),
    numbered(3, sequence(...subject.extensions), true),
  );
  const signed = sequence(body, ECDSA_WITH_SHA256, bits(sign('sha256', body, issuer.key)));
  const lines = signed.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(objectId(id), ...(isCritical ? [yes] : []), octets(value));
}

function subjectKeyId(key: KeyObject): Buffer {
  return extension('2.5.29.14', octets(keyId(key)));
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(spkiOf(key)).digest();
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(objectId('2.5.4.3'), utf8(commonName))));
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  // URL writes IPv6 in one form: hexadecimal, with the longest run of zeros left out.
  const [left = '', right] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string): string[] => text.split(':').filter((group) => group !== '');
  const [before, after] = [groups(left), groups(right ?? '')];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const all = [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16));
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}
