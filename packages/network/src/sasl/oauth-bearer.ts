import { AuthenticationError } from '../errors.ts';
import type { OauthBearerToken, SaslExchange, SaslOauthBearerOptions } from './mechanism.ts';

const SEPARATOR = '\u0001';

/** What a token may be made of (RFC 6750, b64token), so that none can smuggle in further fields. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
const EXTENSION_NAME = /^[A-Za-z]+$/;
const EXTENSION_VALUE = /^[\x21-\x7e \t\r\n]+$/;

/** RFC 7628 as Kafka's `OAuthBearerClientInitialResponse` lays it out. */
export function oauthBearerExchange(options: SaslOauthBearerOptions): SaslExchange {
  let refusal: string | undefined;
  return {
    async respond(challenge) {
      if (challenge === undefined) {
        const token = await options.token();
        return firstMessage(typeof token === 'string' ? { value: token } : token);
      }
      if (challenge.length === 0) return undefined;
      if (refusal !== undefined) {
        throw new AuthenticationError(`SASL OAUTHBEARER: the broker refused the token: ${refusal}`);
      }
      // The broker explains why it refuses and wants a lone separator back before it fails the authentication.
      refusal = challenge.toString();
      return Buffer.from(SEPARATOR);
    },
  };
}

function firstMessage(token: OauthBearerToken): Buffer {
  if (!TOKEN.test(token.value)) {
    throw new AuthenticationError(
      'SASL OAUTHBEARER: the token callback gave something that is no bearer token (letters, digits and -._~+/ only)',
    );
  }
  let extensions = '';
  for (const [name, value] of Object.entries(token.extensions ?? {})) {
    if (!EXTENSION_NAME.test(name) || name === 'auth' || !EXTENSION_VALUE.test(value)) {
      throw new AuthenticationError(`SASL OAUTHBEARER: "${name}" is not a valid extension`);
    }
    extensions += `${name}=${value}${SEPARATOR}`;
  }
  return Buffer.from(`n,,${SEPARATOR}auth=Bearer ${token.value}${SEPARATOR}${extensions}${SEPARATOR}`);
}
