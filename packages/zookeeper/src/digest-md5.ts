import { createHash } from 'node:crypto';
import { ZooKeeperError } from './errors.ts';

/** What a server is called in the exchange, whatever its host is (`SaslServerPrincipal`, `ZooKeeperSaslServer`). */
const DIGEST_URI = 'zookeeper/zk-sasl-md5';

/** Who logs in. */
export interface SaslLogin {
  readonly username: string;
  readonly password: string;
}

/**
 * The answer to a server's challenge (DIGEST-MD5, RFC 2831, quality `auth`): what ZooKeeper's DigestLoginModule expects of a client.
 * @throws ZooKeeperError ZOOKEEPER_AUTH_FAILED for a challenge that asks for something else
 */
export function answerChallenge({ username, password }: SaslLogin, challenge: string, cnonce: string): string {
  const fields = fieldsOf(challenge);
  const nonce = fields.get('nonce');
  const qop = fields.get('qop')?.split(',') ?? ['auth'];
  if (nonce === undefined || !qop.includes('auth')) {
    throw new ZooKeeperError(
      'ZOOKEEPER_AUTH_FAILED',
      'ZooKeeper asks for a login that is not DIGEST-MD5 with qop=auth.',
    );
  }
  const realm = fields.get('realm') ?? '';
  const secret = Buffer.concat([md5(`${username}:${realm}:${password}`), Buffer.from(`:${nonce}:${cnonce}`)]);
  const a1 = md5(secret).toString('hex');
  const a2 = md5(`AUTHENTICATE:${DIGEST_URI}`).toString('hex');
  const response = md5(`${a1}:${nonce}:00000001:${cnonce}:auth:${a2}`).toString('hex');
  return [
    'charset=utf-8',
    `username="${escaped(username)}"`,
    `realm="${escaped(realm)}"`,
    `nonce="${escaped(nonce)}"`,
    'nc=00000001',
    `cnonce="${cnonce}"`,
    `digest-uri="${DIGEST_URI}"`,
    'maxbuf=65536',
    `response=${response}`,
    'qop=auth',
  ].join(',');
}

function md5(value: string | Buffer): Buffer {
  return createHash('md5').update(value).digest();
}

function escaped(value: string): string {
  return value.replace(/["\\]/g, '\\$&');
}

function fieldsOf(challenge: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const match of challenge.matchAll(/([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^,]*))/g)) {
    fields.set((match[1] ?? '').toLowerCase(), match[2]?.replace(/\\(.)/g, '$1') ?? match[3] ?? '');
  }
  return fields;
}
