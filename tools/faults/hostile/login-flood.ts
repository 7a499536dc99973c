/**
 * Mutated frames of logins alone, each at its place: what comes before it is right, so that it is met by the state it is for. And the first
 * bytes of TLS. What counts is what the broker has answered, or has closed the connection upon.
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls';
import { type Random, seededRandom } from '@millrace/ports';
import { ApiVersions, decodeResponseFrame, encodeRequest, SaslAuthenticate, SaslHandshake } from '@millrace/protocol';
import { canMeasureProcesses, type SpawnedBroker, usageOf } from '../spawned-broker.ts';
import type { FrameFloodOptions, Ports } from './flood-options.ts';
import { HOST, openSocket } from './hostile-socket.ts';
import { mutated, mutatedBytes } from './mutations.ts';

export const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const;
type Mechanism = (typeof MECHANISMS)[number];

const MIB = 1024 * 1024;
/** Connections that are hostile at once. */
const PARALLEL = 100;
/** A failed login is answered after 100 ms, and later where the machine is busy; a frame that lacks its end is not. */
const PATIENCE_MS = 3_000;
/** Many a changed ClientHello lacks its end. */
const HELLO_PATIENCE_MS = 300;
/** One in so many connections tries what is before a login: TLS. */
const TLS_EVERY = 6;
const USER = 'mallory';
const PASSWORD = 'mallory-pw';
const HEADER = { correlationId: 1, clientId: 'hostile' };

/** `gone`: it was closed before anything was sent. */
type Heard = Buffer | 'closed' | 'silent' | 'gone';

/** What of a login is changed, and what it is. */
interface Turn {
  readonly kind: string;
  readonly bytes: Buffer;
}

export class LoginFlood {
  frames = 0;
  connections = 0;
  /** Frames that the broker goes on waiting for the rest of. */
  waitedFor = 0;
  /** Messages that were as they should be, in front of any that was not, and were refused. */
  misunderstood = 0;
  readonly rssMib: number[] = [];
  readonly kinds: Record<string, number> = {};
  readonly #options: FrameFloodOptions;
  readonly #ports: Ports;
  readonly #broker: SpawnedBroker;
  readonly #random: Random;
  readonly #token: string;
  #hellos: readonly Buffer[] = [];
  #logins = 0;

  /** @param token - One for OAUTHBEARER that the broker takes */
  constructor(options: FrameFloodOptions, ports: Ports, broker: SpawnedBroker, token: string) {
    this.#options = options;
    this.#ports = ports;
    this.#broker = broker;
    this.#random = seededRandom(options.seed);
    this.#token = token;
  }

  async run(): Promise<void> {
    this.#hellos = await clientHellos();
    await Promise.all(Array.from({ length: PARALLEL }, () => this.#attack()));
    this.#look(true);
  }

  async #attack(): Promise<void> {
    while (this.frames < this.#options.frames && this.#broker.isRunning) {
      try {
        if (this.#random.nextInt(TLS_EVERY) === 0) await this.#shakeHands();
        else await this.#logIn();
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
    print(`${this.frames} frames read on ${this.connections} connections, RSS ${rss} MiB`);
  }

  /** A ClientHello that is none any more. */
  async #shakeHands(): Promise<void> {
    const port = this.#random.nextInt(2) === 0 ? this.#ports.tls : this.#ports.saslTls;
    const hello = mutatedBytes(this.#hellos, this.#random);
    // A record whose length is right is looked into; any other one is refused for that.
    if (hello.length > TLS_RECORD_BYTES && this.#random.nextInt(4) > 0) {
      hello.writeUInt16BE((hello.length - TLS_RECORD_BYTES) & 0xffff, 3);
    }
    await using peer = await this.#open(port, false);
    await this.#send(peer, { kind: 'ClientHello', bytes: hello }, true, HELLO_PATIENCE_MS);
  }

  async #logIn(): Promise<void> {
    const isTls = this.#random.nextInt(3) === 0;
    await using peer = await this.#open(isTls ? this.#ports.saslTls : this.#ports.sasl, isTls);
    // In turns, so that a short run has met all of them.
    const turn = this.#logins++;
    const mechanism = MECHANISMS[turn % MECHANISMS.length] ?? 'PLAIN';
    const login = new HonestLogin(mechanism, Math.floor(turn / 4) % 2, this.#random, this.#token);
    const fromTheEnd = [1, 2, 1 + this.#random.nextInt(login.length), 0][Math.floor(turn / 8) % 4] ?? 0;
    const wrongAt = login.length - fromTheEnd;
    for (let at = 0; at < login.length; at += 1) {
      const turn = login.next(peer.last);
      if (turn === undefined) return;
      const isWrong = at === wrongAt;
      const heard = await this.#send(peer, isWrong ? this.#changed(turn, login) : turn, isWrong);
      if (at < wrongAt && (heard === 'closed' || (Buffer.isBuffer(heard) && login.isRefusal(heard)))) {
        this.misunderstood += 1;
      }
      if (!Buffer.isBuffer(heard)) return;
    }
  }

  /** Within its frame as often as the frame itself: what is deep in it is met only where the rest is right. */
  #changed({ kind, bytes }: Turn, login: HonestLogin): Turn {
    const within = login.rewrapped(kind, (token) => mutatedBytes([token], this.#random));
    const isWithin = within !== undefined && this.#random.nextInt(2) === 0;
    return { kind, bytes: isWithin ? within : mutated([bytes.subarray(4)], this.#random) };
  }

  async #open(port: number, isTls: boolean): Promise<Peer> {
    const socket = await openSocket(port, isTls, PATIENCE_MS);
    this.connections += 1;
    return new Peer(socket);
  }

  async #send(peer: Peer, { kind, bytes }: Turn, counts: boolean, patienceMs = PATIENCE_MS): Promise<Heard> {
    const heard = await peer.say(bytes, patienceMs);
    if (!counts) return heard;
    if (heard === 'silent') this.waitedFor += 1;
    if (heard === 'silent' || heard === 'gone') return heard;
    this.frames += 1;
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    return heard;
  }
}

const TLS_RECORD_BYTES = 5;

/** The other end of a hostile connection. */
class Peer implements AsyncDisposable {
  /** What came last. */
  last: Buffer | undefined;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends bytes, and waits for an answer or the end; the broker answers one thing at a time. */
  async say(bytes: Buffer, patienceMs: number): Promise<Heard> {
    const socket = this.#socket;
    if (socket.destroyed) return 'gone';
    const { promise, resolve } = Promise.withResolvers<Heard>();
    const late = setTimeout(() => resolve('silent'), patienceMs);
    const onData = (chunk: Buffer): void => resolve(chunk);
    const onClose = (): void => resolve('closed');
    socket.once('data', onData).once('close', onClose);
    socket.write(bytes);
    const heard = await promise;
    clearTimeout(late);
    socket.off('data', onData).off('close', onClose);
    this.last = Buffer.isBuffer(heard) ? heard : undefined;
    return heard;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}

/** A login as it should be, message by message. */
class HonestLogin {
  readonly #mechanism: Mechanism;
  readonly #handshakeVersion: number;
  readonly #authenticateVersion: number;
  readonly #versionsVersion: number;
  readonly #kinds: readonly string[];
  readonly #token: string;
  readonly #nonce: string;
  #at = 0;
  #message: Buffer = Buffer.alloc(0);

  constructor(mechanism: Mechanism, handshakeVersion: number, random: Random, token: string) {
    this.#mechanism = mechanism;
    this.#handshakeVersion = handshakeVersion;
    this.#authenticateVersion = random.nextInt(3);
    this.#versionsVersion = random.nextInt(5);
    this.#token = token;
    this.#nonce = Buffer.from(random.bytes(12)).toString('hex');
    const asksVersions = random.nextInt(2) === 0 ? ['ApiVersions'] : [];
    const tokens = mechanism.startsWith('SCRAM')
      ? [`${mechanism} first`, `${mechanism} final`]
      : [`${mechanism} token`];
    this.#kinds = [...asksVersions, 'SaslHandshake', ...tokens];
  }

  get length(): number {
    return this.#kinds.length;
  }

  /** @param heard - What the broker has answered to the message before */
  next(heard: Buffer | undefined): Turn | undefined {
    const kind = this.#kinds[this.#at];
    if (kind === undefined) return undefined;
    this.#at += 1;
    if (kind === 'ApiVersions') {
      const body = { clientSoftwareName: 'hostile', clientSoftwareVersion: '1' };
      return { kind, bytes: Buffer.concat(encodeRequest(ApiVersions, this.#versionsVersion, HEADER, body)) };
    }
    if (kind === 'SaslHandshake') {
      const body = { mechanism: this.#mechanism };
      return { kind, bytes: Buffer.concat(encodeRequest(SaslHandshake, this.#handshakeVersion, HEADER, body)) };
    }
    this.#message = this.#messageOf(kind, heard);
    return { kind: this.#named(kind), bytes: this.#wrapped(this.#message) };
  }

  /** The message that was given last with another content; undefined where it is no token. */
  rewrapped(kind: string, change: (token: Buffer) => Buffer): Buffer | undefined {
    return kind.includes(' ') ? this.#wrapped(change(this.#message)) : undefined;
  }

  /** Whether an answer to the message that was given last is none that lets one go on. */
  isRefusal(heard: Buffer): boolean {
    const kind = this.#kinds[this.#at - 1] ?? '';
    const isToken = kind.includes(' ');
    // The challenge stands as it is, and a refusal has none.
    if (isToken && this.#handshakeVersion === 0) return false;
    const [api, version]: readonly [typeof ApiVersions | typeof SaslHandshake | typeof SaslAuthenticate, number] =
      isToken
        ? [SaslAuthenticate, this.#authenticateVersion]
        : kind === 'ApiVersions'
          ? [ApiVersions, this.#versionsVersion]
          : [SaslHandshake, this.#handshakeVersion];
    // Each answers with an error in the same place.
    const { body } = decodeResponseFrame(api as typeof SaslHandshake, version, heard.subarray(4));
    return body.errorCode !== 0;
  }

  #named(kind: string): string {
    return this.#handshakeVersion === 0 ? `${kind}, bare` : kind;
  }

  #wrapped(authBytes: Buffer): Buffer {
    if (this.#handshakeVersion > 0) {
      return Buffer.concat(encodeRequest(SaslAuthenticate, this.#authenticateVersion, HEADER, { authBytes }));
    }
    const size = Buffer.alloc(4);
    size.writeInt32BE(authBytes.length);
    return Buffer.concat([size, authBytes]);
  }

  #messageOf(kind: string, heard: Buffer | undefined): Buffer {
    if (kind === 'PLAIN token') return Buffer.from(`\0${USER}\0${PASSWORD}`);
    if (kind === 'OAUTHBEARER token') return Buffer.from(`n,,\u0001auth=Bearer ${this.#token}\u0001\u0001`);
    const bare = `n=${USER},r=${this.#nonce}`;
    return Buffer.from(kind.endsWith('first') ? `n,,${bare}` : this.#scramFinal(bare, this.#challenge(heard)));
  }

  #challenge(heard: Buffer = Buffer.alloc(0)): string {
    if (this.#handshakeVersion === 0) return heard.subarray(4).toString();
    try {
      const { authBytes } = decodeResponseFrame(SaslAuthenticate, this.#authenticateVersion, heard.subarray(4)).body;
      return authBytes.toString();
    } catch {
      // The message before was the wrong one.
      return '';
    }
  }

  #scramFinal(bare: string, serverFirst: string): string {
    const [, nonce = '', salt = '', iterations = '1'] = /^r=(.*),s=(.*),i=(\d+)$/.exec(serverFirst) ?? [];
    const [hash, bytes] = this.#mechanism === 'SCRAM-SHA-256' ? (['sha256', 32] as const) : (['sha512', 64] as const);
    const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest();
    const salted = saltedOnce(salt, Number(iterations), bytes, hash);
    const withoutProof = `c=biws,r=${nonce}`;
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(createHash(hash).update(clientKey).digest(), `${bare},${serverFirst},${withoutProof}`);
    const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (signature[index] ?? 0)));
    return `${withoutProof},p=${proof.toString('base64')}`;
  }
}

const salts = new Map<string, Buffer>();
const SALTS_MAX = 100;

/** What a password comes to is worked out once: it is the broker that is to have work. */
function saltedOnce(salt: string, iterations: number, bytes: number, hash: string): Buffer {
  const name = `${hash} ${iterations} ${salt}`;
  let salted = salts.get(name);
  if (salted === undefined) {
    salted = pbkdf2Sync(PASSWORD, Buffer.from(salt, 'base64'), iterations, bytes, hash);
    if (salts.size < SALTS_MAX) salts.set(name, salted);
  }
  return salted;
}

/** What clients of TLS say first, as this Node's say it. */
async function clientHellos(): Promise<Buffer[]> {
  const ways: readonly TlsOptions[] = [
    {},
    { servername: 'localhost' },
    { maxVersion: 'TLSv1.2', servername: 'localhost' },
    { minVersion: 'TLSv1.3', ALPNProtocols: ['h2', 'http/1.1'] },
  ];
  const hellos: Buffer[] = [];
  for (const way of ways) hellos.push(await helloOf(way));
  return hellos;
}

async function helloOf(way: TlsOptions): Promise<Buffer> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const connected = once(server, 'connection');
  // A server that listens on a port has an address with one.
  const socket = connectTls({ ...way, host: HOST, port: (server.address() as AddressInfo).port });
  socket.on('error', () => undefined);
  const [peer] = (await connected) as [Socket];
  const [hello] = (await once(peer, 'data')) as [Buffer];
  socket.destroy();
  peer.destroy();
  server.close();
  return hello;
}
