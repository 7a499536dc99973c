/** A client of a gate of logins, and recorded logins for it to say. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionContext } from '@millrace/network';
import { ManualClock } from '@millrace/ports';
import {
  type Api,
  ApiVersions,
  decodeResponseFrame,
  encodeRequest,
  Metadata,
  SaslAuthenticate,
  type SaslAuthenticateResponse,
  SaslHandshake,
} from '@millrace/protocol';
import type { ListenerSecurity, MechanismSettings } from '../../../config/listener-security.ts';
import { silentLogger } from '../../../shared/logger.ts';
import { noMetrics } from '../../../shared/metrics.ts';
import { type CredentialShape, inventedCredential } from '../invented-credential.ts';
import { LoginGate } from '../login-gate.ts';
import { type CheckToken, oauthBearerLogin } from '../oauth-bearer.ts';
import { plainLogin } from '../plain.ts';
import { type FoundToken, scramLogin } from '../scram.ts';
import { credentialOf, type ScramMechanism } from '../scram-credential.ts';

const SALT = Buffer.from('0123456789abcdef');
export const PASSWORDS: Readonly<Record<string, string>> = { alice: 'alice-scram-pw', 'o,p=q': 'comma-pw' };

/** What is invented has one of these, as if one half of all users had each. */
export const SHAPES: readonly CredentialShape[] = [
  { iterations: 4096, saltBytes: 24 },
  { iterations: 8192, saltBytes: 40 },
];

export function saltedPassword(mechanism: ScramMechanism, password: string, salt = SALT, iterations = 4096): Buffer {
  const isShort = mechanism === 'SCRAM-SHA-256';
  return pbkdf2Sync(password, salt, iterations, isShort ? 32 : 64, isShort ? 'sha256' : 'sha512');
}

/** What else a gate is given. */
interface ClientOptions {
  readonly nonce?: string;
  readonly findToken?: (mechanism: ScramMechanism) => (id: string) => Promise<FoundToken | undefined>;
}

/** A connection of somebody who has not logged in. */
export function connectionToLogIn(disconnect: () => void): ConnectionContext {
  return {
    id: 1,
    clientHost: '127.0.0.1',
    clientPort: 1,
    serverHost: '127.0.0.1',
    serverPort: 2,
    listenerName: 'CLIENT',
    securityProtocol: 'SASL_PLAINTEXT',
    principal: 'User:ANONYMOUS',
    authentication: { stage: 'none' },
    open: true,
    disconnect,
    restFor: () => {},
  };
}

/** A client of a gate, on a connection that only counts what is done to it. */
export class Client {
  readonly clock = new ManualClock();
  readonly lines: string[] = [];
  readonly context: ConnectionContext;
  isDisconnected = false;
  /** Users whom the broker has known. */
  readonly deleted = new Set<string>();
  /** How often a message was given back before its answer. */
  released = 0;
  readonly #gate: LoginGate;
  readonly #admission = {
    release: (): void => {
      this.released += 1;
    },
  };
  #correlationId = 0;

  /** @param more - What the broker draws in the place of chance, and the delegation tokens that it knows */
  constructor(sessionMsMax = 0, check?: CheckToken, { nonce = 'of-the-broker', findToken }: ClientOptions = {}) {
    const settings: MechanismSettings = {
      users: new Map([
        ['alice', 'alice-pw'],
        ['bob', 'bob-pw'],
      ]),
      login: undefined,
      sessionMsMax,
    };
    // The recorded broker had no tokens.
    const names = ['PLAIN', 'SCRAM-SHA-512', 'SCRAM-SHA-256', ...(check === undefined ? [] : ['OAUTHBEARER'])];
    const mechanisms = new Map(names.map((each) => [each, settings]));
    const sasl = { mechanisms, failureDelayMs: 100, receiveBytesMax: 524_288 };
    const security: ListenerSecurity = { ssl: undefined, sasl };
    this.#gate = new LoginGate({
      listeners: new Map([['CLIENT', security]]),
      clock: this.clock,
      logger: { ...silentLogger, info: (fields, line) => void this.lines.push(JSON.stringify([fields, line])) },
      metrics: noMetrics,
      begin: (name, { users }) => {
        if (name === 'OAUTHBEARER') return oauthBearerLogin(check as CheckToken);
        if (name === 'PLAIN') return plainLogin(users);
        const mechanism = name as ScramMechanism;
        const find = (user: string) => {
          const password = this.deleted.has(user) ? undefined : PASSWORDS[user];
          if (password === undefined) return undefined;
          return credentialOf(mechanism, {
            salt: SALT,
            saltedPassword: saltedPassword(mechanism, password),
            iterations: 4096,
          });
        };
        const invent = (user: string) =>
          inventedCredential(mechanism, user, Buffer.from('secret'), (_, share) => SHAPES[Math.floor(share * 2)]);
        return scramLogin({ mechanism, find, nonce: () => nonce, invent, findToken: findToken?.(mechanism) });
      },
    });
    this.context = connectionToLogIn(() => {
      this.isDisconnected = true;
    });
  }

  /** `handlers` where the frame is let through; else the answer, or that the connection was ended. */
  async send(frame: Buffer): Promise<{ readonly answer: Buffer | 'handlers' | 'ended'; readonly isLate: boolean }> {
    let isLate = false;
    try {
      const handled = this.#gate.handle(frame, this.context, this.#admission);
      if (handled === undefined) return { answer: 'handlers', isLate };
      if (handled instanceof Promise) {
        let isSettled = false;
        const settled = handled.then(
          (chunks) => chunks,
          (error: unknown) => error,
        );
        void settled.then(() => {
          isSettled = true;
        });
        // A login that is looked at beside the event loop begins to wait only then.
        await new Promise(setImmediate);
        await this.clock.advance(99);
        isLate = !isSettled;
        await this.clock.advance(1);
        const outcome = await settled;
        return { answer: Array.isArray(outcome) ? Buffer.concat(outcome) : 'ended', isLate };
      }
      return { answer: Buffer.concat(handled), isLate };
    } catch {
      return { answer: 'ended', isLate };
    }
  }

  async ask<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
  ): Promise<Res | 'handlers' | 'ended'> {
    this.#correlationId += 1;
    const header = { correlationId: this.#correlationId, clientId: 'test' };
    const { answer } = await this.send(Buffer.concat(encodeRequest(api, version, header, body)).subarray(4));
    return typeof answer === 'string' ? answer : decodeResponseFrame(api, version, answer.subarray(4)).body;
  }

  async token(text: string | Buffer, version = 2): Promise<SaslAuthenticateResponse | 'handlers' | 'ended'> {
    return this.ask(SaslAuthenticate, version, { authBytes: Buffer.from(text as string) });
  }

  async scram(mechanism: ScramMechanism, user: string, password: string, changes: ScramChanges = {}) {
    await this.ask(SaslHandshake, 1, { mechanism });
    const { header = 'n,,', nonce = (full) => full, binding = 'biws', extensions = '' } = changes;
    const bare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=mine${extensions}`;
    const first = await this.token(`${header}${bare}`);
    if (typeof first === 'string' || first.errorCode !== 0) return first;
    const serverFirst = first.authBytes.toString();
    const [, full = '', salt = '', iterations = ''] = /^r=(.*),s=(.*),i=(.*)$/.exec(serverFirst) ?? [];
    const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
    const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
    const salted = saltedPassword(mechanism, password, Buffer.from(salt, 'base64'), Number(iterations));
    const withoutProof = `c=${binding},r=${nonce(full)}`;
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(createHash(hash).update(clientKey).digest(), `${bare},${serverFirst},${withoutProof}`);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
    return this.token(`${withoutProof},p=${proof.toString('base64')}`);
  }
}

export interface ScramChanges {
  readonly header?: string;
  readonly nonce?: (full: string) => string;
  readonly binding?: string;
  readonly extensions?: string;
}

export interface Recorded {
  readonly what: string;
  readonly closed: boolean;
  readonly steps: readonly {
    readonly send: string;
    readonly hears: Readonly<Record<string, unknown>> | null;
    readonly isLate: boolean;
  }[];
}

/** The rows of a fixture. */
export function rowsOf<Row>(name: string): Row[] {
  const text = readFileSync(new URL(`../fixtures/${name}-3.9.1.jsonl`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}

/** What of an answer is held against the recorded one: names of mechanisms in any order. */
export function decoded(sent: Buffer, answer: Buffer): object {
  const [key, version] = [sent.readInt16BE(0), sent.readInt16BE(2)];
  if (key === SaslHandshake.key) {
    const { errorCode, mechanisms } = decodeResponseFrame(SaslHandshake, version, answer.subarray(4)).body;
    return { errorCode, mechanisms };
  }
  if (key === SaslAuthenticate.key) {
    const { errorCode, errorMessage, authBytes, sessionLifetimeMs } = decodeResponseFrame(
      SaslAuthenticate,
      version,
      answer.subarray(4),
    ).body;
    return {
      errorCode,
      errorMessage: errorMessage ?? '',
      authBytes: authBytes.toString(),
      ...(version >= 1 ? { sessionLifetimeMs } : {}),
    };
  }
  if (key === ApiVersions.key) {
    const { errorCode, apiKeys } = decodeResponseFrame(ApiVersions, version, answer.subarray(4)).body;
    return { errorCode, apiKeys };
  }
  // Size and correlation id go before the body.
  if (key === Metadata.key) return { hexBody: answer.subarray(8).toString('hex') };
  return { token: answer.subarray(4).toString() };
}
