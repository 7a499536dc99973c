/** Who has logged in: a cookie names a session that is kept here, and nothing else is believed of a cookie. */
import { randomBytes } from 'node:crypto';
import type { Rights } from '../api/roles.ts';

/** Sessions at once; of more, the oldest are ended. */
export const SESSIONS_MAX = 10_000;
/** A session ends after so long, whatever is done in it: then the provider is asked again. */
export const SESSION_MS = 8 * 60 * 60 * 1000;

/** Somebody who has logged in. */
export interface LoggedIn extends Rights {
  readonly user: string;
}

interface Session extends LoggedIn {
  readonly endMs: number;
}

/** The sessions of a console; they end with it. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Begins one; what it gives goes into the cookie. */
  begin(who: LoggedIn): string {
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(id, { ...who, endMs: this.#now() + SESSION_MS });
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > SESSIONS_MAX && oldest !== undefined) this.#sessions.delete(oldest);
    return id;
  }

  find(id: string): LoggedIn | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    if (this.#now() < session.endMs) return session;
    this.#sessions.delete(id);
    return undefined;
  }

  end(id: string): void {
    this.#sessions.delete(id);
  }
}
