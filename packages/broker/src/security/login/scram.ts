import { timingSafeEqual } from 'node:crypto';
import { type LoginExchange, LoginRefused, type LoginStep } from './exchange.ts';
import { digest, hmac, type ScramCredential, type ScramMechanism } from './scram-credential.ts';

const NAME = String.raw`(?:[\x01-\x2b\x2d-\x3c\x3e-\x7f]|=2C|=3D)+`;
const VALUE = String.raw`[\x01-\x2b\x2d-\x7f]+`;
const NONCE = String.raw`[\x21-\x2b\x2d-\x7e]+`;
const CLIENT_FIRST = new RegExp(
  `^(?<header>n,(?:a=(?<authorizationId>${NAME}))?,)(?<bare>(?:m=${VALUE},)?n=(?<user>${NAME}),r=(?<nonce>${NONCE})(?<extensions>(?:,[A-Za-z]+=${VALUE})*))$`,
);
const CLIENT_FINAL = new RegExp(
  `^(?<withoutProof>c=(?<binding>[A-Za-z0-9+/]+=*),r=(?<nonce>${NONCE})(?:,[A-Za-z]=${VALUE})*),p=(?<proof>[A-Za-z0-9+/]+=*)$`,
);
/** What Java's clients send whatever stood in their header: base64 of `n,,`. */
const USUAL_BINDING = 'biws';

/** A delegation token that holds. */
export interface FoundToken {
  readonly owner: string;
  readonly expiresAtMs: number;
  readonly credential: ScramCredential;
}

/** What SCRAM on the broker's side works with. */
export interface ScramOptions {
  readonly mechanism: ScramMechanism;
  readonly find: (user: string) => ScramCredential | undefined;
  /** The delegation token of that id, and what its secret is checked with. Without it there are none. */
  readonly findToken?: ((id: string) => Promise<FoundToken | undefined>) | undefined;
  readonly nonce: () => string;
  /** What a user is asked for whom nobody knows; see `invented-credential.ts`. */
  readonly invent: (user: string) => ScramCredential;
}

/**
 * SCRAM (RFC 5802, RFC 7677) on the broker's side. Who is unknown is asked for his proof like everybody, and fails where a wrong
 * password would; Kafka fails him at once, and so tells which names there are.
 */
export function scramLogin(options: ScramOptions): LoginExchange {
  let first: ServerFirst | undefined;
  return {
    respond(token) {
      if (first === undefined) {
        const taken = (begun: ServerFirst): LoginStep => {
          first = begun;
          return { isDone: false, challenge: Buffer.from(begun.message) };
        };
        const begun = begin(token.toString(), options);
        return begun instanceof Promise ? begun.then(taken) : taken(begun);
      }
      return finish(token.toString(), first, options.mechanism);
    },
  };
}

interface ServerFirst {
  readonly message: string;
  readonly clientBare: string;
  readonly header: string;
  readonly nonce: string;
  readonly clientNonce: string;
  readonly user: string;
  readonly credential: ScramCredential;
  readonly isKnown: boolean;
  /** Undefined where it is a user's own password. */
  readonly token: FoundToken | undefined;
}

function begin(text: string, options: ScramOptions): ServerFirst | Promise<ServerFirst> {
  const fields = CLIENT_FIRST.exec(text)?.groups;
  if (fields === undefined) throw new LoginRefused('the first message is malformed, or wants channel binding');
  const user = unescaped(fields['user'] ?? '');
  const { authorizationId } = fields;
  if (authorizationId !== undefined && unescaped(authorizationId) !== user) {
    throw new LoginRefused(
      'the authorization id is another than the user',
      'Authentication failed: Client requested an authorization id that is different from username',
    );
  }
  const isByToken = /,tokenauth=true(?:,|$)/i.test(fields['extensions'] ?? '');
  if (!isByToken) return answer(fields, user, { credential: options.find(user) }, options);
  const { findToken } = options;
  if (findToken === undefined) return answer(fields, user, { credential: undefined }, options);
  return findToken(user).then((token) => answer(fields, user, { credential: token?.credential, token }, options));
}

function answer(
  fields: Readonly<Record<string, string | undefined>>,
  user: string,
  {
    credential: found,
    token,
  }: { readonly credential: ScramCredential | undefined; readonly token?: FoundToken | undefined },
  { nonce, invent }: ScramOptions,
): ServerFirst {
  const credential = found ?? invent(user);
  const full = `${fields['nonce']}${nonce()}`;
  return {
    message: `r=${full},s=${credential.salt.toString('base64')},i=${credential.iterations}`,
    clientBare: fields['bare'] ?? '',
    header: fields['header'] ?? '',
    nonce: full,
    clientNonce: fields['nonce'] ?? '',
    user,
    credential,
    isKnown: found !== undefined,
    token,
  };
}

function finish(text: string, first: ServerFirst, mechanism: ScramMechanism): LoginStep {
  const fields = CLIENT_FINAL.exec(text)?.groups;
  if (fields === undefined) throw new LoginRefused('the last message is malformed');
  // The whole nonce, or a message of another exchange would do (CVE-2024-56128). librdkafka before 2.6.1 puts its own in front once
  // more, which Kafka 3.9 takes and 4.0 does not: it names this exchange all the same.
  const { nonce } = fields;
  if (nonce !== first.nonce && nonce !== `${first.clientNonce}${first.nonce}`) {
    throw new LoginRefused('the nonce is another');
  }
  const binding = fields['binding'];
  if (binding !== USUAL_BINDING && binding !== Buffer.from(first.header).toString('base64')) {
    throw new LoginRefused('the header is another than in the first message');
  }
  const { storedKey, serverKey } = first.credential;
  const message = `${first.clientBare},${first.message},${fields['withoutProof']}`;
  const signature = hmac(mechanism, storedKey, message);
  const proof = Buffer.from(fields['proof'] ?? '', 'base64');
  const hasLength = proof.length === signature.length;
  const clientKey = Buffer.from(signature.map((byte, index) => byte ^ (proof[index] ?? 0)));
  const shown = digest(mechanism, clientKey);
  // Whoever wrote the store may have written a key of another mechanism, which is nobody's.
  const isRight = shown.length === storedKey.length && timingSafeEqual(shown, storedKey);
  if (!isRight || !hasLength || !first.isKnown) throw new LoginRefused(`user or password of ${first.user} is wrong`);
  return {
    isDone: true,
    challenge: Buffer.from(`v=${hmac(mechanism, serverKey, message).toString('base64')}`),
    ...whoIs(first),
  };
}

/** Who shows a token is its owner, for as long as it holds. */
function whoIs({ user, token }: ServerFirst): {
  readonly user: string;
  readonly expiresAtMs?: number;
  readonly isByToken?: boolean;
} {
  return token === undefined ? { user } : { user: token.owner, expiresAtMs: token.expiresAtMs, isByToken: true };
}

function unescaped(name: string): string {
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}
