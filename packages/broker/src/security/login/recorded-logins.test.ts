/**
 * Logins by SCRAM and delegation tokens, and sessions that end, as Apache Kafka 3.9.1 has answered them: with what it drew in the place of
 * chance, every byte of its answers. Of 102 recorded exchanges 37 are in `login-gate.test.ts`, these are 42, and 13 that are about bytes before
 * any login are in `tools/security/recorded-bytes.test.ts`. The others are not replayed:
 *
 * - 6 of clients with TLS at a listener with TLS: the bytes of a handshake are drawn anew each time; `secured-broker.test.ts` and
 *   `packages/network/src/connection.test.ts` hold what came of them (client authentication, protocols, a stranger's certificate).
 * - the name that a certificate gives its owner: `packages/network/src/principal.test.ts`.
 * - 3 of requests for delegation tokens on connections without a login, or by a token: `packages/broker/src/handlers` answers those, and
 *   `delegation-tokens.test.ts` holds them.
 */
import { createHmac } from 'node:crypto';
import { Metadata, SaslHandshake } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { FoundToken } from './scram.ts';
import { credentialOf, type ScramMechanism } from './scram-credential.ts';
import { Client, decoded, type Recorded, rowsOf, saltedPassword } from './testing/test-gate-client.ts';

const SECRET = 'test-secret';
/** The test's clock goes on by that while a token is looked up. */
const STEP_MS = 100;

/** Kafka refuses who is unknown at once; here he is asked like everybody, and refused in the same words at the end. */
const ASKED_FIRST = /unknown user|known to PLAIN only|token without tokenauth|unknown delegation token/;
/** Kafka does not look at it. */
const BOUND = 'SCRAM-SHA-256 other channel binding value in the final message';

/** What the broker drew, its salt, and how long the login held, as the recorded answers have them. */
function drawnIn({ steps }: Recorded) {
  const texts = steps.map(({ hears }) => String(hears?.['authBytes'] ?? hears?.['token'] ?? ''));
  const [, full = '', salt = ''] =
    texts.map((text) => /^r=(.*),s=(.*),i=4096$/.exec(text)).find((found) => found) ?? [];
  const sent = steps.map(({ send }) => Buffer.from(send, 'hex').toString('latin1'));
  const own = sent.map((text) => /,r=([0-9a-f]+)/.exec(text)?.[1]).find((found) => found !== undefined) ?? '';
  const lifetimeMs = steps.map(({ hears }) => Number(hears?.['sessionLifetimeMs'] ?? 0)).at(-2) ?? 0;
  return { nonce: full.slice(own.length), salt: Buffer.from(salt, 'base64'), lifetimeMs, isAsked: full !== '' };
}

describe('logins by SCRAM as Kafka 3.9.1 has answered them, byte by byte', () => {
  it.each(rowsOf<Recorded>('scram-logins'))('$what', async (recorded) => {
    const { what, steps, closed } = recorded;
    const { nonce, salt, lifetimeMs } = drawnIn(recorded);
    const findToken =
      (mechanism: ScramMechanism) =>
      async (id: string): Promise<FoundToken | undefined> => {
        if (lifetimeMs === 0) return undefined;
        const password = createHmac('sha512', SECRET).update(id).digest('base64');
        const saltedToken = saltedPassword(mechanism, password, salt);
        const credential = credentialOf(mechanism, { salt, saltedPassword: saltedToken, iterations: 4096 });
        return { owner: 'User:alice', expiresAtMs: client.clock.now() + STEP_MS + lifetimeMs, credential };
      };
    const client = new Client(0, undefined, { nonce, findToken });
    const answers: unknown[] = [];
    for (const { send, isLate } of steps) {
      const sent = Buffer.from(send, 'hex');
      const { answer, isLate: wasLate } = await client.send(sent);
      answers.push(Buffer.isBuffer(answer) ? decoded(sent, answer) : answer);
      // Never sooner than Kafka.
      if (!ASKED_FIRST.test(what)) expect(wasLate || !isLate).toBe(true);
    }
    expect(answers.length).toBeGreaterThan(1);
    const heard = steps.map(({ hears }, at) => (answers[at] === 'handlers' ? 'handlers' : (hears ?? 'ended')));
    if (what === BOUND) {
      expect(answers.slice(0, -1)).toEqual(heard.slice(0, -1));
      expect(answers.at(-1)).toMatchObject({ errorCode: 58 });
    } else if (ASKED_FIRST.test(what)) {
      expect(answers.slice(0, -1)).toEqual(heard.slice(0, -1));
      expect(answers.at(-1)).toMatchObject({ errorCode: 0, authBytes: expect.stringMatching(/^r=.*,s=.*,i=\d+$/) });
      const refused = await client.token(`c=biws,r=${/r=([^,]*)/.exec(JSON.stringify(answers.at(-1)))?.[1]},p=AAAA`);
      expect(refused).toMatchObject({ errorCode: 58, errorMessage: steps.at(-1)?.hears?.['errorMessage'] });
      expect(client.isDisconnected).toBe(closed);
    } else {
      expect(answers).toEqual(heard);
      expect(client.isDisconnected || answers.includes('ended')).toBe(closed);
    }
  });

  it('are all of the recording', () => {
    const rows = rowsOf<Recorded>('scram-logins');
    expect(rows).toHaveLength(32);
    expect(rows.filter((row) => ASKED_FIRST.test(row.what))).toHaveLength(6);
    // Those that the broker has drawn something for.
    expect(rows.filter((row) => drawnIn(row).isAsked)).toHaveLength(20);
  });
});

interface Outcome {
  readonly final?: number;
  readonly first?: number;
  readonly message: string;
  readonly sessionLifetimeMs?: number;
}

/** What was recorded of a session of 3 s: outcomes in place of frames. */
interface RecordedSession {
  readonly what: string;
  readonly login?: Outcome;
  readonly again?: Outcome;
  readonly metadata?: string;
  readonly metadataAfterFirstDeadline?: string;
  readonly ended?: string;
  readonly handshake?: number;
  readonly rest?: string;
  readonly closedAtTheEnd: boolean;
}

const sessions = new Map(
  rowsOf<RecordedSession>('sessions').map((row) => [row.what.replace('connections.max.reauth.ms 3000: ', ''), row]),
);

describe('sessions of 3 s as Kafka 3.9.1 has ended them', () => {
  const login = (client: Client, user = 'alice', password = 'alice-scram-pw') =>
    client.scram('SCRAM-SHA-256', user, password);
  const asked = async (client: Client): Promise<string> =>
    (await client.ask(Metadata, 1, { topics: [] })) === 'handlers' ? 'answered' : 'closed';

  async function begun(): Promise<Client> {
    const client = new Client(3000);
    const row = sessions.get('nothing sent for 5 s')?.login;
    expect(await login(client)).toMatchObject({ errorCode: row?.final, sessionLifetimeMs: row?.sessionLifetimeMs });
    return client;
  }

  it.each<[string, number, string, string, string]>([
    ['right away again (200 ms after login)', 200, 'alice', 'alice-scram-pw', 'answered'],
    ['again after 1500 ms', 1500, 'alice', 'alice-scram-pw', 'answered'],
    ['again after the deadline (3300 ms)', 3300, 'alice', 'alice-scram-pw', 'answered'],
    ['as another user', 200, 'o,p=q', 'comma-pw', 'closed'],
    ['with a wrong password', 200, 'alice', 'wrong', 'closed'],
  ])('%s', async (what, afterMs, user, password, then) => {
    const row = sessions.get(what);
    const client = await begun();
    await client.clock.advance(afterMs);
    const again = await login(client, user, password);
    expect(again).toMatchObject({
      errorCode: row?.again?.final,
      sessionLifetimeMs: row?.again?.sessionLifetimeMs,
    });
    expect((again as { errorMessage: string | null }).errorMessage ?? '').toBe(row?.again?.message);
    expect(row?.metadata).toContain(then);
    if (then === 'closed') {
      expect(client.isDisconnected).toBe(row?.closedAtTheEnd);
      return;
    }
    expect(await asked(client)).toBe(then);
    if (row?.metadataAfterFirstDeadline !== undefined) {
      await client.clock.advance(2000);
      expect(await asked(client)).toBe(row.metadataAfterFirstDeadline);
    }
    expect(client.isDisconnected).toBe(row?.closedAtTheEnd);
  });

  it('request after the deadline', async () => {
    const client = await begun();
    await client.clock.advance(3300);
    const answered = await asked(client);
    expect(sessions.get('request after the deadline')?.metadata).toContain(answered);
    expect(answered).toBe('closed');
  });

  it('nothing sent for 5 s', async () => {
    const client = await begun();
    await client.clock.advance(5000);
    expect(client.isDisconnected).toBe(sessions.get('nothing sent for 5 s')?.closedAtTheEnd);
  });

  it('by another mechanism', async () => {
    const client = await begun();
    const answer = await client.ask(SaslHandshake, 1, { mechanism: 'PLAIN' });
    expect([answer, sessions.get('by another mechanism')?.ended]).toEqual(['ended', 'closed']);
  });

  it('Metadata between the handshake and the token', async () => {
    const row = sessions.get('Metadata between the handshake and the token');
    const client = await begun();
    expect(await client.ask(SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' })).toMatchObject({
      errorCode: row?.handshake,
    });
    // Kafka's answer is empty; ours names the error that it has a place for.
    expect(row?.metadata).toBe('answered');
    expect(await client.ask(Metadata, 1, { topics: [] })).toMatchObject({ brokers: [], topics: [] });
    expect(client.isDisconnected).toBe(row?.closedAtTheEnd);
  });

  it('user deleted meanwhile (mallet), request, then again', async () => {
    const row = sessions.get('user deleted meanwhile (mallet), request, then again');
    const client = await begun();
    client.deleted.add('alice');
    expect(await asked(client)).toBe(row?.metadata);
    // Here he is asked for his proof like everybody, and refused in Kafka's words for who is unknown.
    expect(await login(client)).toMatchObject({
      errorCode: row?.again?.first,
      errorMessage: row?.again?.message.replace('during authentication', 'during re-authentication'),
    });
    expect(client.isDisconnected).toBe(row?.closedAtTheEnd);
  });

  it('are all of the recording', () => expect(sessions.size).toBe(10));
});
