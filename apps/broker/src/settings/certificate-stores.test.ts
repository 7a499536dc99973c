import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { StartError } from '../start-error.ts';
import { type OwnCertificate, ownCertificateOf, trustedOf } from './certificate-stores.ts';

const pem = (name: string) => new URL(`../../../../packages/network/fixtures/${name}.pem`, import.meta.url);
const stores = new Map<string, Buffer>();

beforeAll(async () => {
  const names = ['localhost.jks', 'pkcs12-inside.jks', 'rsa-and-ec.jks', 'two-keys.jks'];
  for (const name of [...names, 'trust.jks', 'trust.p12', 'unnamed.p12']) {
    stores.set(name, await readFile(new URL(`../../fixtures/${name}`, import.meta.url)));
  }
  for (const name of ['localhost.cert', 'localhost.key', 'authority.cert']) stores.set(name, await readFile(pem(name)));
});

interface Given {
  readonly type?: string | null;
  readonly password?: string | null;
  readonly keyPassword?: string | null;
}

const bytesOf = (name: string): Buffer => stores.get(name) ?? Buffer.alloc(0);

function own(name: string, { type = null, password = 'store-pw', keyPassword = 'key-pw' }: Given = {}) {
  const store = { setting: 'ssl.keystore', path: `/etc/${name}`, type, password };
  return ownCertificateOf(store, bytesOf(name), keyPassword);
}

async function trusted(name: string, { type = null, password = 'trust-pw' }: Given = {}): Promise<string[]> {
  const store = { setting: 'ssl.truststore', path: `/etc/${name}`, type, password };
  const { ca } = await trustedOf(store, bytesOf(name));
  return [ca].flat().map((each) => new X509Certificate(each as string).fingerprint256);
}

const fingerprint = (name: string): string => new X509Certificate(bytesOf(name)).fingerprint256;
const keysOf = ({ key }: OwnCertificate) =>
  [key].flat().map((each) => createPrivateKey(each as string).export({ type: 'pkcs8', format: 'pem' }));

describe('a key store of Java', () => {
  it.each(['JKS', 'jks', 'PKCS12', null])('gives its key and certificate, said to be of type %s', async (type) => {
    const found = await own('localhost.jks', { type });
    expect(new X509Certificate([found.cert].flat()[0] as string).fingerprint256).toBe(fingerprint('localhost.cert'));
    const key = createPrivateKey(bytesOf('localhost.key'));
    expect(keysOf(found)).toEqual([key.export({ type: 'pkcs8', format: 'pem' })]);
    expect(() => createSecureContext(found)).not.toThrow();
  });

  it('is read as PKCS12 where that is in it, whatever its name and type say', async () => {
    for (const type of ['JKS', 'PKCS12', null]) {
      const found = await own('pkcs12-inside.jks', { type, keyPassword: null });
      expect(found).toEqual({ pfx: bytesOf('pkcs12-inside.jks'), passphrase: 'store-pw' });
      expect(() => createSecureContext(found)).not.toThrow();
    }
  });

  it('may have a key of each kind, and not two of one', async () => {
    const found = await own('rsa-and-ec.jks');
    expect(keysOf(found).length).toBe(2);
    expect(() => createSecureContext(found)).not.toThrow();
    await expect(own('two-keys.jks')).rejects.toThrow(
      /several private keys of one kind, (localhost, again|again, localhost)/,
    );
    await expect(own('trust.jks', { password: 'trust-pw' })).rejects.toThrow('has no private key');
  });

  it.each<[string, Given, string]>([
    ['a wrong password', { password: 'wrong' }, 'ssl.keystore.password is wrong, or the file is damaged'],
    ['a wrong password of its key', { keyPassword: 'wrong' }, 'set ssl.key.password'],
    ['none for its key', { keyPassword: null }, 'set ssl.key.password'],
    ['a type that it has not', { type: 'PEM' }, 'is said to be of type PEM, and what is in it is JKS'],
    ['a type that nobody reads here', { type: 'BCFKS' }, 'keytool -importkeystore'],
  ])('is refused with %s', async (_, given, words) => {
    await expect(own('localhost.jks', given)).rejects.toThrow(words);
  });

  it('is not PEM by another name', async () => {
    await expect(own('localhost.key', { type: 'JKS' })).rejects.toThrow('Set ssl.keystore.type to PEM');
    expect(await own('localhost.key', { type: 'PEM', keyPassword: null })).toEqual({
      cert: bytesOf('localhost.key'),
      key: bytesOf('localhost.key'),
    });
  });
});

describe('a trust store of Java', () => {
  it.each(['trust.jks', 'trust.p12'])('gives all its certificates: %s', async (name) => {
    const expected = [fingerprint('localhost.cert'), fingerprint('authority.cert')].sort();
    for (const type of ['JKS', 'PKCS12', null]) expect((await trusted(name, { type })).sort()).toEqual(expected);
  });

  it('needs no password as JKS, as Java asks for none', async () => {
    expect((await trusted('trust.jks', { password: null })).length).toBe(2);
    await expect(trusted('trust.jks', { password: 'wrong' })).rejects.toThrow('ssl.truststore.password is wrong');
    await expect(trusted('trust.p12', { password: 'wrong' })).rejects.toThrow('ssl.truststore.password is wrong');
    await expect(trusted('trust.p12', { password: null })).rejects.toThrow('set ssl.truststore.password');
  });

  it('trusts the certificate of a key in it', async () => {
    expect(await trusted('localhost.jks', { password: 'store-pw' })).toEqual([fingerprint('localhost.cert')]);
  });

  it('is refused where a certificate of it could get lost', async () => {
    await expect(trusted('unnamed.p12')).rejects.toThrow('not each entry is a certificate with a name');
  });
});

describe('a damaged store', () => {
  it('is refused in words, whatever is wrong with it', async () => {
    const damage = fc.record({
      at: fc.nat(1000),
      value: fc.nat(255),
      cutAt: fc.option(fc.nat(1000), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ at, value, cutAt }) => {
        const bytes = Buffer.from(bytesOf('trust.jks'));
        bytes[at] = value;
        const damaged = bytes.subarray(0, cutAt);
        if (damaged.equals(bytesOf('trust.jks'))) return;
        const store = { setting: 'ssl.truststore', path: '/a', type: 'JKS', password: 'trust-pw' };
        await expect(trustedOf(store, damaged)).rejects.toThrow(StartError);
      }),
    );
  });
});
