import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { AuthenticationError } from '../errors.ts';
import { readSecret, type SaslExchange, type SaslScramOptions } from './mechanism.ts';

const deriveKey = promisify(pbkdf2);

/** Kafka refuses fewer (`ScramMechanism.minIterations`); a broker that asks for fewer weakens the password. */
const ITERATIONS_MIN = 4096;
/** A broker that asks for more would keep a CPU busy for long; Kafka itself stores 16,384 at most. */
const ITERATIONS_MAX = 100_000;

/** No channel binding: base64 of the header `n,,`. */
const CHANNEL_BINDING = 'biws';

/**
 * SCRAM (RFC 5802, RFC 7677) as Kafka's `ScramSaslClient` does it: no channel binding, no SASLprep (the password's UTF-8
 * bytes count as they are).
 *
 * @param clientNonce Only for the test vectors of the RFCs; random otherwise.
 */
export function scramExchange(options: SaslScramOptions, clientNonce: string = newNonce()): SaslExchange {
  const scram = new ScramExchange(options, clientNonce);
  return { respond: (challenge) => scram.respond(challenge) };
}

function newNonce(): string {
  return randomBytes(24).toString('base64url');
}

class ScramExchange {
  readonly #options: SaslScramOptions;
  readonly #hash: 'sha256' | 'sha512';
  readonly #hashBytes: number;
  readonly #clientNonce: string;
  readonly #clientFirstBare: string;
  #step: 'first' | 'final' | 'verify' = 'first';
  #serverSignature: Buffer | undefined;

  constructor(options: SaslScramOptions, clientNonce: string) {
    this.#options = options;
    this.#hash = options.mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
    this.#hashBytes = options.mechanism === 'SCRAM-SHA-256' ? 32 : 64;
    this.#clientNonce = clientNonce;
    const username = options.username.replaceAll('=', '=3D').replaceAll(',', '=2C');
    this.#clientFirstBare = `n=${username},r=${clientNonce}${options.delegationToken === true ? ',tokenauth=true' : ''}`;
  }

  async respond(challenge: Buffer | undefined): Promise<Buffer | undefined> {
    switch (this.#step) {
      case 'first':
        this.#step = 'final';
        return Buffer.from(`n,,${this.#clientFirstBare}`);
      case 'final':
        this.#step = 'verify';
        return await this.#clientFinal((challenge ?? Buffer.alloc(0)).toString());
      case 'verify':
        this.#verify((challenge ?? Buffer.alloc(0)).toString());
        return undefined;
    }
  }

  async #clientFinal(serverFirst: string): Promise<Buffer> {
    const fields = parseFields(serverFirst);
    this.#refuseOnError(fields);
    const nonce = fields.get('r') ?? '';
    if (!nonce.startsWith(this.#clientNonce) || nonce.length === this.#clientNonce.length) {
      throw this.#error('the broker did not extend our nonce; somebody may be replaying an old exchange');
    }
    const salt = Buffer.from(fields.get('s') ?? '', 'base64');
    const iterations = Number(fields.get('i'));
    if (salt.length === 0 || !Number.isInteger(iterations)) {
      throw this.#error('the first message of the broker has no salt or no iteration count');
    }
    if (iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX) {
      throw this.#error(
        `the broker asks for ${iterations} iterations; ${ITERATIONS_MIN} to ${ITERATIONS_MAX} are accepted`,
      );
    }
    const password = Buffer.from(await readSecret(this.#options.password));
    const saltedPassword = await deriveKey(password, salt, iterations, this.#hashBytes, this.#hash);
    const finalWithoutProof = `c=${CHANNEL_BINDING},r=${nonce}`;
    const authMessage = `${this.#clientFirstBare},${serverFirst},${finalWithoutProof}`;
    const clientKey = this.#hmac(saltedPassword, 'Client Key');
    const storedKey = createHash(this.#hash).update(clientKey).digest();
    const clientSignature = this.#hmac(storedKey, authMessage);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (clientSignature[index] as number)));
    this.#serverSignature = this.#hmac(this.#hmac(saltedPassword, 'Server Key'), authMessage);
    return Buffer.from(`${finalWithoutProof},p=${proof.toString('base64')}`);
  }

  #verify(serverFinal: string): void {
    const fields = parseFields(serverFinal);
    this.#refuseOnError(fields);
    const signature = Buffer.from(fields.get('v') ?? '', 'base64');
    const expected = this.#serverSignature;
    if (expected === undefined || signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw this.#error('the broker could not prove that it knows the password; it may not be the broker you mean');
    }
  }

  #refuseOnError(fields: ReadonlyMap<string, string>): void {
    const error = fields.get('e');
    if (error !== undefined) throw this.#error(`the broker answered "${error}"`);
  }

  #hmac(key: Buffer, message: string): Buffer {
    return createHmac(this.#hash, key).update(message).digest();
  }

  #error(what: string): AuthenticationError {
    return new AuthenticationError(`SASL ${this.#options.mechanism} as "${this.#options.username}": ${what}`);
  }
}

function parseFields(message: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const part of message.split(',')) {
    if (part[1] === '=') fields.set(part[0] as string, part.slice(2));
  }
  return fields;
}
