/** Logging in at an OpenID Connect provider: to it and back, and out again. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { EncryptJWT, jwtDecrypt } from 'jose';
import { fits } from '../api/roles.ts';
import { refusal } from '../errors.ts';
import { claimValues, LOGIN_PATH, type OidcOptions, type OidcSettings, oidcSettings, rightsOf } from './options.ts';
import { failed, type Login, Provider } from './provider.ts';
import { type LiveSession, type LoggedIn, SESSION_MS, Sessions } from './sessions.ts';

/** Whoever logs in has so long. */
const PENDING_S = 600;
const PATH_CHARS_MAX = 2000;

/** An answer to a browser. */
export interface Turn {
  readonly location: string;
  readonly cookies: readonly string[];
}

interface Pending extends Login {
  readonly to: string;
}

/** The logins of a console. */
export class Oidc {
  readonly #settings: OidcSettings;
  readonly #provider: Provider;
  readonly #sessions = new Sessions();
  /** What a login began with travels in the browser, closed by a key that this process alone has: nothing piles up here. */
  readonly #key = randomBytes(32);

  private constructor(settings: OidcSettings, provider: Provider) {
    this.#settings = settings;
    this.#provider = provider;
  }

  /** @throws ConsoleError `CONSOLE_OIDC_INVALID`: a console whose login is not whole does not start */
  static async open(options: OidcOptions): Promise<Oidc> {
    const settings = oidcSettings(options);
    return new Oidc(settings, await Provider.find(settings));
  }

  /** Who comes with a cookie of ours. */
  whoIs(headers: IncomingHttpHeaders): LiveSession | undefined {
    const id = cookieOf(headers, this.#sessionCookie);
    return id === undefined ? undefined : this.#sessions.find(id);
  }

  /** To the provider; behind it the browser comes to where it wanted to go. */
  async begin(to: unknown): Promise<Turn> {
    const login = { state: random(), nonce: random(), verifier: random() };
    const pending = await new EncryptJWT({ ...login, to: this.#placeOf(to) })
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .setExpirationTime(`${PENDING_S} seconds`)
      .encrypt(this.#key);
    const challenge = createHash('sha256').update(login.verifier).digest('base64url');
    return {
      location: this.#provider.authorizeUrl(login, challenge),
      cookies: [this.#cookie(this.#pendingCookie, pending, PENDING_S)],
    };
  }

  /**
   * Back from the provider.
   * @throws ConsoleError `CONSOLE_LOGIN_FAILED`, and `CONSOLE_FORBIDDEN` for somebody to whom no role is given
   */
  async finish(
    query: Readonly<Record<string, unknown>>,
    headers: IncomingHttpHeaders,
  ): Promise<Turn & { who: LoggedIn }> {
    const pending = await this.#pending(headers);
    const { state, code, error, iss } = query;
    // Who did not begin here has somebody else's answer.
    if (typeof state !== 'string' || !isSame(state, pending.state)) throw failed('it was not begun in this browser');
    if (iss !== undefined && iss !== this.#settings.issuer) throw failed('another provider has answered');
    if (error !== undefined) throw failed(`the provider says ${String(error).slice(0, 200)}`);
    if (typeof code !== 'string') throw failed('the provider gave no code');
    const claims = await this.#provider.claimsOf(code, pending);
    const user = this.#nameOf(claims);
    const rights = rightsOf(this.#settings, claimValues(claims, this.#settings.rolesClaim), fits);
    if (rights === undefined) throw refusal('CONSOLE_FORBIDDEN', 'noRoleAtAll', { user });
    const who = { user, ...rights };
    const session = this.#cookie(this.#sessionCookie, this.#sessions.begin(who), SESSION_MS / 1000);
    return { who, location: pending.to, cookies: [session, this.#cookie(this.#pendingCookie, '', 0)] };
  }

  /** Ends the session; where the provider has a place for it, it is left there too. */
  end(headers: IncomingHttpHeaders): Turn {
    const id = cookieOf(headers, this.#sessionCookie);
    if (id !== undefined) this.#sessions.end(id);
    const url = this.#provider.logout === undefined ? undefined : new URL(this.#provider.logout);
    url?.searchParams.set('client_id', this.#settings.clientId);
    url?.searchParams.set('post_logout_redirect_uri', `${this.#settings.origin}${LOGIN_PATH}/out`);
    return {
      location: url?.href ?? `${LOGIN_PATH}/out`,
      cookies: [this.#cookie(this.#sessionCookie, '', 0)],
    };
  }

  /** A browser keeps a cookie of that prefix for this host and for HTTPS alone. */
  get #sessionCookie(): string {
    return `${this.#settings.isSecure ? '__Host-' : ''}millrace-session`;
  }

  get #pendingCookie(): string {
    return `${this.#settings.isSecure ? '__Host-' : ''}millrace-login`;
  }

  #cookie(name: string, value: string, seconds: number): string {
    const secure = this.#settings.isSecure ? '; Secure' : '';
    // Lax, not Strict: the way back from the provider is another site's.
    return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`;
  }

  async #pending(headers: IncomingHttpHeaders): Promise<Pending> {
    const sealed = cookieOf(headers, this.#pendingCookie);
    if (sealed === undefined) throw failed('it was not begun in this browser, or too long ago: begin again');
    try {
      const { payload } = await jwtDecrypt<Pending>(sealed, this.#key, {
        keyManagementAlgorithms: ['dir'],
        contentEncryptionAlgorithms: ['A256GCM'],
        requiredClaims: ['state', 'nonce', 'verifier', 'to', 'exp'],
      });
      return payload;
    } catch (cause) {
      throw failed('it was begun too long ago, or with another console: begin again', cause);
    }
  }

  /** A place of this console: whoever sends somebody here to log in cannot send him on elsewhere. */
  #placeOf(to: unknown): string {
    const { origin } = this.#settings;
    if (typeof to !== 'string' || to.length > PATH_CHARS_MAX || !URL.canParse(to, origin)) return '/';
    const url = new URL(to, origin);
    const isOurs = url.origin === origin && !url.pathname.startsWith('//') && !url.pathname.startsWith(LOGIN_PATH);
    return isOurs ? url.pathname + url.search : '/';
  }

  #nameOf(claims: object): string {
    const names =
      this.#settings.nameClaim === undefined ? ['preferred_username', 'email', 'sub'] : [this.#settings.nameClaim];
    const [name] = names.flatMap((each) => claimValues(claims, each));
    if (name === undefined) throw failed(`the id token has no ${names.join(', ')}`);
    return name;
  }
}

function random(): string {
  return randomBytes(32).toString('base64url');
}

function isSame(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function cookieOf({ cookie = '' }: IncomingHttpHeaders, name: string): string | undefined {
  const found = cookie
    .split(';')
    .map((each) => each.trim())
    .find((each) => each.startsWith(`${name}=`));
  const value = found?.slice(name.length + 1);
  return value === '' ? undefined : value;
}
