import type { Clock } from '@millrace/ports';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { SignedTokens } from '../../config/oauth-settings.ts';
import type { Logger } from '../../shared/logger.ts';
import { TokenRefused } from './oauth-bearer.ts';

/** Reads a JWKS from where the operator says it is. */
export type LoadKeys = (url: string) => Promise<unknown>;

/** Names of keys that a provider does not have, remembered so that tokens with made-up names do not have it asked again; the eldest goes. */
const MISSING_MAX = 1000;
/** After so long a missing name may be asked for again: the provider may have got the key meanwhile (`RefreshingHttpsJwks`). */
const MISSING_MS = 60_000;
/** No provider's keys have longer names; such a one is neither asked for nor remembered (`RefreshingHttpsJwks`). */
const NAME_LENGTH_MAX = 1000;
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
  /** Until when each name is known to be missing. */
  readonly #missing = new Map<string, number>();
  #keys: JWTVerifyGetKey | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #mayTryAtMs = Number.NEGATIVE_INFINITY;
  #retryMs: number;
  #reading: Promise<void> | undefined;
  /** How many readings have begun, and which of them was the last that succeeded. */
  #begun = 0;
  #succeeded = 0;

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
    const name = typeof header.kid === 'string' ? header.kid : '';
    try {
      return await this.#among(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !this.#mayLookFor(name)) throw error;
      const begun = this.#begun;
      await this.#read();
      try {
        return await this.#among(header, token);
      } catch (again) {
        // A reading that failed, was not tried, or had begun before says nothing of whether the provider has the key.
        if (again instanceof errors.JWKSNoMatchingKey && this.#succeeded > begun) this.#rememberMissing(name);
        throw again;
      }
    }
  };

  async #among(...[header, token]: Parameters<JWTVerifyGetKey>): Promise<Awaited<ReturnType<JWTVerifyGetKey>>> {
    if (this.#keys === undefined) throw new TokenRefused('the keys of the provider cannot be read');
    return this.#keys(header, token);
  }

  #mayLookFor(name: string): boolean {
    const nowMs = this.#clock.monotonic();
    if (name.length > NAME_LENGTH_MAX || (this.#missing.get(name) ?? nowMs) > nowMs) return false;
    return nowMs - this.#readAtMs >= UNKNOWN_PAUSE_MS;
  }

  #rememberMissing(name: string): void {
    this.#missing.delete(name);
    if (this.#missing.size >= MISSING_MAX) this.#missing.delete(this.#missing.keys().next().value as string);
    this.#missing.set(name, this.#clock.monotonic() + MISSING_MS);
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
    this.#begun += 1;
    const reading = this.#begun;
    try {
      this.#keys = createLocalJWKSet((await this.#load(keysUrl)) as JSONWebKeySet);
      this.#readAtMs = this.#clock.monotonic();
      this.#retryMs = retryMs;
      this.#succeeded = reading;
    } catch (err) {
      this.#mayTryAtMs = this.#clock.monotonic() + this.#retryMs;
      this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
      const has = this.#keys === undefined ? 'no token can be checked' : 'those that were read before hold on';
      this.#logger.error({ err, url: keysUrl }, `The keys of the OAuth provider cannot be read; ${has}`);
    }
  }
}
