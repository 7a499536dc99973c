import { AuthenticationError } from '../errors.ts';
import type {
  SaslCustomOptions,
  SaslExchange,
  SaslOauthBearerOptions,
  SaslOptions,
  SaslPlainOptions,
  SaslScramOptions,
} from './mechanism.ts';
import { oauthBearerExchange } from './oauth-bearer.ts';
import { plainExchange } from './plain.ts';
import { scramExchange } from './scram.ts';

/** Begins one authentication with the chosen mechanism. */
export function beginExchange(options: SaslOptions): SaslExchange {
  if ('exchange' in options) return (options as SaslCustomOptions).exchange();
  switch (options.mechanism) {
    case 'PLAIN':
      return plainExchange(options as SaslPlainOptions);
    case 'SCRAM-SHA-256':
    case 'SCRAM-SHA-512':
      return scramExchange(options as SaslScramOptions);
    case 'OAUTHBEARER':
      return oauthBearerExchange(options as SaslOauthBearerOptions);
    default:
      throw new AuthenticationError(
        `SASL mechanism "${(options as SaslOptions).mechanism}" is not known here: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, or give an "exchange"`,
      );
  }
}
