/** Who may ask at all: the first thing that is looked at of every request. */
import type { IncomingHttpHeaders } from 'node:http';
import { CHANGE_HEADER } from '../api/contract.ts';
import { type Grant, isAllowed, type Named, type Rights, type Role } from '../api/roles.ts';
import { type ConsoleError, refusal } from '../errors.ts';
import type { Oidc } from '../login/oidc.ts';
import { Passwords } from '../login/passwords.ts';

/** Somebody who may log in. */
export interface ConsoleUser {
  readonly name: string;
  /** In the clear, or as `hashPassword` makes it. */
  readonly password: string;
  /** For everything; null for somebody who sees nothing but what the grants name. */
  readonly role: Role | null;
  /** More, for some topics and groups. */
  readonly grants?: readonly Grant[] | undefined;
}

/** What the guard goes by. */
export interface GuardOptions {
  /** Nobody: whoever comes from this machine may do everything, and nobody else may come. */
  readonly users: readonly ConsoleUser[];
  /** Who logs in at a provider; with it nobody comes in without a login, whatever users there are. */
  readonly oidc?: Oidc | undefined;
  readonly isReadOnly: boolean;
  /** Names beside those of this machine under which the console is reached. */
  readonly hosts: readonly string[];
}

/**
 * What is asked for, by where the request has been led: its address says less, for there are several ways to write one. The page is all
 * that has no route of its own.
 */
export type Asked = 'page' | 'login' | 'api';

/** A request as far as the guard looks at it. */
export interface GuardedRequest {
  readonly method: string;
  readonly to: Asked;
  readonly headers: IncomingHttpHeaders;
  readonly httpVersion: string;
  readonly remoteAddress: string | undefined;
}

/** Who asks. */
export interface Caller extends Rights {
  readonly user: string | null;
  /** Came by a cookie, which can be given back. */
  readonly hasSession?: boolean | undefined;
  /** Fires when the session ends that he has come by. */
  readonly ended?: AbortSignal | undefined;
}

const NOBODY: Caller = { user: null, role: null, grants: [] };

/** Keeps out pages of other sites, names of other people that point here, and who has not logged in. */
export class Guard {
  readonly #options: GuardOptions;
  readonly #passwords: Passwords<ConsoleUser>;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#passwords = new Passwords(options.users);
  }

  get hasLogin(): boolean {
    return this.#options.users.length > 0 || this.#options.oidc !== undefined;
  }

  get isReadOnly(): boolean {
    return this.#options.isReadOnly;
  }

  /** Rejects with a ConsoleError where the request does not come from whom it should. */
  async admit(request: GuardedRequest): Promise<Caller> {
    const host = this.#checkHost(request);
    if (!isSafe(request.method)) checkOrigin(request, host);
    else if (request.to === 'api') checkSite(request, host);
    const { oidc } = this.#options;
    if (!this.hasLogin) {
      if (!isLoopback(request.remoteAddress)) throw beyondLoopback();
      const by = bringerOf(request);
      if (by !== undefined) throw refusal('CONSOLE_FORBIDDEN', 'throughProxy', { by });
      return { user: null, role: 'admin', grants: [] };
    }
    if (oidc === undefined) return this.#login(request.headers.authorization);
    if (isSafe(request.method) && request.to === 'login') return NOBODY;
    const who = oidc.whoIs(request.headers);
    return who === undefined ? this.#login(request.headers.authorization) : { ...who, hasSession: true };
  }

  /** @throws ConsoleError where the caller's role, or a console for reading alone, does not allow it */
  allow(caller: Caller, role: Role, named?: Named): void {
    if (role !== 'viewer' && this.isReadOnly) throw refusal('CONSOLE_READ_ONLY', 'readOnly');
    if (isAllowed(caller, role, named)) return;
    const values = { role, who: caller.user ?? 'you', has: caller.role ?? 'none but for some topics and groups' };
    if (named === undefined) throw refusal('CONSOLE_FORBIDDEN', 'noRole', values);
    throw refusal('CONSOLE_FORBIDDEN', 'noRoleOn', { ...values, on: named.on, name: named.name });
  }

  /**
   * A name that somebody else's DNS points at this machine is not ours: his page would be of one origin with this console. With a login
   * his page would have to know the password, so any name may lead here.
   */
  #checkHost({ headers }: GuardedRequest): string {
    const host = headers.host ?? '';
    const name = hostName(host);
    if (this.hasLogin && this.#options.hosts.length === 0) return host;
    if (isLoopbackName(name) || this.#options.hosts.includes(name)) return host;
    throw refusal('CONSOLE_FOREIGN_HOST', 'foreignHost', { name: name || 'NAME' });
  }

  async #login(authorization: string | undefined): Promise<Caller> {
    const [, encoded] = /^Basic ([A-Za-z0-9+/=]+)$/.exec(authorization ?? '') ?? [];
    const given = Buffer.from(encoded ?? '', 'base64').toString('utf8');
    const at = given.indexOf(':');
    // Who says nothing is not looked for.
    const found = at > 0 ? await this.#passwords.find(given.slice(0, at), given.slice(at + 1)) : undefined;
    if (found === undefined) throw refusal('CONSOLE_LOGIN_NEEDED', 'loginNeeded');
    return { user: found.name, role: found.role, grants: found.grants ?? [] };
  }
}

/** Whether a method changes nothing. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

/**
 * A page of another site cannot read what it is answered, but it could have this console work, and find out by the time that takes what
 * a search finds. Addresses that somebody has followed or typed are no questions to the API.
 */
function checkSite({ headers }: GuardedRequest, host: string): void {
  if (isForeignOrigin(headers, host) || isCrossSite(headers)) {
    throw refusal('CONSOLE_FOREIGN_ORIGIN', 'foreignQuestion');
  }
}

function isForeignOrigin({ origin }: IncomingHttpHeaders, host: string): boolean {
  return origin !== undefined && originHost(origin) !== host;
}

function isCrossSite(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

/** A form or a script of another site sends its own origin, and cannot send our header without asking first, which is refused. */
function checkOrigin({ headers }: GuardedRequest, host: string): void {
  if (isForeignOrigin(headers, host) || isCrossSite(headers) || headers[CHANGE_HEADER] === undefined) {
    throw refusal('CONSOLE_FOREIGN_ORIGIN', 'foreignChange');
  }
}

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function hostName(host: string): string {
  return host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127\.\d+\.\d+\.\d+$/.test(name);
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(?:::1$|127\.|::ffff:127\.)/.test(address);
}

/** Headers by which those that bring the requests of others say so. */
const BROUGHT =
  /^(?:forwarded|via|x-(?:forwarded|original)(?:-.+)?|x-real-ip|x-(?:cluster-)?client-ip|(?:true|fastly)-client-ip|cf-connecting-ip)$/;

/**
 * By what it shows that a request comes through a proxy: it has the address of this machine, and perhaps its name, whoever has sent it to
 * the proxy from wherever. Browsers do not speak HTTP/1.0; nginx does with what is behind it, and adds no header, unless it is told otherwise.
 */
function bringerOf({ headers, httpVersion }: GuardedRequest): string | undefined {
  return httpVersion === '1.0' ? 'HTTP/1.0' : Object.keys(headers).find((name) => BROUGHT.test(name));
}

function beyondLoopback(): ConsoleError {
  return refusal('CONSOLE_FORBIDDEN', 'beyondLoopback');
}
