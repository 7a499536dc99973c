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

/** Somebody as long as he is logged in. */
export interface LiveSession extends LoggedIn {
  /** Fires when the session ends, by whatever: what goes on by itself ends with it. */
  readonly ended: AbortSignal;
}

interface Session {
  readonly who: LiveSession;
  readonly endMs: number;
  readonly over: AbortController;
  readonly timer: NodeJS.Timeout;
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
    const over = new AbortController();
    // Nobody may come by it to find it over: what he has open knows of it by this alone.
    const timer = setTimeout(() => this.end(id), SESSION_MS).unref();
    const session = { ...{ over, timer }, endMs: this.#now() + SESSION_MS, who: { ...who, ended: over.signal } };
    this.#sessions.set(id, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > SESSIONS_MAX && oldest !== undefined) this.end(oldest);
    return id;
  }

  find(id: string): LiveSession | undefined {
    const session = this.#sessions.get(id);
    if (session === undefined) return undefined;
    if (this.#now() < session.endMs) return session.who;
    this.end(id);
    return undefined;
  }

  end(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    clearTimeout(session.timer);
    session.over.abort();
  }
}
