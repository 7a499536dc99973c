import { AuthenticationError } from '../errors.ts';
import { readSecret, type SaslExchange, type SaslPlainOptions } from './mechanism.ts';

/** RFC 4616: empty authorization id, user name, password, with NUL between. */
export function plainExchange(options: SaslPlainOptions): SaslExchange {
  return {
    async respond(challenge) {
      if (challenge !== undefined) return undefined;
      const password = await readSecret(options.password);
      if (options.username.includes('\0') || password.includes('\0')) {
        throw new AuthenticationError('SASL PLAIN: user name and password must not contain NUL characters');
      }
      return Buffer.from(`\0${options.username}\0${password}`);
    },
  };
}
