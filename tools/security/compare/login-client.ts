/** A client that writes down what comes of each message of its login, for two brokers to be held against each other. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import {
  type AnyApi,
  type Api,
  ApiVersions,
  apiByKey,
  decodeResponseFrame,
  encodeRequest,
  Metadata,
  SaslAuthenticate,
  SaslHandshake,
} from '@millrace/protocol';
import { within } from '../../clients/client.ts';
import { RawClient } from '../../faults/raw-client.ts';
import { FAILED_LOGIN_MS } from './pair.ts';

/** Longer than the slowest answer to a failed login, on a machine that does much else. */
const SILENCE_MS = 1500;
/** Timers may be that much too early. */
const EARLY_MS_MAX = 5;
const MINUTE_MS = 60_000;
const REFUSED = /^(closed|authenticate [1-9]|handshake [1-9]|versions [1-9])/;

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

/** What is otherwise than it should be in a login by SCRAM. */
export interface ScramChanges {
  /** In front of the first message. */
  readonly header?: string;
  /** Behind it. */
  readonly extensions?: string;
  /** The nonce of the last message, made of what the broker has said. */
  readonly nonce?: (full: string, own: string) => string;
  readonly binding?: string;
  /** SaslHandshake v0: tokens without headers. */
  readonly isBare?: boolean;
}

export class LoginClient {
  /** What has come, a line for each message; where it came late, that is said. */
  readonly lines: string[] = [];
  readonly #raw: RawClient;
  #correlationId = 0;
  /** How long the last answer has taken, or the end of the connection. */
  #tookMs = 0;

  private constructor(raw: RawClient) {
    this.#raw = raw;
  }

  static async connect(port: number): Promise<LoginClient> {
    return new LoginClient(await RawClient.connect(port));
  }

  get isClosed(): boolean {
    return this.#raw.socket.destroyed;
  }

  close(): void {
    this.#raw.close();
  }

  note(line: string): void {
    this.lines.push(line);
    if (REFUSED.test(line) && this.#tookMs >= FAILED_LOGIN_MS - EARLY_MS_MAX) this.lines.push('late');
  }

  /** Sends a frame without its size; undefined where no answer comes. */
  async frame(bytes: Uint8Array): Promise<Buffer | undefined> {
    const size = Buffer.alloc(4);
    size.writeInt32BE(bytes.length);
    return this.bytes(Buffer.concat([size, bytes]));
  }

  async bytes(bytes: Uint8Array): Promise<Buffer | undefined> {
    const beganMs = performance.now();
    if (!this.isClosed) this.#raw.write(bytes);
    try {
      const answer = await within(SILENCE_MS, 'an answer', this.#raw.nextFrame());
      this.#tookMs = performance.now() - beganMs;
      return answer;
    } catch {
      this.#tookMs = performance.now() - beganMs;
      this.note(this.isClosed ? 'closed' : 'silence');
      return undefined;
    }
  }

  /** Sends a recorded frame and notes what is answered, as the API of the frame has it. */
  async replay(sent: Buffer): Promise<void> {
    const answer = await this.frame(sent);
    if (answer === undefined) return;
    const [key, version] = sent.length >= 4 ? [sent.readInt16BE(0), sent.readInt16BE(2)] : [-1, -1];
    this.note(described(key, version, answer));
  }

  async ask<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
  ): Promise<Res | undefined> {
    this.#correlationId += 1;
    const header = { correlationId: this.#correlationId, clientId: 'compare' };
    const answer = await this.frame(Buffer.concat(encodeRequest(api, version, header, body)).subarray(4));
    if (answer === undefined) return undefined;
    this.note(described(api.key, version, answer));
    return decodeResponseFrame(api, version, answer).body;
  }

  async metadata(): Promise<void> {
    await this.ask(Metadata, 1, { topics: [] });
  }

  async plain(user: string, password: string): Promise<void> {
    await this.ask(SaslHandshake, 1, { mechanism: 'PLAIN' });
    if (!this.isClosed) await this.ask(SaslAuthenticate, 2, { authBytes: Buffer.from(`\0${user}\0${password}`) });
  }

  async scram(mechanism: ScramMechanism, user: string, password: string, changes: ScramChanges = {}): Promise<void> {
    const { header = 'n,,', extensions = '', nonce = (full) => full, isBare = false } = changes;
    const handshake = await this.ask(SaslHandshake, isBare ? 0 : 1, { mechanism });
    if (handshake === undefined || handshake.errorCode !== 0) return;
    const own = 'nonceofthisclient';
    const bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${own}${extensions}`;
    const serverFirst = await this.#token(`${header}${bare}`, isBare);
    const [, full = '', salt = '', iterations = ''] = /^r=(.*),s=(.*),i=(.*)$/.exec(serverFirst ?? '') ?? [];
    if (serverFirst === undefined || full === '') return;
    const isShort = mechanism === 'SCRAM-SHA-256';
    const hash = isShort ? 'sha256' : 'sha512';
    const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
    const bytes = isShort ? 32 : 64;
    const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), bytes, hash);
    const { binding = Buffer.from(header).toString('base64') } = changes;
    const withoutProof = `c=${binding},r=${nonce(full, own)}`;
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(createHash(hash).update(clientKey).digest(), `${bare},${serverFirst},${withoutProof}`);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
    await this.#token(`${withoutProof},p=${proof.toString('base64')}`, isBare);
  }

  /** The broker's token; undefined where it refuses. */
  async #token(text: string, isBare: boolean): Promise<string | undefined> {
    const authBytes = Buffer.from(text);
    if (!isBare) {
      const answer = await this.ask(SaslAuthenticate, 2, { authBytes });
      return answer?.errorCode === 0 ? answer.authBytes.toString() : undefined;
    }
    const answer = await this.frame(authBytes);
    if (answer !== undefined) this.note(`token ${withoutChance(answer.toString())}`);
    return answer?.toString();
  }

  /** Whether the broker has ended the connection by now, or does so soon. */
  async noteEnd(): Promise<void> {
    await within(SILENCE_MS / 3, 'the end', this.#raw.closed).catch(() => undefined);
    this.note(this.isClosed ? 'ended' : 'open');
  }
}

/** What is left of a token's life is less at the broker that is asked second, by however long the first took. */
function about(lifetimeMs: number): string {
  return lifetimeMs > MINUTE_MS ? `${Math.round(lifetimeMs / MINUTE_MS)} min` : `${Math.ceil(lifetimeMs / 1000)} s`;
}

/** What is held against the other broker's answer: names of mechanisms in any order, lifetimes about as long. */
function described(key: number, version: number, answer: Buffer): string {
  const api = apiByKey.get(key) as AnyApi | undefined;
  if (api === undefined) return `${answer.length} bytes`;
  try {
    // The frame was of this API.
    const { body } = decodeResponseFrame(api as never, version, answer) as {
      readonly body: Readonly<Record<string, unknown>>;
    };
    if (key === SaslHandshake.key) {
      return `handshake ${body['errorCode']} ${[...(body['mechanisms'] as string[])].toSorted()}`;
    }
    if (key === ApiVersions.key) return `versions ${body['errorCode']}`;
    if (key === Metadata.key) return `metadata of ${(body['brokers'] as object[]).length} brokers`;
    if (key !== SaslAuthenticate.key) return `code ${body['errorCode']}`;
    const { errorCode, errorMessage, authBytes, sessionLifetimeMs } = decodeResponseFrame(
      SaslAuthenticate,
      version,
      answer,
    ).body;
    const text = withoutChance(authBytes.toString());
    return `authenticate ${errorCode} ${errorMessage ?? ''} ${text} ${about(sessionLifetimeMs)}`;
  } catch {
    // A broker may answer with an empty body, or with a bare token.
    return key === SaslAuthenticate.key || answer.length > 0
      ? `undecodable, ${answer.length} bytes`
      : 'an empty answer';
  }
}

/** A message of SCRAM without what is another each time. */
function withoutChance(text: string): string {
  return text.replace(/^r=[^,]*,s=[^,]*,/, 'challenge ').replace(/^v=.*/, 'verified');
}
