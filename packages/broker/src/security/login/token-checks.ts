import type { Clock } from '@millrace/ports';
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import type { SignedTokens, TokenSettings, UnsecuredTokens } from '../../config/oauth-settings.ts';
import type { Logger } from '../../shared/logger.ts';
import { type CheckedToken, type CheckToken, TokenRefused } from './oauth-bearer.ts';
import { type LoadKeys, SigningKeys } from './signing-keys.ts';

/** What tokens are checked with. */
export interface TokenSurroundings {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly loadKeys: LoadKeys;
}

/** Signatures with a key of which one half is public. Never by a secret: the public half would do for one (RFC 8725, 3.1). */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

export function tokenCheck(settings: TokenSettings, surroundings: TokenSurroundings): CheckToken {
  if (settings.kind === 'unsecured') return (token) => checkUnsecured(token, settings, surroundings.clock);
  const { loadKeys, clock, logger } = surroundings;
  const keys = new SigningKeys(settings, loadKeys, clock, logger);
  return (token) => checkSigned(token, settings, keys, clock);
}

async function checkSigned(
  token: string,
  settings: SignedTokens,
  keys: SigningKeys,
  clock: Clock,
): Promise<CheckedToken> {
  const { issuer, audience, clockSkewMs, subClaim, scopeClaim } = settings;
  let claims: JWTPayload;
  try {
    const { payload } = await jwtVerify(token, keys.find, {
      algorithms: ALGORITHMS,
      currentDate: new Date(clock.now()),
      clockTolerance: clockSkewMs / 1000,
      requiredClaims: ['exp', 'iat'],
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience.length === 0 ? {} : { audience: [...audience] }),
    });
    claims = payload;
  } catch (error) {
    if (error instanceof TokenRefused) throw error;
    if (error instanceof errors.JOSEError) throw new TokenRefused(`${error.code}${claimOf(error)}`);
    // Keys that the provider has badly made are no reason to close somebody's connection without a word.
    throw new TokenRefused('its signature cannot be checked');
  }
  scopesOf(claims, scopeClaim);
  return { subject: subjectOf(claims, subClaim), expiresAtMs: endOf(claims.exp as number) };
}

function claimOf(error: Error): string {
  return error instanceof errors.JWTClaimValidationFailed || error instanceof errors.JWTExpired
    ? ` (${error.claim})`
    : '';
}

/** As `OAuthBearerUnsecuredJws`: no signature, and none claimed. */
function checkUnsecured(token: string, settings: UnsecuredTokens, clock: Clock): CheckedToken {
  const [head, body = '', signature, ...rest] = token.split('.');
  if (head === undefined || body === '' || signature !== '' || rest.length > 0) {
    throw new TokenRefused('it is none without a signature, which are the ones that are taken here');
  }
  let claims: JWTPayload;
  try {
    if (decodeProtectedHeader(token).alg !== 'none') throw new Error('another algorithm');
    claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as JWTPayload;
    if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new Error('no claims');
  } catch {
    throw new TokenRefused('it cannot be read');
  }
  const { clockSkewMs, subClaim, scopeClaim, scopes } = settings;
  const nowMs = clock.now();
  const { exp, iat } = claims;
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw new TokenRefused('it says nothing of its end (exp)');
  if (exp * 1000 + clockSkewMs <= nowMs) throw new TokenRefused('it has expired (exp)');
  if (iat !== undefined && (typeof iat !== 'number' || iat * 1000 - clockSkewMs > nowMs || iat >= exp)) {
    throw new TokenRefused('its time of issue cannot be (iat)');
  }
  const has = scopesOf(claims, scopeClaim);
  const missing = scopes.filter((scope) => !has.includes(scope));
  if (missing.length > 0) throw new TokenRefused('it lacks a scope', 'insufficient_scope', scopes.join(' '));
  return { subject: subjectOf(claims, subClaim), expiresAtMs: endOf(exp) };
}

function subjectOf(claims: JWTPayload, claim: string): string {
  const subject = claims[claim];
  if (typeof subject === 'string' && subject.trim() !== '') return subject;
  throw new TokenRefused(`it says nothing of whom it is for (${claim})`);
}

/** One text with blanks between, or a list (`ClaimValidationUtils`). */
function scopesOf(claims: JWTPayload, claim: string): readonly string[] {
  const scope = claims[claim] ?? [];
  if (typeof scope === 'string') return scope.split(' ').filter((each) => each !== '');
  if (Array.isArray(scope) && scope.every((each) => typeof each === 'string')) return scope as string[];
  throw new TokenRefused(`its scopes cannot be read (${claim})`);
}

/** When a token ends, as what goes on the wire can say it. */
function endOf(expSeconds: number): number {
  const endMs = expSeconds * 1000;
  if (endMs > Number.MAX_SAFE_INTEGER) throw new TokenRefused('its end is no time (exp)');
  return endMs;
}
