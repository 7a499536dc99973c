import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { beginExchange } from './exchange.ts';
import { scramExchange } from './scram.ts';

describe('SCRAM', () => {
  it('agrees with the example of RFC 7677 (SHA-256)', async () => {
    const exchange = scramExchange(
      { mechanism: 'SCRAM-SHA-256', username: 'user', password: 'pencil' },
      'rOprNGfwEbeRWgbNEkqO',
    );
    expect((await exchange.respond(undefined))?.toString()).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    const serverFirst = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';
    expect((await exchange.respond(Buffer.from(serverFirst)))?.toString()).toBe(
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    );
    const serverFinal = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=';
    expect(await exchange.respond(Buffer.from(serverFinal))).toBeUndefined();
  });

  /** The server's side, computed the way RFC 5802 section 3 states it, apart from the client's code. */
  function serverFor(hash: 'sha256' | 'sha512', password: string, clientFirst: string) {
    const clientFirstBare = clientFirst.slice(3);
    const nonce = `${/r=(.*)$/.exec(clientFirst)?.[1]}server`;
    const salt = Buffer.from('salt of the server');
    const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=4096`;
    const salted = pbkdf2Sync(password, salt, 4096, hash === 'sha256' ? 32 : 64, hash);
    const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
    const auth = `${clientFirstBare},${serverFirst},c=biws,r=${nonce}`;
    return {
      serverFirst,
      serverFinal: `v=${hmac(hmac(salted, 'Server Key'), auth).toString('base64')}`,
      accepts(clientFinal: string): boolean {
        const proof = Buffer.from(/p=(.*)$/.exec(clientFinal)?.[1] ?? '', 'base64');
        const storedKey = createHash(hash).update(hmac(salted, 'Client Key')).digest();
        const signature = hmac(storedKey, auth);
        const key = Buffer.from(proof.map((byte, index) => byte ^ (signature[index] as number)));
        return createHash(hash).update(key).digest().equals(storedKey);
      },
    };
  }

  it.each([
    ['SCRAM-SHA-256', 'sha256'],
    ['SCRAM-SHA-512', 'sha512'],
  ] as const)(
    '%s convinces a server and is convinced by it, with names that need escaping',
    async (mechanism, hash) => {
      const exchange = scramExchange({ mechanism, username: 'a=b,c', password: async () => 'pä,ss' });
      const clientFirst = String(await exchange.respond(undefined));
      expect(clientFirst).toMatch(/^n,,n=a=3Db=2Cc,r=[\w-]{20,}$/);
      const server = serverFor(hash, 'pä,ss', clientFirst);
      const clientFinal = String(await exchange.respond(Buffer.from(server.serverFirst)));
      expect(server.accepts(clientFinal)).toBe(true);
      expect(await exchange.respond(Buffer.from(server.serverFinal))).toBeUndefined();
    },
  );

  it('refuses a server that does not know the password', async () => {
    const exchange = scramExchange({ mechanism: 'SCRAM-SHA-256', username: 'user', password: 'right' });
    const server = serverFor('sha256', 'wrong', String(await exchange.respond(undefined)));
    expect(server.accepts(String(await exchange.respond(Buffer.from(server.serverFirst))))).toBe(false);
    await expect(async () => await exchange.respond(Buffer.from(server.serverFinal))).rejects.toMatchObject({
      code: 'NETWORK_AUTHENTICATION_FAILED',
      retriable: false,
    });
  });

  it.each([
    ['a foreign nonce', 'r=other,s=c2FsdA==,i=4096', 'nonce'],
    ['our nonce unextended', 'r=mine,s=c2FsdA==,i=4096', 'nonce'],
    ['few iterations', 'r=mineyours,s=c2FsdA==,i=10', 'iterations'],
    ['endless iterations', 'r=mineyours,s=c2FsdA==,i=2000000000', 'iterations'],
    ['iterations that take a second', 'r=mineyours,s=c2FsdA==,i=1000000', 'iterations'],
    ['no salt', 'r=mineyours,i=4096', 'salt'],
    ['an error', 'e=unknown-user', 'unknown-user'],
    ['nothing', '', 'nonce'],
  ])('refuses a server that sends %s', async (_, serverFirst, reason) => {
    const exchange = scramExchange({ mechanism: 'SCRAM-SHA-256', username: 'user', password: 'x' }, 'mine');
    await exchange.respond(undefined);
    await expect(async () => await exchange.respond(Buffer.from(serverFirst))).rejects.toThrow(reason);
  });
});

describe('PLAIN', () => {
  it('sends user name and password with NUL between', async () => {
    const exchange = beginExchange({ mechanism: 'PLAIN', username: 'tim', password: 'tanstaaftanstaaf' });
    expect(String(await exchange.respond(undefined))).toBe('\0tim\0tanstaaftanstaaf');
    expect(await exchange.respond(Buffer.alloc(0))).toBeUndefined();
  });

  it('refuses a NUL in the password', async () => {
    const exchange = beginExchange({ mechanism: 'PLAIN', username: 'tim', password: 'a\0b' });
    await expect(async () => await exchange.respond(undefined)).rejects.toThrow('NUL');
  });
});

describe('OAUTHBEARER', () => {
  it('sends the token of the callback with its extensions', async () => {
    const exchange = beginExchange({
      mechanism: 'OAUTHBEARER',
      token: async () => ({ value: 'abc.def', extensions: { logicalCluster: 'lkc-1' } }),
    });
    expect(String(await exchange.respond(undefined))).toBe(
      'n,,\u0001auth=Bearer abc.def\u0001logicalCluster=lkc-1\u0001\u0001',
    );
    expect(await exchange.respond(Buffer.alloc(0))).toBeUndefined();
  });

  it('acknowledges a refusal so that the broker can fail the authentication', async () => {
    const exchange = beginExchange({ mechanism: 'OAUTHBEARER', token: () => 'abc' });
    await exchange.respond(undefined);
    expect(String(await exchange.respond(Buffer.from('{"status":"invalid_token"}')))).toBe('\u0001');
    await expect(async () => await exchange.respond(Buffer.from('more'))).rejects.toThrow('invalid_token');
  });

  it.each(['', 'a b', 'abc\u0001auth=x'])('refuses %j as a token', async (token) => {
    const exchange = beginExchange({ mechanism: 'OAUTHBEARER', token: () => token });
    await expect(async () => await exchange.respond(undefined)).rejects.toThrow('no bearer token');
  });
});

describe('SASL', () => {
  it('runs a mechanism of the caller', async () => {
    const exchange = beginExchange({ mechanism: 'MINE', exchange: () => ({ respond: () => Buffer.from('hi') }) });
    expect(String(await exchange.respond(undefined))).toBe('hi');
  });

  it('refuses an unknown mechanism', () => {
    const options = { mechanism: 'GSSAPI', username: 'a', password: 'b' };
    expect(() => beginExchange(options as never)).toThrow('GSSAPI');
  });
});
