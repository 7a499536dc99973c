/**
 * Passwords of listeners in the metadata store, as Kafka 3.9 encodes them (`EncryptingPasswordEncoder`): encrypted with a key that is
 * derived from `password.encoder.secret`, with all that is needed to read them but that secret beside them.
 */
import { type CipherGCM, createCipheriv, createDecipheriv, type DecipherGCM, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import type { Random } from '@millrace/ports';

/** `password.encoder.*`: what new ones are encoded with. Each that is read says by itself what it was encoded with. */
export interface PasswordEncoderSettings {
  readonly secret: string;
  /** `password.encoder.old.secret`: tried where the other does not fit. */
  readonly oldSecret: string | null;
  readonly keyFactory: string;
  readonly cipher: string;
  readonly keyLength: number;
  readonly iterations: number;
}

/** A password, and whether it was encoded with the old secret. */
interface DecodedPassword {
  readonly password: string;
  readonly isOld: boolean;
}

/** Java's names of what derives a key, in small letters, with the hashes. */
const KEY_FACTORIES: Readonly<Record<string, string>> = {
  pbkdf2withhmacsha1: 'sha1',
  pbkdf2withhmacsha224: 'sha224',
  pbkdf2withhmacsha256: 'sha256',
  pbkdf2withhmacsha384: 'sha384',
  pbkdf2withhmacsha512: 'sha512',
};
/** What Kafka takes where nothing is set and Java knows it (`EncryptingPasswordEncoder.secretKeyFactory`). */
export const DEFAULT_KEY_FACTORY = 'PBKDF2WithHmacSHA512';

const CBC = 'AES/CBC/PKCS5Padding';
const GCM = 'AES/GCM/NoPadding';
const IV_BYTES: Readonly<Record<string, number>> = { [CBC]: 16, [GCM]: 12 };
const KEY_LENGTHS: readonly number[] = [128, 192, 256];
const SALT_BYTES = 256;
const TAG_BYTES = 16;
/** What somebody writes into the store must not keep a thread busy: a hundred times what Kafka takes. */
const ITERATIONS_MAX = 409_600;

const derive = promisify(pbkdf2);

/** What is wrong with the way in which passwords are to be encoded, by the setting; undefined where nothing is. */
export function encoderFault(
  settings: Pick<PasswordEncoderSettings, 'keyFactory' | 'cipher' | 'keyLength' | 'iterations'>,
): { readonly name: string; readonly message: string } | undefined {
  const { keyFactory, cipher, keyLength, iterations } = settings;
  if (hashOf(keyFactory) === undefined) {
    return {
      name: 'password.encoder.keyfactory.algorithm',
      message: `${keyFactory} is not known: give ${DEFAULT_KEY_FACTORY}`,
    };
  }
  if (!Object.hasOwn(IV_BYTES, cipher)) {
    return { name: 'password.encoder.cipher.algorithm', message: `${cipher} is not known: give ${CBC} or ${GCM}` };
  }
  if (!KEY_LENGTHS.includes(keyLength)) {
    return {
      name: 'password.encoder.key.length',
      message: `AES has no keys of ${keyLength} bits: give ${KEY_LENGTHS.join(', ')}`,
    };
  }
  if (iterations > ITERATIONS_MAX) {
    return { name: 'password.encoder.iterations', message: `Value must be no more than ${ITERATIONS_MAX}` };
  }
  return undefined;
}

/** Encodes passwords for the metadata store, and decodes them. */
export class PasswordEncoder {
  readonly #settings: PasswordEncoderSettings;
  readonly #random: Random;

  constructor(settings: PasswordEncoderSettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
  }

  async encode(password: string): Promise<string> {
    const { secret, keyFactory, cipher, keyLength, iterations } = this.#settings;
    const salt = Buffer.from(this.#random.bytes(SALT_BYTES));
    const iv = Buffer.from(this.#random.bytes(IV_BYTES[cipher] ?? 0));
    const key = await derive(secret, salt, iterations, keyLength / 8, hashOf(keyFactory) ?? '');
    // Node tells the kinds apart by constant names; the tag is asked for of the one kind alone.
    const encrypting = createCipheriv(nodeCipher(cipher, keyLength), key, iv) as CipherGCM;
    const encrypted = [encrypting.update(password, 'utf8'), encrypting.final()];
    // Java has the tag of GCM behind the text.
    if (cipher === GCM) encrypted.push(encrypting.getAuthTag());
    return written({
      keyFactoryAlgorithm: keyFactory,
      cipherAlgorithm: cipher,
      keyLength,
      iterations,
      salt: salt.toString('base64'),
      initializationVector: iv.toString('base64'),
      ...(cipher === GCM ? { authenticationTagLength: TAG_BYTES * 8 } : {}),
      encryptedPassword: Buffer.concat(encrypted).toString('base64'),
      passwordLength: password.length,
    });
  }

  /** @throws TypeError where it was not encoded so, or with another secret; it does not tell what is in it */
  async decode(encoded: string): Promise<DecodedPassword> {
    const parts = read(encoded);
    const { secret, oldSecret } = this.#settings;
    for (const each of oldSecret === null ? [secret] : [secret, oldSecret]) {
      const password = await decrypted(parts, each);
      if (password !== undefined) return { password, isOld: each !== secret };
    }
    throw new TypeError('it was encoded with another secret');
  }
}

type Parts = ReturnType<typeof read>;

/** Undefined where the secret is another. */
async function decrypted(parts: Parts, secret: string): Promise<string | undefined> {
  const { cipher, keyLength, iterations, salt, iv, hash, passwordLength } = parts;
  const key = await derive(secret, salt, iterations, keyLength / 8, hash);
  const isGcm = cipher === GCM;
  const end = parts.encrypted.length - (isGcm ? TAG_BYTES : 0);
  try {
    const decrypting = createDecipheriv(nodeCipher(cipher, keyLength), key, iv) as DecipherGCM; // As above.
    if (isGcm) decrypting.setAuthTag(parts.encrypted.subarray(end));
    const bytes = Buffer.concat([decrypting.update(parts.encrypted.subarray(0, end)), decrypting.final()]);
    const password = bytes.toString('utf8');
    // CBC takes one wrong secret of some 256 for the right one.
    const isWhole = password.length === passwordLength && Buffer.from(password, 'utf8').equals(bytes);
    return isWhole ? password : undefined;
  } catch {
    return undefined;
  }
}

function written(parts: Readonly<Record<string, string | number>>): string {
  return Object.entries(parts)
    .map(([name, value]) => `${name}:${value}`)
    .join(',');
}

/** Reads what stands beside a password. @throws TypeError, without what was read */
function read(encoded: string) {
  const fields = new Map(
    encoded.split(',').map((part) => {
      const colon = part.indexOf(':');
      return [part.slice(0, colon).trim(), part.slice(colon + 1).trim()] as const;
    }),
  );
  const bytes = (name: string): Buffer => Buffer.from(fields.get(name) ?? '', 'base64');
  const keyFactory = fields.get('keyFactoryAlgorithm') ?? '';
  const cipher = fields.get('cipherAlgorithm') ?? '';
  const keyLength = Number(fields.get('keyLength'));
  const iterations = Number(fields.get('iterations'));
  const hash = hashOf(keyFactory);
  const fault = encoderFault({ keyFactory, cipher, keyLength, iterations });
  const isCount = Number.isSafeInteger(iterations) && iterations > 0;
  if (fault !== undefined || hash === undefined || !isCount) throw new TypeError('it is not encoded as Kafka does it');
  return {
    hash,
    cipher,
    keyLength,
    iterations,
    salt: bytes('salt'),
    iv: bytes('initializationVector'),
    encrypted: bytes('encryptedPassword'),
    passwordLength: Number(fields.get('passwordLength')),
  };
}

function hashOf(keyFactory: string): string | undefined {
  const name = keyFactory.toLowerCase();
  return Object.hasOwn(KEY_FACTORIES, name) ? KEY_FACTORIES[name] : undefined;
}

function nodeCipher(cipher: string, keyLength: number): string {
  return `aes-${keyLength}-${cipher === GCM ? 'gcm' : 'cbc'}`;
}
