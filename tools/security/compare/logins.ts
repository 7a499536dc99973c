/** The logins that are recorded, and those by SCRAM with everything that can be wrong in them, tried at both brokers. */
import { pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect } from 'node:tls';
import {
  AlterUserScramCredentials,
  ApiVersions,
  CreateDelegationToken,
  DescribeDelegationToken,
  ExpireDelegationToken,
  encodeRequest,
  SaslAuthenticate,
  SaslHandshake,
} from '@millrace/protocol';
import { RawClient } from '../../faults/raw-client.ts';
import { root } from '../../source/index.ts';
import { LoginClient, type ScramChanges, type ScramMechanism } from './login-client.ts';
import { type Compared, type ListenerName, PASSWORDS, type Pair, SESSION_MS } from './pair.ts';

/** What is tried, at one of both brokers. */
interface Probe {
  readonly what: string;
  readonly listener: ListenerName;
  run(client: LoginClient, world: World): Promise<void>;
}

/** What probes need to know of the broker. */
interface World {
  readonly token: { readonly id: string; readonly hmac: string };
  readonly broker: Compared;
}

/** How many are tried at once: most of their time they wait for the answer to a failed login. */
const PARALLEL = 6;
const SALT = Buffer.from('0123456789abcdef');
const SCRAM_PASSWORDS: Readonly<Record<string, string>> = {
  alice: 'alice-scram-pw',
  'o,p=q': 'comma-pw',
  mallet: 'mallet-pw',
};
const MECHANISMS: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

/** What is answered otherwise on purpose: a line of Kafka's in the place of ours, in probes whose names match. */
interface Difference {
  readonly what: RegExp;
  readonly kafka: RegExp;
  readonly here: RegExp;
  readonly why: string;
}

const DIFFERENCES: readonly Difference[] = [
  {
    what: /unknown user|known to PLAIN only|unknown delegation token|without tokenauth|deleted while/,
    kafka: /authenticate 58/,
    here: /challenge i=4096 0 s \| authenticate 58/,
    why: 'nobody is told which users there are: unknown ones are asked for a proof as those are who are there',
  },
  {
    what: /other channel binding/,
    kafka: /verified/,
    here: /authenticate 58/,
    why: 'the last message repeats the header of the first (RFC 5802), which Kafka does not look at',
  },
  {
    what: /by another mechanism/,
    kafka: /handshake 0 \S+ \| closed \| ended$/,
    here: /closed \| ended$/,
    why: 'who renews his login by another mechanism is cut off at the handshake, not one message later',
  },
  {
    what: /announced|HTTP request/,
    kafka: /^closed/,
    here: /^closed/,
    why: 'what is no message of a login ends at once, since nothing is guessed with it',
  },
  {
    what: /^TLS: a stranger's certificate/,
    kafka: /^TLSv1.3, refused/,
    here: /^TLSv1.3, closed/,
    why: 'Node ends a connection whose certificate it refuses without an alert',
  },
];

const recorded = (): Probe[] =>
  readFileSync(join(root, 'packages/broker/src/security/login/fixtures/logins-3.9.1.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      // The fixture's form, which its own test reads too.
      const { what, steps } = JSON.parse(line) as {
        readonly what: string;
        readonly steps: readonly { readonly send: string }[];
      };
      return {
        what,
        listener: 'CLIENT',
        async run(client) {
          for (const { send } of steps) if (!client.isClosed) await client.replay(Buffer.from(send, 'hex'));
          await client.noteEnd();
        },
      };
    });

function scram(mechanism: ScramMechanism, what: string, user: string, password: string, changes?: ScramChanges): Probe {
  return {
    what: `${mechanism} ${what}`,
    listener: 'CLIENT',
    async run(client) {
      await client.scram(mechanism, user, password, changes);
      if (!client.isClosed) await client.metadata();
      await client.noteEnd();
    },
  };
}

const scrams = (): Probe[] =>
  MECHANISMS.flatMap((mechanism) => {
    const alice = 'alice-scram-pw';
    const changed = (what: string, changes: ScramChanges): Probe => scram(mechanism, what, 'alice', alice, changes);
    return [
      changed('right', {}),
      changed('right, handshake v0', { isBare: true }),
      scram(mechanism, 'wrong password', 'alice', 'nope'),
      scram(mechanism, 'wrong password, handshake v0', 'alice', 'nope', { isBare: true }),
      scram(mechanism, 'unknown user', 'nobody', 'nope'),
      scram(mechanism, 'user known to PLAIN only', 'bob', 'bob-pw'),
      changed('own part of the nonce, rest replaced', { nonce: (_, own) => `${own}zzzzzzzzzzzz` }),
      changed('own part of the nonce alone', { nonce: (_, own) => own }),
      changed('a nonce with one letter more', { nonce: (full) => `${full}x` }),
      scram(mechanism, 'user with comma and equals sign', 'o,p=q', 'comma-pw'),
      changed('authzid = user', { header: 'n,a=alice,' }),
      changed('authzid other than user', { header: 'n,a=admin,' }),
      changed('other channel binding in the last message', { binding: 'eSws' }),
      changed('gs2 flag y', { header: 'y,,' }),
      changed('gs2 flag p=', { header: 'p=tls-unique,,' }),
      changed('unknown extension', { extensions: ',x=y' }),
      {
        what: `${mechanism} delegation token`,
        listener: 'CLIENT',
        async run(client, { token }) {
          await client.scram(mechanism, token.id, token.hmac, { extensions: ',tokenauth=true' });
          const own = { ownerPrincipalType: '', ownerPrincipalName: '', renewers: [], maxLifetimeMs: -1 };
          const made = await client.ask(CreateDelegationToken, 3, own);
          const seen = await client.ask(DescribeDelegationToken, 3, { owners: null });
          const hmac = Buffer.from(token.hmac, 'base64');
          const ended = await client.ask(ExpireDelegationToken, 2, { hmac, expiryTimePeriodMs: -1 });
          client.note(`makes ${made?.errorCode}, sees ${seen?.errorCode}, ends ${ended?.errorCode}`);
        },
      },
      {
        what: `${mechanism} delegation token without tokenauth`,
        listener: 'CLIENT',
        run: (client, { token }) => client.scram(mechanism, token.id, token.hmac),
      },
      scram(mechanism, 'unknown delegation token', 'AAAAAAAAAAAAAAAAAAAAAA', 'AAAA', { extensions: ',tokenauth=true' }),
    ];
  });

/** A size field and what follows it. */
function sized(what: string, listener: ListenerName, size: number, body: Buffer): Probe {
  return {
    what,
    listener,
    async run(client) {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(size);
      await client.bytes(Buffer.concat([bytes, body]));
    },
  };
}

const frames = (): Probe[] => {
  const unknownApi = Buffer.from('03e70000000000010005617574687a', 'hex');
  return [
    sized('a frame of exactly 524288 announced', 'CLIENT', 524_288, Buffer.alloc(8)),
    sized('a frame of 524289 announced', 'CLIENT', 524_289, Buffer.alloc(8)),
    sized('a frame of 2^31-1 announced', 'CLIENT', 2 ** 31 - 1, Buffer.alloc(8)),
    sized('a frame of -1 announced', 'CLIENT', -1, Buffer.alloc(8)),
    sized('an empty frame', 'CLIENT', 0, Buffer.alloc(0)),
    sized('a frame of 110000000 announced where there is no login', 'OPEN', 110_000_000, Buffer.alloc(8)),
    sized('unknown API key 999 where there is no login', 'OPEN', unknownApi.length, unknownApi),
    {
      what: 'an HTTP request before the login',
      listener: 'CLIENT',
      async run(client) {
        await client.bytes(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
      },
    },
    {
      what: 'SaslHandshake v1 where there is no login',
      listener: 'OPEN',
      async run(client) {
        await client.ask(SaslHandshake, 1, { mechanism: 'PLAIN' });
        await client.metadata();
      },
    },
    {
      what: 'SaslAuthenticate v2 where there is no login',
      listener: 'OPEN',
      async run(client) {
        await client.ask(SaslAuthenticate, 2, { authBytes: Buffer.from('alice\0x') });
        await client.metadata();
      },
    },
    {
      what: 'CreateDelegationToken where there is no login',
      listener: 'OPEN',
      async run(client) {
        const own = { ownerPrincipalType: '', ownerPrincipalName: '', renewers: [], maxLifetimeMs: -1 };
        await client.ask(CreateDelegationToken, 3, own);
      },
    },
  ];
};

function renewal(what: string, again: (client: LoginClient, world: World) => Promise<void>): Probe {
  return {
    what: `a login that holds for ${SESSION_MS} ms: ${what}`,
    listener: 'AGAIN',
    async run(client, world) {
      await client.scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw');
      await again(client, world);
      await client.noteEnd();
    },
  };
}

const renewals = (): Probe[] => [
  renewal('again at once', async (client) => {
    await client.scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw');
    await client.metadata();
  }),
  renewal('again after half of it', async (client) => {
    await sleep(SESSION_MS / 2);
    await client.scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw');
    await sleep(SESSION_MS * 0.6);
    await client.metadata();
  }),
  renewal('a request after it', async (client) => {
    await sleep(SESSION_MS * 1.1);
    await client.metadata();
  }),
  renewal('nothing sent for long', () => sleep(SESSION_MS * 1.5)),
  renewal('again after it', async (client) => {
    await sleep(SESSION_MS * 1.1);
    await client.scram('SCRAM-SHA-256', 'alice', 'alice-scram-pw');
    await client.metadata();
  }),
  renewal('as another user', (client) => client.scram('SCRAM-SHA-256', 'o,p=q', 'comma-pw')),
  renewal('by another mechanism', (client) => client.plain('alice', PASSWORDS.alice)),
  renewal('with a wrong password', (client) => client.scram('SCRAM-SHA-256', 'alice', 'nope')),
  renewal('Metadata between the handshake and the token', async (client) => {
    await client.ask(SaslHandshake, 1, { mechanism: 'SCRAM-SHA-256' });
    await client.metadata();
  }),
  {
    what: 'a user who is deleted while he is logged in',
    listener: 'AGAIN',
    async run(client, { broker }) {
      await client.scram('SCRAM-SHA-512', 'mallet', 'mallet-pw');
      const admin = await RawClient.connect(broker.ports.OPEN);
      await admin.ask(AlterUserScramCredentials, 0, { deletions: [{ name: 'mallet', mechanism: 2 }], upsertions: [] });
      admin.close();
      // Kafka hears of it through its ensemble.
      await sleep(SESSION_MS / 3);
      await client.metadata();
      await client.scram('SCRAM-SHA-512', 'mallet', 'mallet-pw');
      await client.noteEnd();
    },
  },
];

/** One question over TLS, and what came of it. */
async function overTls(port: number, options: ConnectionOptions): Promise<string> {
  const question = Buffer.concat(encodeRequest(ApiVersions, 0, { correlationId: 1, clientId: 'compare' }, {}));
  return new Promise((resolve) => {
    let protocol = 'no handshake';
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
      protocol = String(socket.getProtocol());
      socket.write(question);
    });
    const end = (how: string): void => {
      resolve(`${protocol}, ${how}`);
      socket.destroy();
    };
    socket.on('data', () => end('answered'));
    // Alerts have names of their own in each library: that the handshake failed is what counts.
    socket.on('error', () => end('refused'));
    socket.on('close', () => end('closed'));
    socket.setTimeout(3000, () => end('silence'));
  });
}

function tls(what: string, listener: ListenerName, options: ConnectionOptions): Probe {
  return {
    what: `TLS: ${what}`,
    listener: 'OPEN',
    async run(client, { broker }) {
      client.note(await overTls(broker.ports[listener], options));
    },
  };
}

const tlsProbes = ({ certificates }: Pair): Probe[] => {
  const shown = (pair: { readonly key: string; readonly certificate: string }): ConnectionOptions => ({
    key: readFileSync(pair.key),
    cert: readFileSync(pair.certificate),
  });
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  return [
    tls('to SASL_PLAINTEXT', 'CLIENT', {}),
    tls('to PLAINTEXT', 'OPEN', {}),
    tls('no certificate', 'TLS', {}),
    tls("a certificate of the broker's authority", 'TLS', shown(certificates.alice)),
    tls("a stranger's certificate", 'TLS', shown(certificates.forged)),
    tls('1.2', 'TLS', { maxVersion: 'TLSv1.2' }),
    tls("1.2, a stranger's certificate", 'TLS', { ...shown(certificates.forged), maxVersion: 'TLSv1.2' }),
    tls('1.1 alone', 'TLS', old),
    {
      what: 'TLS: a question in plain text',
      listener: 'TLS',
      async run(client) {
        await client.ask(ApiVersions, 0, {});
        await client.noteEnd();
      },
    },
  ];
};

/** Users of SCRAM, as they were at the recorded broker, and a token of alice's. */
async function prepare(broker: Compared): Promise<World> {
  const admin = await RawClient.connect(broker.ports.OPEN);
  for (const mechanism of [1, 2] as const) {
    const upsertions = Object.entries(SCRAM_PASSWORDS).map(([name, password]) => ({
      name,
      mechanism,
      iterations: 4096,
      salt: SALT,
      saltedPassword: pbkdf2Sync(password, SALT, 4096, mechanism * 32, mechanism === 1 ? 'sha256' : 'sha512'),
    }));
    const { results } = await admin.ask(AlterUserScramCredentials, 0, { deletions: [], upsertions });
    const refused = results.find(({ errorCode }) => errorCode !== 0);
    if (refused !== undefined) throw new Error(`${broker.name} does not take a user: ${refused.errorMessage}`);
  }
  admin.close();
  const alice = await RawClient.connect(broker.ports.CLIENT);
  await alice.ask(SaslHandshake, 1, { mechanism: 'PLAIN' });
  await alice.ask(SaslAuthenticate, 2, { authBytes: Buffer.from(`\0alice\0${PASSWORDS.alice}`) });
  const own = { ownerPrincipalType: '', ownerPrincipalName: '', renewers: [], maxLifetimeMs: 600_000 };
  const { errorCode, tokenId, hmac } = await alice.ask(CreateDelegationToken, 3, own);
  if (errorCode !== 0) throw new Error(`${broker.name} makes no token: ${errorCode}`);
  alice.close();
  return { token: { id: tokenId, hmac: hmac.toString('base64') }, broker };
}

async function tried(probe: Probe, world: World): Promise<string[]> {
  const client = await LoginClient.connect(world.broker.ports[probe.listener]);
  try {
    await probe.run(client, world);
  } catch (error) {
    client.note(`failed: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    client.close();
  }
  return client.lines;
}

/** Prints what differs, and returns how many probes do. */
export async function compareLogins(pair: Pair): Promise<number> {
  const [kafka, here] = await Promise.all([prepare(pair.kafka), prepare(pair.here)]);
  const all = [...recorded(), ...scrams(), ...frames(), ...renewals(), ...tlsProbes(pair)];
  const used = new Set<Difference>();
  let differing = 0;
  const waiting = [...all];
  const work = async (): Promise<void> => {
    for (let probe = waiting.shift(); probe !== undefined; probe = waiting.shift()) {
      const [kafkaSays, hereSays] = await Promise.all([tried(probe, kafka), tried(probe, here)]);
      if (isAlike(probe.what, kafkaSays, hereSays, used)) continue;
      differing += 1;
      console.log(`  DIFFERS: ${probe.what}\n    Kafka: ${kafkaSays.join(' | ')}\n    here:  ${hereSays.join(' | ')}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  console.log(`logins: ${all.length} tried, ${differing} answered otherwise`);
  for (const each of DIFFERENCES) {
    console.log(used.has(each) ? `  on purpose: ${each.why}` : `  NO LONGER SO: ${each.why}`);
  }
  return differing + DIFFERENCES.filter((each) => !used.has(each)).length;
}

/** Never sooner than Kafka; later may be. */
function isAlike(what: string, kafka: readonly string[], here: readonly string[], used: Set<Difference>): boolean {
  const [theirs, ours] = [withoutTimes(kafka), withoutTimes(here)];
  const late = (lines: readonly string[]): number => lines.filter((line) => line === 'late').length;
  if (theirs === ours && late(here) >= late(kafka)) return true;
  const known = DIFFERENCES.find((each) => each.what.test(what) && each.kafka.test(theirs) && each.here.test(ours));
  if (known !== undefined) used.add(known);
  return known !== undefined;
}

function withoutTimes(lines: readonly string[]): string {
  return lines.filter((line) => line !== 'late').join(' | ');
}
