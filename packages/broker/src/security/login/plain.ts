import { createHash, timingSafeEqual } from 'node:crypto';
import { type LoginExchange, LoginRefused, type LoginStep } from './exchange.ts';

const NOTHING = Buffer.alloc(0);
/** What an unknown user's password is held against, so that he takes as long as one who is known. */
const NOBODY = '\0';

/** PLAIN (RFC 4616) as Kafka's `PlainSaslServer`: authorization id, user, password, with NUL between. */
export function plainLogin(users: ReadonlyMap<string, string>): LoginExchange {
  return { respond: (token) => check(token, users) };
}

function check(token: Buffer, users: ReadonlyMap<string, string>): LoginStep {
  const parts = token.toString().split('\0');
  if (parts.length !== 3) refuse(`Invalid SASL/PLAIN response: expected 3 tokens, got ${parts.length}`);
  const [authorizationId = '', user = '', password = ''] = parts;
  if (user === '') refuse('Authentication failed: username not specified');
  if (password === '') refuse('Authentication failed: password not specified');
  const expected = users.get(user);
  const isRight = isSame(password, expected ?? NOBODY);
  if (!isRight || expected === undefined) refuse('Authentication failed: Invalid username or password');
  if (authorizationId !== '' && authorizationId !== user) {
    refuse('Authentication failed: Client requested an authorization id that is different from username');
  }
  return { isDone: true, challenge: NOTHING, user };
}

function refuse(shown: string): never {
  throw new LoginRefused(shown, shown);
}

/** In a time that tells nothing of how much is right (CVE-2021-38153). */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
