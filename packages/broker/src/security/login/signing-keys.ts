import type { Clock } from '@millrace/ports';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { SignedTokens } from '../../config/oauth-settings.ts';
import type { Logger } from '../../shared/logger.ts';
import { TokenRefused } from './oauth-bearer.ts';

/** Reads a JWKS from where the operator says it is. */
export type LoadKeys = (url: string) => Promise<unknown>;

/** Names of keys that a provider does not have, remembered so that tokens with made-up names do not have it asked again. */
const MISSING_MAX = 1000;
/** Between two readings for the sake of unknown names lies so much. */
const UNKNOWN_PAUSE_MS = 10_000;

/**
 * A provider's keys: read when the first token comes, again after a time, and once for a key's name that is not among them
 * (`RefreshingHttpsJwks`). While they cannot be read the old ones hold; where there are none, no token does.
 */
export class SigningKeys {
  readonly #settings: SignedTokens;
  readonly #load: LoadKeys;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #missing = new Set<string>();
  #keys: JWTVerifyGetKey | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #mayTryAtMs = Number.NEGATIVE_INFINITY;
  #retryMs: number;
  #reading: Promise<void> | undefined;

  constructor(settings: SignedTokens, load: LoadKeys, clock: Clock, logger: Logger) {
    this.#settings = settings;
    this.#load = load;
    this.#clock = clock;
    this.#logger = logger;
    this.#retryMs = settings.retryMs;
  }

  /** The key that a token's header names. @throws TokenRefused, or an error of jose where the key is not for that algorithm */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const nowMs = this.#clock.monotonic();
    if (this.#keys === undefined) await this.#read();
    else if (nowMs - this.#readAtMs >= this.#settings.refreshMs) void this.#read();
    const name = header.kid ?? '';
    try {
      return await this.#among(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !this.#mayLookFor(name)) throw error;
      await this.#read();
      try {
        return await this.#among(header, token);
      } catch (again) {
        if (again instanceof errors.JWKSNoMatchingKey && this.#missing.size < MISSING_MAX) this.#missing.add(name);
        throw again;
      }
    }
  };

  async #among(...[header, token]: Parameters<JWTVerifyGetKey>): Promise<Awaited<ReturnType<JWTVerifyGetKey>>> {
    if (this.#keys === undefined) throw new TokenRefused('the keys of the provider cannot be read');
    return this.#keys(header, token);
  }

  #mayLookFor(name: string): boolean {
    if (this.#missing.has(name) || this.#missing.size >= MISSING_MAX) return false;
    return this.#clock.monotonic() - this.#readAtMs >= UNKNOWN_PAUSE_MS;
  }

  /** Those who come meanwhile wait for the same reading. */
  #read(): Promise<void> {
    if (this.#reading !== undefined) return this.#reading;
    if (this.#clock.monotonic() < this.#mayTryAtMs) return Promise.resolve();
    this.#reading = this.#readNow().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readNow(): Promise<void> {
    const { keysUrl, retryMs, retryMsMax } = this.#settings;
    try {
      this.#keys = createLocalJWKSet((await this.#load(keysUrl)) as JSONWebKeySet);
      this.#readAtMs = this.#clock.monotonic();
      this.#retryMs = retryMs;
      this.#missing.clear();
    } catch (err) {
      this.#mayTryAtMs = this.#clock.monotonic() + this.#retryMs;
      this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
      const has = this.#keys === undefined ? 'no token can be checked' : 'those that were read before hold on';
      this.#logger.error({ err, url: keysUrl }, `The keys of the OAuth provider cannot be read; ${has}`);
    }
  }
}
