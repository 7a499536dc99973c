import { createHash, createHmac, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { ignoreNoNode, isMetadataError, type MetadataStore, type Operation } from '@millrace/metadata';
import type { Clock, Random, Timer } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import type { Logger } from '../shared/logger.ts';
import { Refusal } from '../shared/refusal.ts';
import { randomUuid } from '../shared/uuid.ts';
import { ChangeFeed } from '../store/change-feed.ts';
import { desanitized, sanitized } from '../store/entity-names.ts';
import {
  credentialOf,
  hashOf,
  ITERATIONS_MIN,
  type ScramCredential,
  type ScramMechanism,
} from './login/scram-credential.ts';

const TOKENS = '/delegation_token/tokens';
const CHANGES = '/delegation_token/token_changes';
/** How often a change is tried again because somebody else changed the same token in between. */
const CHANGE_ATTEMPTS_MAX = 10;
/** A person or program asks for one each; a million would be somebody's attack on the store. */
const TOKENS_MAX = 100_000;
const SALT_BYTES = 20;

const deriveKey = promisify(pbkdf2);

/** A token that somebody can log in with in its owner's name (KIP-48). Principals are written `User:alice`. */
export interface DelegationToken {
  readonly id: string;
  readonly owner: string;
  readonly requester: string;
  readonly renewers: readonly string[];
  readonly issuedMs: number;
  readonly expiresMs: number;
  /** It cannot be renewed beyond this. */
  readonly endsMs: number;
}

/** What tokens are kept with. */
export interface DelegationTokensOptions {
  readonly store: MetadataStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** `delegation.token.secret.key`; the same at all brokers. Undefined: there are no tokens. */
  readonly secret: string | undefined;
  readonly maxLifetimeMs: number;
  readonly renewalMs: number;
  readonly sweepMs: number;
}

/** The delegation tokens of the cluster, in Kafka's nodes (`DelegationTokenManagerZk`). Their secrets are nowhere: they are derived. */
export class DelegationTokens {
  readonly #options: DelegationTokensOptions;
  readonly #tokens = new Map<string, DelegationToken>();
  /** Ids by the digests of the secrets: how long it takes to look one up tells nothing of the others. */
  readonly #ids = new Map<string, string>();
  readonly #credentials = new Map<string, Promise<ScramCredential>>();
  readonly #feed: ChangeFeed;
  #sweep: Timer | undefined;

  constructor(options: DelegationTokensOptions) {
    this.#options = options;
    const { store, clock, logger } = options;
    this.#feed = new ChangeFeed({
      store,
      clock,
      logger,
      paths: ['/delegation_token', TOKENS, CHANGES],
      what: 'Delegation tokens',
      readAll: () => this.#readAll(),
      take: (data) => this.#reload(data.toString()),
    });
  }

  get isOn(): boolean {
    return this.#options.secret !== undefined;
  }

  /** @throws MetadataError */
  async start(): Promise<void> {
    if (!this.isOn) return;
    await this.#feed.start();
    this.#scheduleSweep();
  }

  stop(): void {
    this.#feed.stop();
    this.#sweep?.cancel();
  }

  all(): Iterable<DelegationToken> {
    return this.#tokens.values();
  }

  /** Makes a token. A lifetime that is not positive is the longest there may be. @throws MetadataError */
  async create(
    wanted: Pick<DelegationToken, 'owner' | 'requester' | 'renewers'>,
    lifetimeMs: number,
  ): Promise<DelegationToken | Refusal> {
    if (!this.isOn) return Refusal.of(ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED);
    if (this.#tokens.size >= TOKENS_MAX) return Refusal.of(ErrorCode.POLICY_VIOLATION);
    const { clock, random, maxLifetimeMs, renewalMs } = this.#options;
    const issuedMs = clock.now();
    const endsMs = issuedMs + (lifetimeMs <= 0 ? maxLifetimeMs : Math.min(lifetimeMs, maxLifetimeMs));
    const token = {
      ...wanted,
      id: randomUuid(random),
      issuedMs,
      endsMs,
      expiresMs: Math.min(endsMs, issuedMs + renewalMs),
    };
    await this.#change(token.id, () => token);
    return token;
  }

  /** Has a token live on for a while from now, or as long as the settings say; its new end. @throws MetadataError */
  renew(hmac: Buffer, asker: string, periodMs: number): Promise<number | Refusal> {
    const { renewalMs } = this.#options;
    return this.#alter(hmac, asker, (token, nowMs) =>
      Math.min(token.endsMs, nowMs + (periodMs < 0 ? renewalMs : periodMs)),
    );
  }

  /** Has a token end after a while, or at once where that is negative; its new end. @throws MetadataError */
  expire(hmac: Buffer, asker: string, periodMs: number): Promise<number | Refusal> {
    return this.#alter(hmac, asker, (token, nowMs) =>
      periodMs < 0 ? undefined : Math.min(token.endsMs, nowMs + periodMs),
    );
  }

  /** The secret of a token, which is what one logs in with. */
  hmacOf({ id }: Pick<DelegationToken, 'id'>): Buffer {
    return createHmac('sha512', this.#options.secret ?? '')
      .update(id)
      .digest();
  }

  /** The token of a login and the credential to check it with; undefined where there is none that holds. */
  async find(
    id: string,
    mechanism: ScramMechanism,
  ): Promise<{ readonly token: DelegationToken; readonly credential: ScramCredential } | undefined> {
    const token = this.#tokens.get(id);
    if (token === undefined || token.expiresMs <= this.#options.clock.now()) return undefined;
    const name = `${mechanism} ${id}`;
    let credential = this.#credentials.get(name);
    if (credential === undefined) {
      credential = this.#derive(token, mechanism);
      this.#credentials.set(name, credential);
    }
    return { token, credential: await credential };
  }

  /** The mathematics runs beside the event loop, once for each token. */
  async #derive(token: DelegationToken, mechanism: ScramMechanism): Promise<ScramCredential> {
    const salt = Buffer.from(this.#options.random.bytes(SALT_BYTES));
    const password = this.hmacOf(token).toString('base64');
    const hash = hashOf(mechanism);
    const saltedPassword = await deriveKey(password, salt, ITERATIONS_MIN, hash === 'sha256' ? 32 : 64, hash);
    return credentialOf(mechanism, { salt, saltedPassword, iterations: ITERATIONS_MIN });
  }

  /** `end` says when it ends; undefined for at once. */
  async #alter(
    hmac: Buffer,
    asker: string,
    end: (token: DelegationToken, nowMs: number) => number | undefined,
  ): Promise<number | Refusal> {
    if (!this.isOn) return Refusal.of(ErrorCode.DELEGATION_TOKEN_AUTH_DISABLED);
    const token = this.#byHmac(hmac);
    if (token === undefined) return Refusal.of(ErrorCode.DELEGATION_TOKEN_NOT_FOUND);
    if (token.owner !== asker && !token.renewers.includes(asker)) {
      return Refusal.of(ErrorCode.DELEGATION_TOKEN_OWNER_MISMATCH);
    }
    const nowMs = this.#options.clock.now();
    if (token.endsMs < nowMs || token.expiresMs < nowMs) return Refusal.of(ErrorCode.DELEGATION_TOKEN_EXPIRED);
    const expiresMs = end(token, nowMs);
    await this.#change(token.id, () => (expiresMs === undefined ? undefined : { ...token, expiresMs }));
    return expiresMs ?? nowMs;
  }

  #byHmac(hmac: Buffer): DelegationToken | undefined {
    const id = this.#ids.get(digestOf(hmac));
    return id === undefined ? undefined : this.#tokens.get(id);
  }

  async #change(id: string, compute: () => DelegationToken | undefined): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#write(id, compute());
        break;
      } catch (error) {
        const mayTry = isMetadataError(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE', 'CONNECTION_LOSS');
        if (!mayTry || attempt === CHANGE_ATTEMPTS_MAX) throw error;
      }
    }
    await this.#reload(id);
  }

  async #write(id: string, token: DelegationToken | undefined): Promise<void> {
    const { store } = this.#options;
    const path = `${TOKENS}/${id}`;
    const stat = await store.exists(path);
    const expected = stat === undefined ? undefined : ({ exactly: stat.version } as const);
    let write: Operation;
    if (token === undefined) {
      if (expected === undefined) return;
      write = { type: 'delete', path, expected };
    } else {
      const data = encodeToken(token);
      write = expected === undefined ? { type: 'create', path, data } : { type: 'set', path, data, expected };
    }
    const told: Operation = {
      type: 'create',
      path: `${CHANGES}/token_change_`,
      data: Buffer.from(id),
      options: { sequential: true },
    };
    await store.multi([write, told]);
  }

  async #readAll(): Promise<void> {
    const ids = await this.#options.store.children(TOKENS);
    for (const known of [...this.#tokens.keys()]) if (!ids.includes(known)) this.#take(known, undefined);
    await Promise.all(ids.map((id) => this.#reload(id)));
  }

  async #reload(id: string): Promise<void> {
    // What stands in a notification is a name of a node, and nothing else.
    if (id === '' || id.includes('/')) return;
    const path = `${TOKENS}/${id}`;
    // Only what is damaged is watched: whoever mends it may tell nobody. It may have been mended by the second look.
    const mended = (): void => this.#feed.inTurn(() => this.#reload(id));
    for (const options of [{}, { watch: mended }]) {
      const node = await this.#options.store.get(path, options).catch(ignoreNoNode);
      const token = node === undefined ? undefined : decodeToken(id, node.data);
      this.#take(id, token);
      if (node === undefined || token !== undefined) return;
    }
    const what = `The delegation token in ${path} cannot be read; nobody can log in with it until the node is mended`;
    this.#options.logger.error({ token: id, path }, what);
  }

  #take(id: string, token: DelegationToken | undefined): void {
    if (token !== undefined) {
      this.#tokens.set(id, token);
      this.#ids.set(digestOf(this.hmacOf(token)), id);
      return;
    }
    this.#tokens.delete(id);
    this.#ids.delete(digestOf(this.hmacOf({ id })));
    for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) this.#credentials.delete(`${mechanism} ${id}`);
  }

  /** Tokens that have ended go, whichever broker sees it first. */
  #scheduleSweep(): void {
    this.#sweep = this.#options.clock.schedule(this.#options.sweepMs, () => {
      void this.#dropExpired().finally(() => this.#scheduleSweep());
    });
  }

  async #dropExpired(): Promise<void> {
    const { clock, logger } = this.#options;
    const nowMs = clock.now();
    for (const { id, expiresMs, endsMs } of [...this.#tokens.values()]) {
      if (Math.min(expiresMs, endsMs) >= nowMs) continue;
      try {
        await this.#change(id, () => undefined);
      } catch (err) {
        logger.warn({ err, token: id }, 'A delegation token that has ended could not be removed; this is tried again');
      }
    }
  }
}

function digestOf(secret: Buffer): string {
  return createHash('sha256').update(secret).digest('base64');
}

/** Version 3, as Kafka 3.3 to 3.9 wrote it (`DelegationTokenInfoZNode`). */
function encodeToken({ id, owner, requester, renewers, issuedMs, expiresMs, endsMs }: DelegationToken): Buffer {
  return Buffer.from(
    JSON.stringify({
      version: 3,
      owner: sanitized(owner),
      tokenRequester: sanitized(requester),
      renewers: renewers.map(sanitized),
      issueTimestamp: issuedMs,
      maxTimestamp: endsMs,
      expiryTimestamp: expiresMs,
      tokenId: id,
    }),
  );
}

function decodeToken(id: string, data: Buffer): DelegationToken | undefined {
  try {
    const json = JSON.parse(data.toString()) as Record<string, unknown>;
    const name = (value: unknown): string => {
      const text = typeof value === 'string' ? desanitized(value) : undefined;
      if (text === undefined) throw new TypeError('a principal is missing');
      return text;
    };
    const time = (value: unknown): number => {
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new TypeError('a time is missing');
      return value;
    };
    const owner = name(json['owner']);
    return {
      id,
      owner,
      // Before version 3 nobody could ask for another.
      requester: json['tokenRequester'] === undefined ? owner : name(json['tokenRequester']),
      renewers: (json['renewers'] as unknown[]).map(name),
      issuedMs: time(json['issueTimestamp']),
      expiresMs: time(json['expiryTimestamp']),
      endsMs: time(json['maxTimestamp']),
    };
  } catch {
    return undefined;
  }
}
