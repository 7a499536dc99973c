/** OAUTHBEARER at one listener: whose tokens are taken, as Kafka's settings say it (`OAuthBearerValidatorCallbackHandler`). */
import type { JaasEntry } from './jaas.ts';

/** Tokens that a provider has signed. */
export interface SignedTokens {
  readonly kind: 'signed';
  /** `sasl.oauthbearer.jwks.endpoint.url`: where the provider's keys are, `https:`, `http:` or `file:`. */
  readonly keysUrl: string;
  /** `sasl.oauthbearer.expected.issuer`; undefined where any will do. */
  readonly issuer: string | undefined;
  /** `sasl.oauthbearer.expected.audience`: one of them must be the token's. */
  readonly audience: readonly string[];
  readonly clockSkewMs: number;
  /** The claim that says who somebody is. */
  readonly subClaim: string;
  readonly scopeClaim: string;
  /** After so long the keys are read again. */
  readonly refreshMs: number;
  readonly retryMs: number;
  readonly retryMsMax: number;
}

/** Tokens that nobody has signed, for tests: everybody is who he says. */
export interface UnsecuredTokens {
  readonly kind: 'unsecured';
  readonly subClaim: string;
  readonly scopeClaim: string;
  readonly scopes: readonly string[];
  readonly clockSkewMs: number;
}

export type TokenSettings = SignedTokens | UnsecuredTokens;

/** Where this broker gets the tokens that it logs in with at other brokers. */
export interface OwnTokens {
  /** `sasl.oauthbearer.token.endpoint.url`: who gives them out, or a file that holds one. */
  readonly endpoint: string | undefined;
  readonly clientId: string | undefined;
  readonly clientSecret: string | undefined;
  readonly scope: string | undefined;
  /** Whom a token without a signature names, where there is no endpoint. */
  readonly unsecuredSubject: string | undefined;
}

const PACKAGE = 'org.apache.kafka.common.security.oauthbearer';
const SIGNED_HANDLERS = [
  `${PACKAGE}.OAuthBearerValidatorCallbackHandler`,
  `${PACKAGE}.secured.OAuthBearerValidatorCallbackHandler`,
];
const UNSECURED_HANDLERS = [
  `${PACKAGE}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`,
  `${PACKAGE}.OAuthBearerUnsecuredValidatorCallbackHandler`,
];

const LOGIN_HANDLERS = [
  `${PACKAGE}.OAuthBearerLoginCallbackHandler`,
  `${PACKAGE}.secured.OAuthBearerLoginCallbackHandler`,
  `${PACKAGE}.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler`,
];

/** Settings of signed tokens, for all listeners, for one, or for this mechanism of one. */
export const OAUTH_SETTINGS: readonly string[] = [
  'sasl.oauthbearer.jwks.endpoint.url',
  'sasl.oauthbearer.jwks.endpoint.refresh.ms',
  'sasl.oauthbearer.jwks.endpoint.retry.backoff.ms',
  'sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms',
  'sasl.oauthbearer.expected.audience',
  'sasl.oauthbearer.expected.issuer',
  'sasl.oauthbearer.clock.skew.seconds',
  'sasl.oauthbearer.scope.claim.name',
  'sasl.oauthbearer.sub.claim.name',
  'sasl.oauthbearer.token.endpoint.url',
];

/** How a listener tells its settings. */
export interface OauthSource {
  readonly listener: string;
  /** `listener.name.NAME.oauthbearer.KEY`. */
  readonly ownName: (key: string) => string;
  readonly ownText: (key: string) => string | undefined;
  readonly value: <T extends string | number | boolean | readonly string[]>(key: string) => T;
  readonly report: (name: string, message: string) => void;
}

const LOGIN_CALLBACK = 'sasl.login.callback.handler.class';
const CALLBACK = 'sasl.server.callback.handler.class';
const KEYS_URL = 'sasl.oauthbearer.jwks.endpoint.url';

/**
 * Whose tokens a listener takes; undefined, and told, where that is not clear. Nothing set means unsecured tokens to Kafka before 4.2
 * (CVE-2026-33557), which is nobody's wish: here they must be asked for by the name of their class.
 */
export function tokenSettingsOf(source: OauthSource, jaas: JaasEntry | undefined): TokenSettings | undefined {
  const { listener, ownName, ownText, report } = source;
  const handler = ownText(CALLBACK)?.trim() ?? '';
  if (UNSECURED_HANDLERS.includes(handler)) return unsecured(source, jaas?.options ?? new Map());
  if (handler !== '' && !SIGNED_HANDLERS.includes(handler)) {
    report(
      ownName(CALLBACK),
      `${ownName(CALLBACK)} is not honoured: it names another class than ${SIGNED_HANDLERS[0]}, and no class is loaded here by its name. Set it to that, with ${KEYS_URL}.`,
    );
    return undefined;
  }
  const keysUrl = source.value<string>(KEYS_URL) ?? '';
  if (keysUrl.trim() === '') {
    report(
      ownName(CALLBACK),
      `OAUTHBEARER on ${listener} knows no keys to check tokens with, and would have to take everybody for whom he says he is. Set ${KEYS_URL} to the provider's JWKS.`,
    );
    return undefined;
  }
  const fault = urlFault(keysUrl);
  if (fault !== undefined) {
    report(KEYS_URL, `${KEYS_URL}=${keysUrl} cannot be read: ${fault}. Give an https:, http: or file: URL.`);
    return undefined;
  }
  return signed(source, keysUrl);
}

/** Who this broker is at others, as a login module and its settings say it; undefined where they do not. */
export function ownTokensOf(source: OauthSource, jaas: JaasEntry | undefined): OwnTokens | undefined {
  const { ownName, ownText, report } = source;
  const handler = ownText(LOGIN_CALLBACK)?.trim() ?? '';
  if (handler !== '' && !LOGIN_HANDLERS.includes(handler)) {
    report(
      ownName(LOGIN_CALLBACK),
      `${ownName(LOGIN_CALLBACK)} is not honoured: it names another class than ${LOGIN_HANDLERS[0]}, and no class is loaded here by its name. Set it to that, with sasl.oauthbearer.token.endpoint.url.`,
    );
  }
  const option = (name: string): string | undefined => jaas?.options.get(name);
  const endpoint = source.value<string>('sasl.oauthbearer.token.endpoint.url')?.trim() ?? '';
  const unsecuredSubject = option('unsecuredLoginStringClaim_sub');
  if (endpoint === '' && unsecuredSubject === undefined) return undefined;
  return {
    endpoint: endpoint === '' ? undefined : endpoint,
    clientId: option('clientId'),
    clientSecret: option('clientSecret'),
    scope: option('scope'),
    unsecuredSubject,
  };
}

function signed({ value }: OauthSource, keysUrl: string): SignedTokens {
  const issuer = value<string>('sasl.oauthbearer.expected.issuer') ?? '';
  return {
    kind: 'signed',
    keysUrl,
    issuer: issuer.trim() === '' ? undefined : issuer.trim(),
    audience: value<readonly string[]>('sasl.oauthbearer.expected.audience') ?? [],
    clockSkewMs: value<number>('sasl.oauthbearer.clock.skew.seconds') * 1000,
    subClaim: value('sasl.oauthbearer.sub.claim.name'),
    scopeClaim: value('sasl.oauthbearer.scope.claim.name'),
    refreshMs: value('sasl.oauthbearer.jwks.endpoint.refresh.ms'),
    retryMs: value('sasl.oauthbearer.jwks.endpoint.retry.backoff.ms'),
    retryMsMax: value('sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms'),
  };
}

function unsecured({ ownName, report }: OauthSource, options: ReadonlyMap<string, string>): UnsecuredTokens {
  const skew = options.get('unsecuredValidatorAllowableClockSkewMs') ?? '0';
  if (!/^\d{1,9}$/.test(skew)) {
    report(
      ownName('sasl.jaas.config'),
      `unsecuredValidatorAllowableClockSkewMs in ${ownName('sasl.jaas.config')} must be a number of milliseconds.`,
    );
  }
  const scopes = (options.get('unsecuredValidatorRequiredScope') ?? '').split(' ').filter((scope) => scope !== '');
  return {
    kind: 'unsecured',
    subClaim: options.get('unsecuredValidatorPrincipalClaimName') ?? 'sub',
    scopeClaim: options.get('unsecuredValidatorScopeClaimName') ?? 'scope',
    scopes,
    clockSkewMs: Number(skew),
  };
}

function urlFault(text: string): string | undefined {
  if (!URL.canParse(text)) return 'it is no URL';
  const { protocol } = new URL(text);
  return ['https:', 'http:', 'file:'].includes(protocol) ? undefined : `${protocol} is nothing that keys are read from`;
}
