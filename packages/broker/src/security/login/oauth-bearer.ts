import { type LoginExchange, LoginRefused, type LoginStep } from './exchange.ts';

/** What a token says that holds. */
export interface CheckedToken {
  readonly subject: string;
  readonly expiresAtMs: number;
}

/** Checks a token. @throws TokenRefused */
export type CheckToken = (token: string) => CheckedToken | Promise<CheckedToken>;

/** A token that does not hold. `reason` is for the log and never repeats it; clients hear of `status` alone (RFC 7628). */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  readonly status: string;
  readonly scope: string | undefined;

  constructor(reason: string, status: string = 'invalid_token', scope?: string) {
    super(reason);
    this.status = status;
    this.scope = scope;
  }
}

const SEPARATOR = '\u0001';
/** What a client answers to the news that its token does not hold. */
const ACKNOWLEDGEMENT = Buffer.from(SEPARATOR);
const PAIR = /^[A-Za-z]+=[\x21-\x7e \t\r\n]*$/;
const BEARER = /^bearer ([-_~+/.A-Za-z0-9]+=*)$/i;

/** OAUTHBEARER (RFC 7628, KIP-255) on the broker's side: one message with a token; what is wrong with it is told in a second step. */
export function oauthBearerLogin(check: CheckToken): LoginExchange {
  let refusal: LoginRefused | undefined;
  return {
    respond(message) {
      if (refusal !== undefined) {
        if (message.equals(ACKNOWLEDGEMENT)) throw refusal;
        throw new LoginRefused(`${refusal.message}, and another message came than its acknowledgement`);
      }
      const { token, authorizationId } = parse(message.toString());
      return settle(check, token, authorizationId, (refused) => {
        refusal = refused;
      });
    },
  };
}

async function settle(
  check: CheckToken,
  token: string,
  authorizationId: string,
  onRefused: (refusal: LoginRefused) => void,
): Promise<LoginStep> {
  let checked: CheckedToken;
  try {
    checked = await check(token);
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    const { status, scope } = error;
    const told = JSON.stringify(scope === undefined ? { status } : { status, scope });
    onRefused(new LoginRefused(`its token does not hold: ${error.message}`, told));
    return { isDone: false, challenge: Buffer.from(told) };
  }
  const { subject: user, expiresAtMs } = checked;
  if (authorizationId !== '' && authorizationId !== user) {
    throw new LoginRefused(
      'the authorization id is another than the token names',
      "Authentication failed: Client requested an authorization id that is different from the token's principal name",
    );
  }
  return { isDone: true, challenge: Buffer.alloc(0), user, expiresAtMs };
}

/** `n,a=<id>,^Aauth=Bearer <token>^A<key>=<value>^A...^A`. Errors do not repeat what is in it. */
function parse(message: string): { readonly token: string; readonly authorizationId: string } {
  const [header = '', ...rest] = message.split(SEPARATOR);
  const authorizationId = /^n,(?:a=([^,=]+(?:=(?:2C|3D)[^,=]*)*))?,$/.exec(header);
  // Every pair ends with the separator, and so does the message.
  const pairs = rest.slice(0, -2);
  if (authorizationId === null || rest.length < 3 || rest.slice(-2).some((end) => end !== '')) throw malformed();
  if (!pairs.every((pair) => PAIR.test(pair))) throw malformed();
  const tokens = pairs.filter((pair) => pair.toLowerCase().startsWith('auth='));
  const token = tokens.length === 1 ? BEARER.exec((tokens[0] as string).slice('auth='.length).trim())?.[1] : undefined;
  if (token === undefined) throw malformed();
  const name = authorizationId[1] ?? '';
  return { token, authorizationId: name.replaceAll('=2C', ',').replaceAll('=3D', '=') };
}

function malformed(): LoginRefused {
  return new LoginRefused('its first message is malformed, or has no bearer token');
}
