/** `pnpm faults frames`: mutated frames before a login and after it, over TLS and plain, beside a client that has nothing to do with it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Admin } from '@millrace/admin';
import type { ClientOptions } from '@millrace/client';
import { type Random, seededRandom } from '@millrace/ports';
import { encodeRequest, SaslAuthenticate, SaslHandshake } from '@millrace/protocol';
import { AUDIENCE, TokenProvider } from '../../compat/secured/token-provider.ts';
import { freePort } from '../../kafka/index.ts';
import { root } from '../../source/index.ts';
import { canMeasureProcesses, SpawnedBroker, usageOf } from '../spawned-broker.ts';
import type { FrameFloodOptions, Ports } from './flood-options.ts';
import { HonestClient, type HonestReport } from './honest-client.ts';
import { HOST, heard, openSocket } from './hostile-socket.ts';
import { LoginFlood, MECHANISMS } from './login-flood.ts';
import { mutated } from './mutations.ts';

const MIB = 1024 * 1024;
/** Connections that are hostile at once. */
const PARALLEL = 100;
const OAUTH = 'org.apache.kafka.common.security.oauthbearer';
const FRAMES_BEFORE_LOGIN = 8;
const FRAMES_AFTER_LOGIN = 200;
/** Over and above a broker that has seen a part of it. */
const GROWTH_BYTES_MAX = 128 * MIB;

/**
 * How many times longer the honest client's p99 may be than that of another at a broker of its own at the same time. What the attackers'
 * process and all else on the machine take meets both alike; the flood is met by one. For a machine that has nothing else to do.
 */
export const P99_RATIO_MAX = 3;
/** On a machine that does much else, such as CI, and in a run of seconds, a single stall that only one of the two meets is a multiple of the other's. */
export const P99_RATIO_MAX_BUSY = 20;
/** Whoever waited for less than this is taken to have waited so long: on an idle machine a few milliseconds would be a multiple. */
const P99_MS_MIN = 25;

/** What a flood has done. */
export interface FrameFloodReport {
  /** Sent, or with `isBeforeLogin` answered or closed upon. */
  readonly frames: number;
  /** What those were, by kind: with `isBeforeLogin` alone. */
  readonly kinds: Readonly<Record<string, number>>;
  /** With `isBeforeLogin`: messages that were right, before any that was not, and were refused. */
  readonly misunderstood: number;
  readonly connections: number;
  readonly seconds: number;
  readonly isAlive: boolean;
  readonly exitCode: number | null;
  /** RSS after each tenth of the frames, in MiB; empty where nobody can tell. */
  readonly rssMib: readonly number[];
  /** How much more it was at the end than after half of it. */
  readonly growthBytes: number;
  readonly isFlat: boolean;
  /** Before the flood. */
  readonly quiet: HonestReport;
  readonly flooded: HonestReport;
  /** Of another honest client while the flood lasts, at another broker that it does not meet. */
  readonly spared: HonestReport;
}

/** How many times longer the honest client's slowest hundredth took at the broker that is flooded than at the one that is not. */
export function p99Ratio({ spared, flooded }: Pick<FrameFloodReport, 'spared' | 'flooded'>): number {
  return flooded.p99Ms / Math.max(spared.p99Ms, P99_MS_MIN);
}

/** What was not as it must be; none where all was. The ratio is the largest that {@link p99Ratio} may be. */
export function faultsOf(report: FrameFloodReport, ratioMax: number = P99_RATIO_MAX): string[] {
  const { isAlive, exitCode, isFlat, growthBytes, flooded, misunderstood } = report;
  const ratio = p99Ratio(report);
  return [
    ...(isAlive ? [] : ['the broker died']),
    ...(exitCode === 0 ? [] : [`the broker ended with ${exitCode}`]),
    ...(isFlat ? [] : [`its memory grew by ${Math.round(growthBytes / MIB)} MiB in the second half`]),
    ...(flooded.failed.length === 0 ? [] : [`the honest client failed ${flooded.failed.length} times`]),
    ...(flooded.answers > 0 ? [] : ['the honest client had no answer']),
    ...(misunderstood === 0 ? [] : [`${misunderstood} messages that were right were refused`]),
    ...(ratio <= ratioMax
      ? []
      : [`the honest client's p99 was ${ratio.toFixed(1)} times that at a broker without a flood`]),
  ];
}

/** A secured broker with an honest client. */
interface Side {
  readonly broker: SpawnedBroker;
  readonly ports: Ports;
  readonly honest: HonestClient;
}

/** Sends so many hostile frames to a secured broker of its own, beside one that gets none. */
export async function floodFrames(options: FrameFloodOptions): Promise<FrameFloodReport> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-frames-'));
  const provider = await TokenProvider.start({ mallory: 'mallory-pw' });
  await using started = new AsyncDisposableStack();
  started.defer(async () => {
    await provider.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const met = await openSide(join(folder, 'flooded'), provider, started);
  const other = await openSide(join(folder, 'spared'), provider, started);
  await new Promise((resolve) => setTimeout(resolve, options.quietMs));
  const quiet = await met.honest.report();
  await other.honest.report();
  const flood = options.isBeforeLogin
    ? new LoginFlood(options, met.ports, met.broker, provider.token('mallory'))
    : new Flood(options, met.ports, met.broker);
  const beganMs = performance.now();
  await flood.run();
  const seconds = (performance.now() - beganMs) / 1000;
  const [flooded, spared] = await Promise.all([met.honest.report(), other.honest.report()]);
  const isAlive = met.broker.isRunning;
  const { frames, kinds, misunderstood, connections, rssMib } = flood;
  const growthBytes = ((rssMib.at(-1) ?? 0) - (rssMib[Math.floor(rssMib.length / 2) - 1] ?? 0)) * MIB;
  const { code: exitCode } = await met.broker.stop();
  return {
    ...{ frames, kinds, misunderstood, connections, seconds, isAlive, exitCode },
    ...{ rssMib, growthBytes, isFlat: growthBytes <= GROWTH_BYTES_MAX },
    ...{ quiet, flooded, spared },
  };
}

async function openSide(folder: string, provider: TokenProvider, started: AsyncDisposableStack): Promise<Side> {
  mkdirSync(folder);
  const ports = { plain: await freePort(), tls: await freePort(), sasl: await freePort(), saslTls: await freePort() };
  const broker = await startSecured(folder, ports, provider);
  started.defer(async () => {
    if (broker.isRunning) await broker.kill();
  });
  await prepare(ports);
  const honest = started.use(await HonestClient.open({ port: ports.saslTls, certificate: pem('localhost.cert.pem') }));
  return { broker, ports, honest };
}

const pem = (name: string): string => readFileSync(join(root, 'packages/network/fixtures', name), 'utf8');

function startSecured(
  folder: string,
  { plain, tls, sasl, saslTls }: Ports,
  provider: TokenProvider,
): Promise<SpawnedBroker> {
  const keystore = join(folder, 'keystore.pem');
  writeFileSync(keystore, `${pem('localhost.key.pem')}\n${pem('localhost.cert.pem')}`, { mode: 0o600 });
  const jaas =
    'org.apache.kafka.common.security.plain.PlainLoginModule required user_honest="honest-pw" user_mallory="mallory-pw";';
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const perListener = ['sasl_plaintext', 'sasl_ssl'].flatMap((name) => [
    [`listener.name.${name}.plain.sasl.jaas.config`, jaas],
    [`listener.name.${name}.scram-sha-256.sasl.jaas.config`, scram],
    [`listener.name.${name}.scram-sha-512.sasl.jaas.config`, scram],
    [`listener.name.${name}.oauthbearer.sasl.jaas.config`, `${OAUTH}.OAuthBearerLoginModule required;`],
    [
      `listener.name.${name}.oauthbearer.sasl.server.callback.handler.class`,
      `${OAUTH}.OAuthBearerValidatorCallbackHandler`,
    ],
  ]);
  const settings = {
    listeners: `PLAINTEXT://${HOST}:${plain},SSL://${HOST}:${tls},SASL_PLAINTEXT://${HOST}:${sasl},SASL_SSL://${HOST}:${saslTls}`,
    'sasl.enabled.mechanisms': MECHANISMS.join(','),
    'sasl.oauthbearer.jwks.endpoint.url': provider.keysUrl,
    'sasl.oauthbearer.expected.audience': AUDIENCE,
    'sasl.oauthbearer.expected.issuer': provider.issuer,
    'ssl.keystore.location': keystore,
    'authorizer.class.name': 'kafka.security.authorizer.AclAuthorizer',
    'super.users': 'User:honest',
    'delegation.token.secret.key': 'secret',
    ...Object.fromEntries(perListener),
  };
  return SpawnedBroker.start({ folder: join(folder, 'data'), settings });
}

/** What the honest client writes to, and rules by which the hostile one may do something and not everything. */
async function prepare({ saslTls }: Ports): Promise<void> {
  await using admin = new Admin(honestOptions(saslTls, pem('localhost.cert.pem')));
  await admin.createTopics([
    { topic: 'honest', partitions: 1, replicationFactor: 1 },
    { topic: 'm-topic', partitions: 2, replicationFactor: 1 },
  ]);
  const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
  await admin.setScramPasswords(scram.map((mechanism) => ({ user: 'mallory', mechanism, password: 'mallory-pw' })));
  const prefixed = {
    resourceName: 'm-',
    patternType: 'prefixed',
    operation: 'all',
    principal: 'User:mallory',
  } as const;
  await admin.createAcls(
    (['topic', 'group', 'transactional-id'] as const).map((resourceType) => ({ resourceType, ...prefixed })),
  );
}

function honestOptions(port: number, certificate: string): ClientOptions {
  return {
    bootstrapServers: `localhost:${port}`,
    tls: { ca: certificate },
    sasl: { mechanism: 'PLAIN', username: 'honest', password: 'honest-pw' },
  };
}

class Flood {
  frames = 0;
  connections = 0;
  readonly kinds: Readonly<Record<string, number>> = {};
  readonly misunderstood = 0;
  readonly rssMib: number[] = [];
  readonly #options: FrameFloodOptions;
  readonly #ports: Ports;
  readonly #broker: SpawnedBroker;
  readonly #random: Random;
  readonly #logins = loginFrames();
  readonly #requests = capturedRequests();

  constructor(options: FrameFloodOptions, ports: Ports, broker: SpawnedBroker) {
    this.#options = options;
    this.#ports = ports;
    this.#broker = broker;
    this.#random = seededRandom(options.seed);
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: PARALLEL }, () => this.#attack()));
    this.#look(true);
  }

  async #attack(): Promise<void> {
    while (this.frames < this.#options.frames && this.#broker.isRunning) {
      try {
        await this.#connection();
      } catch {
        // Refused or closed while it connected: the next one tries again.
      }
      this.#look(false);
    }
  }

  /** Notes the memory after each tenth. */
  #look(isEnd: boolean): void {
    const { frames, print } = this.#options;
    const tenth = Math.floor((this.frames * 10) / frames);
    if (!canMeasureProcesses || !this.#broker.isRunning || (!isEnd && tenth <= this.rssMib.length)) return;
    const rss = Math.round(usageOf(this.#broker.pid).rssBytes / MIB);
    this.rssMib.push(rss);
    print(`${this.frames} frames on ${this.connections} connections, RSS ${rss} MiB`);
  }

  async #connection(): Promise<void> {
    const kind = (['plain', 'tls', 'sasl', 'saslTls', 'saslTls', 'sasl'] as const)[this.#random.nextInt(6)] ?? 'sasl';
    const needsLogin = kind.startsWith('sasl');
    const logsIn = needsLogin && this.#random.nextInt(2) === 0;
    const isSpeakingTls = kind.toLowerCase().endsWith('tls') && this.#random.nextInt(20) > 0;
    const socket = await openSocket(this.#ports[kind], isSpeakingTls);
    this.connections += 1;
    if (logsIn) await logIn(socket);
    const isKnown = logsIn || !needsLogin;
    this.#write(socket, isKnown ? this.#requests : this.#logins, isKnown ? FRAMES_AFTER_LOGIN : FRAMES_BEFORE_LOGIN);
    await heard(socket, 'close');
    socket.destroy();
  }

  #write(socket: Socket, corpus: readonly Buffer[], count: number): void {
    const wanted = 1 + this.#random.nextInt(count);
    const chunks: Buffer[] = [];
    for (let sent = 0; sent < wanted; sent += 1) chunks.push(mutated(corpus, this.#random));
    this.frames += wanted;
    socket.write(Buffer.concat(chunks));
  }
}

/** Logs in as it should be, so that what comes then is taken for requests. */
async function logIn(socket: Socket): Promise<void> {
  const header = { correlationId: 1, clientId: 'hostile' };
  socket.write(Buffer.concat(encodeRequest(SaslHandshake, 1, header, { mechanism: 'PLAIN' })));
  await heard(socket, 'data');
  const authBytes = Buffer.from('\0mallory\0mallory-pw');
  socket.write(Buffer.concat(encodeRequest(SaslAuthenticate, 2, header, { authBytes })));
  await heard(socket, 'data');
}

/** What clients have sent in logins that were recorded. */
function loginFrames(): Buffer[] {
  const file = join(root, 'packages/broker/src/security/login/fixtures/logins-3.9.1.jsonl');
  return lines(file).flatMap((line) => {
    // The fixture's form, which its own test reads too.
    const { steps } = JSON.parse(line) as { readonly steps: readonly { readonly send: string }[] };
    return steps.map(({ send }) => Buffer.from(send, 'hex'));
  });
}

/** What five clients have sent. */
function capturedRequests(): Buffer[] {
  const names = ['java-3.9', 'java-4.1', 'kafkajs', 'kcat', 'platformatic'];
  return names.flatMap((name) =>
    lines(join(root, `packages/protocol/fixtures/captures/${name}.jsonl`)).flatMap((line) => {
      const { direction, base64 } = JSON.parse(line) as { readonly direction: string; readonly base64: string };
      return direction === 'request' ? [Buffer.from(base64, 'base64')] : [];
    }),
  );
}

function lines(file: string): string[] {
  return readFileSync(file, 'utf8').trim().split('\n');
}
