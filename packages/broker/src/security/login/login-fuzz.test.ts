/** Logins whose messages are cut, doubled, garbled, swapped and mixed: at worst the connection ends. */
import type { ConnectionContext } from '@millrace/network';
import { ManualClock } from '@millrace/ports';
import { ApiVersions, encodeRequest, Metadata, SaslAuthenticate, SaslHandshake } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MechanismSettings } from '../../config/listener-security.ts';
import { BrokerFault } from '../../shared/errors.ts';
import { silentLogger } from '../../shared/logger.ts';
import { noMetrics } from '../../shared/metrics.ts';
import { inventedCredential } from './invented-credential.ts';
import { LoginGate } from './login-gate.ts';
import { oauthBearerLogin, TokenRefused } from './oauth-bearer.ts';
import { plainLogin } from './plain.ts';
import { scramLogin } from './scram.ts';
import { credentialOf, type ScramMechanism } from './scram-credential.ts';
import { connectionToLogIn } from './testing/test-gate-client.ts';

const NONCE = 'of-the-broker';
const SALTED = { salt: Buffer.from('0123456789abcdef'), saltedPassword: Buffer.alloc(32, 7), iterations: 4096 };
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const;
const OTHER = { 'SCRAM-SHA-256': 'SCRAM-SHA-512', 'SCRAM-SHA-512': 'SCRAM-SHA-256' } as const;
type Mechanism = (typeof MECHANISMS)[number];

const clock = new ManualClock();
const runAtOnce = (_: number, run: () => void): { cancel(): void } => {
  run();
  return { cancel: () => {} };
};
const settings: MechanismSettings = {
  users: new Map([['alice', 'alice-pw']]),
  login: undefined,
  sessionMsMax: 0,
};

function newGate(): LoginGate {
  const sasl = {
    mechanisms: new Map(MECHANISMS.map((each) => [each, settings])),
    failureDelayMs: 0,
    receiveBytesMax: 524_288,
  };
  return new LoginGate({
    listeners: new Map([['CLIENT', { ssl: undefined, sasl }]]),
    // Nobody waits here, so that thousands of logins fail in a moment.
    clock: { ...clock, now: () => 0, monotonic: () => 0, schedule: runAtOnce },
    logger: silentLogger,
    metrics: noMetrics,
    begin: (name, { users }) => {
      if (name === 'PLAIN') return plainLogin(users);
      if (name === 'OAUTHBEARER') {
        return oauthBearerLogin((token) => {
          if (token === 'the.right.one') return { subject: 'alice', expiresAtMs: 1e12 };
          throw new TokenRefused('it is another');
        });
      }
      const mechanism = name as ScramMechanism;
      return scramLogin({
        mechanism,
        // The last is damaged: the key of another mechanism stands in the store.
        find: (user) =>
          ({ alice: credentialOf(mechanism, SALTED), damaged: credentialOf(OTHER[mechanism], SALTED) })[user],
        nonce: () => NONCE,
        invent: (user) => inventedCredential(mechanism, user, Buffer.from('secret'), () => undefined),
      });
    },
  });
}

const TOKENS: Readonly<Record<Mechanism, readonly string[]>> = {
  PLAIN: ['\0alice\0alice-pX'],
  'SCRAM-SHA-256': ['n,,n=alice,r=mine', `c=biws,r=mine${NONCE},p=${Buffer.alloc(32, 3).toString('base64')}`],
  'SCRAM-SHA-512': ['n,,n=alice,r=mine', `c=biws,r=mine${NONCE},p=${Buffer.alloc(64, 3).toString('base64')}`],
  OAUTHBEARER: ['n,,\u0001auth=Bearer a.wrong.one\u0001\u0001', '\u0001'],
};

/** What a client sends that knows all but the secret, with a request behind that only those who are in may ask. */
function framesOf(mechanism: Mechanism, handshakeVersion: number): Buffer[] {
  let correlationId = 0;
  const encoded = (frame: readonly Uint8Array[]): Buffer => Buffer.concat(frame).subarray(4);
  const next = () => {
    correlationId += 1;
    return { correlationId, clientId: 'fuzz' };
  };
  const tokens = TOKENS[mechanism].map((text) => {
    const authBytes = Buffer.from(text);
    return handshakeVersion === 0 ? authBytes : encoded(encodeRequest(SaslAuthenticate, 2, next(), { authBytes }));
  });
  return [
    encoded(encodeRequest(ApiVersions, 3, next(), { clientSoftwareName: 'fuzz', clientSoftwareVersion: '1' })),
    encoded(encodeRequest(SaslHandshake, handshakeVersion, next(), { mechanism })),
    ...tokens,
    encoded(encodeRequest(Metadata, 9, next(), { topics: null })),
  ];
}

type Change = (frames: readonly Buffer[]) => readonly Buffer[];

const at = fc.nat(7);
const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ at, length: fc.nat(200) }).map(({ at: index, length }): Change => {
    return (frames) => frames.map((each, here) => (here === index ? each.subarray(0, length) : each));
  }),
  at.map(
    (index): Change =>
      (frames) =>
        frames.flatMap((each, here) => (here === index ? [each, each] : [each])),
  ),
  at.map(
    (index): Change =>
      (frames) =>
        frames.filter((_, here) => here !== index),
  ),
  fc.record({ from: at, to: at }).map(({ from, to }): Change => {
    return (frames) => {
      const moved = frames[from];
      return moved === undefined ? frames : frames.toSpliced(from, 1).toSpliced(to, 0, moved);
    };
  }),
  fc.record({ at, offset: fc.nat(120), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) }).map((garble): Change => {
    return (frames) =>
      frames.map((each, here) => {
        if (here !== garble.at) return each;
        const copy = Buffer.from(each);
        copy.set(
          garble.bytes.subarray(0, Math.max(copy.length - garble.offset, 0)),
          Math.min(garble.offset, copy.length),
        );
        return copy;
      });
  }),
  fc.record({ at, bytes: fc.uint8Array({ maxLength: 300 }) }).map(({ at: index, bytes }): Change => {
    return (frames) => frames.toSpliced(index, 0, Buffer.from(bytes));
  }),
);

function newContext(): { readonly context: ConnectionContext; readonly isOpen: () => boolean } {
  let isOpen = true;
  const context = connectionToLogIn(() => {
    isOpen = false;
  });
  return { context, isOpen: () => isOpen };
}

/** Sends frames until the connection ends; how many were let through to the handlers. */
async function letThrough(frames: readonly Buffer[]): Promise<{ readonly passed: number; readonly principal: string }> {
  const gate = newGate();
  const { context, isOpen } = newContext();
  let passed = 0;
  for (const frame of frames) {
    if (!isOpen()) break;
    try {
      const answer = await gate.handle(Buffer.from(frame), context, { release: () => {} });
      if (answer === undefined) passed += 1;
    } catch (error) {
      // It ends the connection, and is no accident of the code.
      expect(error).toBeInstanceOf(BrokerFault);
      break;
    }
  }
  return { passed, principal: context.principal };
}

describe('a login without the secret', () => {
  it.each(MECHANISMS)(
    'by %s lets nobody in, however its messages are cut, doubled, garbled, swapped and mixed',
    async (mechanism) => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(0, 1), fc.array(changes, { maxLength: 4 }), async (version, each) => {
          const frames = each.reduce<readonly Buffer[]>(
            (before, change) => change(before),
            framesOf(mechanism, version),
          );
          const { passed, principal } = await letThrough(frames);
          expect(principal).toBe('User:ANONYMOUS');
          // What goes through is a question for versions, and one that asks in a version that is not known leads to another.
          expect(passed).toBeLessThanOrEqual(frames.length);
          if (passed > 0) {
            expect(
              frames.filter((frame) => frame.length > 4 && frame.readUInt16BE(0) === ApiVersions.key).length,
            ).toBeGreaterThanOrEqual(passed);
          }
        }),
        { numRuns: 400 },
      );
    },
  );

  it('is a login with it, so that the above fails for want of the secret alone', async () => {
    const frames = framesOf('PLAIN', 1).map((frame) =>
      Buffer.from(frame.toString('latin1').replace('alice-pX', 'alice-pw'), 'latin1'),
    );
    expect(await letThrough(frames)).toEqual({ passed: 2, principal: 'User:alice' });
  });

  it.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
    'by %s lets nobody in by the key of another mechanism',
    async (mechanism) => {
      const [versions, handshake, first, final] = framesOf(mechanism, 0) as [Buffer, Buffer, Buffer, Buffer];
      const damaged = Buffer.from(first.toString().replace('n=alice', 'n=damaged'));
      expect(await letThrough([versions, handshake, damaged, final])).toEqual({
        passed: 1,
        principal: 'User:ANONYMOUS',
      });
    },
  );
});
