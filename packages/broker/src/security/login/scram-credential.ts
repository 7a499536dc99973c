import { createHash, createHmac } from 'node:crypto';

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

export const SCRAM_MECHANISMS: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

/** Kafka's codes (`ScramMechanism`). */
export const SCRAM_CODES: Readonly<Record<ScramMechanism, number>> = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 };

export const ITERATIONS_MIN = 4096;
export const ITERATIONS_MAX = 16_384;

const KEY_BYTES: Readonly<Record<ScramMechanism, number>> = { 'SCRAM-SHA-256': 32, 'SCRAM-SHA-512': 64 };

/** What is kept of a password: nothing that lets anybody log in. */
export interface ScramCredential {
  readonly salt: Buffer;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
  readonly iterations: number;
}

export function hashOf(mechanism: ScramMechanism): 'sha256' | 'sha512' {
  return mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
}

export function hmac(mechanism: ScramMechanism, key: Buffer, text: string): Buffer {
  return createHmac(hashOf(mechanism), key).update(text).digest();
}

export function digest(mechanism: ScramMechanism, bytes: Buffer): Buffer {
  return createHash(hashOf(mechanism)).update(bytes).digest();
}

/** What to keep of a salted password, as AlterUserScramCredentials brings it: PBKDF2 was the client's work. */
export function credentialOf(
  mechanism: ScramMechanism,
  salted: { readonly salt: Buffer; readonly saltedPassword: Buffer; readonly iterations: number },
): ScramCredential {
  const { salt, saltedPassword, iterations } = salted;
  const storedKey = digest(mechanism, hmac(mechanism, saltedPassword, 'Client Key'));
  return { salt, storedKey, serverKey: hmac(mechanism, saltedPassword, 'Server Key'), iterations };
}

/** As Kafka's `ScramCredentialUtils` writes it. */
export function encodeCredential({ salt, storedKey, serverKey, iterations }: ScramCredential): string {
  const text = (bytes: Buffer): string => bytes.toString('base64');
  return `salt=${text(salt)},stored_key=${text(storedKey)},server_key=${text(serverKey)},iterations=${iterations}`;
}

/**
 * As little as Kafka's server logs somebody in by (`ScramSaslServer`), whoever has written it: fewer iterations are guessed in no time, and
 * keys of another length are nobody's.
 * @throws SyntaxError without anything of the text in it
 */
export function decodeCredential(mechanism: ScramMechanism, text: string): ScramCredential {
  const fields = new Map(
    text.split(',').map((part): [string, string] => {
      const at = part.indexOf('=');
      return [part.slice(0, at), part.slice(at + 1)];
    }),
  );
  const bytes = (name: string): Buffer => {
    const value = fields.get(name);
    if (value === undefined) throw new SyntaxError(`a SCRAM credential lacks ${name}`);
    return Buffer.from(value, 'base64');
  };
  const iterations = Number(fields.get('iterations'));
  if (fields.size !== 4 || !Number.isSafeInteger(iterations) || iterations < 1) {
    throw new SyntaxError('a SCRAM credential has salt, stored_key, server_key and iterations, and nothing else');
  }
  if (iterations < ITERATIONS_MIN) {
    throw new SyntaxError(
      `a SCRAM credential has at least ${ITERATIONS_MIN} iterations, and this one has ${iterations}`,
    );
  }
  const [storedKey, serverKey] = [bytes('stored_key'), bytes('server_key')];
  const length = KEY_BYTES[mechanism];
  if (storedKey.length !== length || serverKey.length !== length) {
    throw new SyntaxError(`the stored_key and the server_key of ${mechanism} have ${length} bytes each`);
  }
  return { salt: bytes('salt'), storedKey, serverKey, iterations };
}
