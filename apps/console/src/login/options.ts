/** What a login at an OpenID provider takes, checked before anything is served: half of it is no login. */
import type { Grant, Rights, Role } from '../api/roles.ts';
import { ConsoleError } from '../errors.ts';

/** Where logging in begins. */
export const LOGIN_PATH = '/login';

/** What those are given whose claim has a value that fits. */
export interface OidcRole {
  /** A value of the claim; `*` stands for any characters. */
  readonly value: string;
  /** For everything; null for somebody who sees nothing but what the grants name. */
  readonly role: Role | null;
  /** More, for some topics and groups. */
  readonly grants?: readonly Grant[] | undefined;
}

/** A login at an OpenID Connect provider, by the authorization code with PKCE. */
export interface OidcOptions {
  /** The provider, as its discovery document names it: `https://sso.example.com/realms/main`. */
  readonly issuer: string;
  /** What the provider calls this console. */
  readonly clientId: string;
  /** Without one the console is a public client, and PKCE alone protects the code. */
  readonly clientSecret?: string | undefined;
  /** Where browsers reach the console; the provider is to know PUBLIC_URL/login/callback. */
  readonly publicUrl: string;
  /** Who may do what; somebody whom nothing fits may not come in. */
  readonly roles: readonly OidcRole[];
  /** The claim of the id token that has the values; dots lead into objects. `groups` by default. */
  readonly rolesClaim?: string | undefined;
  /** The claim that names people. `preferred_username` by default, else `email`, else `sub`. */
  readonly nameClaim?: string | undefined;
  /** What is asked of the provider beside `openid`. `profile email` by default. */
  readonly scope?: string | undefined;
}

/** Options with defaults, and addresses that are some. */
export interface OidcSettings extends OidcOptions {
  readonly origin: string;
  readonly isSecure: boolean;
  readonly rolesClaim: string;
  readonly scope: string;
}

/** @throws ConsoleError `CONSOLE_OIDC_INVALID` where something is missing or could be read by others on its way */
export function oidcSettings(options: OidcOptions): OidcSettings {
  for (const name of ['issuer', 'clientId', 'publicUrl'] as const) {
    if (typeof options[name] !== 'string' || options[name].trim() === '') throw invalid(`${name} is missing`);
  }
  if (options.clientSecret === '') throw invalid('clientSecret is empty');
  safeUrl('issuer', options.issuer);
  const url = safeUrl('publicUrl', options.publicUrl);
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalid(`publicUrl ${options.publicUrl} has more than a scheme, a host and a port`);
  }
  if (!Array.isArray(options.roles) || options.roles.length === 0) {
    throw invalid('roles are missing: nobody could come in');
  }
  for (const { value, role, grants = [] } of options.roles) {
    if (value === '' || (role === null && grants.length === 0)) throw invalid(`the role of "${value}" gives nothing`);
  }
  return {
    ...options,
    origin: url.origin,
    isSecure: url.protocol === 'https:',
    rolesClaim: options.rolesClaim ?? 'groups',
    scope: `openid ${options.scope ?? 'profile email'}`,
  };
}

export function invalid(what: string, cause?: unknown): ConsoleError {
  return new ConsoleError('CONSOLE_OIDC_INVALID', `The login by OpenID Connect is not complete: ${what}`, { cause });
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** An address whose traffic nobody reads: HTTPS, or this machine's. */
export function safeUrl(name: string, text: unknown): URL {
  if (typeof text !== 'string' || !URL.canParse(text)) throw invalid(`${name} ${String(text)} is no address`);
  const url = new URL(text);
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.has(url.hostname));
  if (!isSafe) throw invalid(`${name} ${text} is neither https nor on this machine`);
  return url;
}

const ORDER: readonly Role[] = ['viewer', 'editor', 'admin'];

/** What all that fits gives together; undefined where nothing does. */
export function rightsOf(
  { roles }: Pick<OidcSettings, 'roles'>,
  values: readonly string[],
  isFit: (pattern: string, value: string) => boolean,
): Rights | undefined {
  const fitting = roles.filter(({ value: pattern }) => values.some((value) => isFit(pattern, value)));
  if (fitting.length === 0) return undefined;
  const most = Math.max(...fitting.map(({ role }) => (role === null ? -1 : ORDER.indexOf(role))));
  return { role: ORDER[most] ?? null, grants: fitting.flatMap(({ grants = [] }) => grants) };
}

/** The values of a claim, whose name may lead into objects: a text, or texts. */
export function claimValues(claims: object, path: string): string[] {
  // A claim may have dots in its own name, as an address has.
  const value = Object.hasOwn(claims, path)
    ? (claims as Record<string, unknown>)[path]
    : path.split('.').reduce<unknown>(stepInto, claims);
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((each) => typeof each === 'string');
}

function stepInto(at: unknown, name: string): unknown {
  // Own names alone: those of prototypes are nobody's claims.
  const isThere = typeof at === 'object' && at !== null && Object.hasOwn(at, name);
  return isThere ? (at as Record<string, unknown>)[name] : undefined;
}
