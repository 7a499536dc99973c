import { MemoryMetadataStore } from '@millrace/metadata';
import { ManualClock, nextTurn, seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameCutter, JuteReader, NO_ID } from '../jute.ts';
import {
  decodeConnectResponse,
  ErrorNumber,
  encodeConnectRequest,
  encodeRequest,
  OPEN_ACL,
  type RequestBody,
  takeReplyHeader,
} from '../protocol.ts';
import type { ServerConnection } from './connection.ts';
import { ZooKeeperServer, type ZooKeeperServerOptions } from './server.ts';

const EMPTY = Buffer.alloc(0);
const TIMEOUT_MS = 1000;

/** A clock on which the process can stand still: time passes and no timer fires. */
class StallingClock extends ManualClock {
  stalledMs = 0;

  override monotonic(): number {
    return super.monotonic() + this.stalledMs;
  }
}

class Client {
  readonly frames: Buffer[] = [];
  readonly connection: ServerConnection;
  isClosed = false;
  isPaused = false;
  unsentBytes = 0;
  readonly #cutter = new FrameCutter(64 * 1024 * 1024);

  constructor(server: ZooKeeperServer) {
    this.connection = server.accept({
      write: (frame) => this.#cutter.push(Buffer.from(frame)),
      pause: () => {
        this.isPaused = true;
      },
      resume: () => {
        this.isPaused = false;
      },
      destroy: () => {
        this.isClosed = true;
      },
      unsentBytes: 0,
    });
  }

  async say(frame: Buffer): Promise<void> {
    this.connection.received(frame);
    for (let turn = 0; turn < 4; turn += 1) await nextTurn();
    for (let each = this.#cutter.next(); each !== undefined; each = this.#cutter.next()) this.frames.push(each);
  }

  async greet(
    sessionId = NO_ID,
    password: Buffer = Buffer.alloc(16),
  ): Promise<ReturnType<typeof decodeConnectResponse>> {
    await this.say(encodeConnectRequest({ lastZxidSeen: 0, timeoutMs: TIMEOUT_MS, sessionId, password }));
    return decodeConnectResponse(this.frames.shift() as Buffer);
  }

  async ask(body: RequestBody): Promise<number> {
    await this.say(encodeRequest(1, body));
    return takeReplyHeader(new JuteReader(this.frames.shift() as Buffer)).error;
  }
}

interface Scene {
  readonly clock: StallingClock;
  readonly tree: MemoryMetadataStore;
  readonly server: ZooKeeperServer;
  readonly events: string[];
}

function scene(options: Partial<ZooKeeperServerOptions> = {}): Scene {
  const clock = new StallingClock();
  const tree = new MemoryMetadataStore({ clock });
  const events: string[] = [];
  const onSession = (_: string, event: string): void => void events.push(event);
  const server = new ZooKeeperServer({ store: tree, clock, random: seededRandom(1), onSession, ...options });
  return { clock, tree, server, events };
}

const ephemeral = (path: string): RequestBody => ({
  type: 'create',
  path,
  data: EMPTY,
  acl: OPEN_ACL,
  ephemeral: true,
  sequential: false,
});

describe('a session at a server', () => {
  it('ends when nothing comes from it for its time, and its nodes with it', async () => {
    const { clock, tree, server, events } = scene();
    const client = new Client(server);
    await client.greet();
    await client.ask(ephemeral('/e'));
    clock.advance(TIMEOUT_MS);
    await client.ask({ type: 'ping' });
    clock.advance(TIMEOUT_MS);
    await nextTurn();
    expect([events, (await tree.exists('/e')) !== undefined]).toEqual([['opened'], true]);
    clock.advance(300);
    await nextTurn();
    expect([events, await tree.exists('/e'), client.isClosed]).toEqual([['opened', 'expired'], undefined, true]);
  });

  it('is not charged for time in which the server itself stood still', async () => {
    const { clock, server, events } = scene();
    const client = new Client(server);
    await client.greet();
    clock.advance(TIMEOUT_MS / 2);
    clock.stalledMs += 60_000;
    clock.advance(100);
    await nextTurn();
    expect(events).toEqual(['opened']);
    clock.advance(TIMEOUT_MS);
    await nextTurn();
    expect(events).toEqual(['opened', 'expired']);
  });

  it('outlives its connection, and goes on over the next for whoever knows its password', async () => {
    const { server, tree } = scene();
    const first = new Client(server);
    const { sessionId, password } = await first.greet();
    await first.ask(ephemeral('/e'));
    first.connection.closed();
    expect((await new Client(server).greet(sessionId, Buffer.alloc(16, 7))).timeoutMs).toBe(0);
    const next = new Client(server);
    expect(await next.greet(sessionId, password)).toMatchObject({ sessionId, timeoutMs: TIMEOUT_MS });
    expect(await next.ask({ type: 'delete', path: '/e', version: 0 })).toBe(ErrorNumber.OK);
    expect(await tree.exists('/e')).toBeUndefined();
  });

  it('ends though the store fails, which is told to whoever keeps the store', async () => {
    const { clock, server, tree, events } = scene({ sessionEndsWithSocket: true });
    const open = tree.openSession.bind(tree);
    tree.openSession = () => {
      const store = open();
      store.close = () => Promise.reject(new Error('the disk has failed'));
      return store;
    };
    const lost = new Client(server);
    await lost.greet();
    lost.connection.closed();
    const silent = new Client(server);
    await silent.greet();
    clock.advance(TIMEOUT_MS + 300);
    await nextTurn();
    expect([events, server.sessionCount, silent.isClosed]).toEqual([['opened', 'opened'], 0, true]);
  });

  it('ends with its socket where it is said to', async () => {
    const { server, tree, events } = scene({ sessionEndsWithSocket: true });
    const client = new Client(server);
    await client.greet();
    await client.ask(ephemeral('/e'));
    client.connection.closed();
    await nextTurn();
    expect([events, await tree.exists('/e')]).toEqual([['opened', 'lost'], undefined]);
  });

  it('is not ended by a socket that another has replaced, though the server reads of its end later', async () => {
    const { server, events } = scene({ sessionEndsWithSocket: true });
    const first = new Client(server);
    const { sessionId, password } = await first.greet();
    const next = new Client(server);
    expect((await next.greet(sessionId, password)).sessionId).toBe(sessionId);
    first.connection.closed();
    await nextTurn();
    expect([events, first.isClosed, next.isClosed]).toEqual([['opened'], true, false]);
  });

  it('may not be longer or shorter than the server allows', async () => {
    const { server } = scene({ sessionTimeoutMs: [2000, 3000] });
    expect((await new Client(server).greet()).timeoutMs).toBe(2000);
  });
});

describe('after the server has stood still, a session that ends with its socket', () => {
  interface Standing extends Scene {
    readonly client: Client;
    readonly comesBack: (client?: Client) => Promise<number>;
  }

  /** A client with a session and a node, at a server that has just not run for so long. */
  async function standing(stalledMs: number): Promise<Standing> {
    const all = scene({ sessionEndsWithSocket: true });
    const client = new Client(all.server);
    const { sessionId, password } = await client.greet();
    await client.ask(ephemeral('/e'));
    all.clock.stalledMs += stalledMs;
    const comesBack = async (next = new Client(all.server)): Promise<number> =>
      (await next.greet(sessionId, password)).timeoutMs;
    return { ...all, client, comesBack };
  }

  it.each([
    ['less than its timeout', 700],
    ['longer', 60_000],
  ])('goes on over the next one where the client hung up meanwhile, which was %s', async (_, stalledMs) => {
    const { client, clock, comesBack, events, tree } = await standing(stalledMs);
    client.connection.closed();
    expect(await comesBack()).toBe(TIMEOUT_MS);
    clock.advance(TIMEOUT_MS);
    await nextTurn();
    expect([events, (await tree.exists('/e')) !== undefined]).toEqual([['opened'], true]);
  });

  it.each([
    ['before the end of the first', ['greets', 'gave up', 'hung up', 'comes back']],
    ['behind it', ['hung up', 'greets', 'gave up', 'comes back']],
    ['and the last attempt before it', ['greets', 'comes back', 'gave up', 'hung up']],
  ])('goes on though attempts that the client has given up are read %s', async (_, order) => {
    const { client, server, clock, comesBack, events } = await standing(60_000);
    const attempt = new Client(server);
    const steps: Record<string, () => unknown> = {
      'hung up': () => client.connection.closed(),
      greets: () => comesBack(attempt),
      'gave up': () => attempt.connection.closed(),
      'comes back': async () => expect(await comesBack()).toBe(TIMEOUT_MS),
    };
    for (const step of order) await steps[step]?.();
    clock.advance(TIMEOUT_MS);
    await nextTurn();
    expect(events).toEqual(['opened']);
  });

  it('ends at once where somebody knows that its client is gone, by the name that the store has for it', async () => {
    const { client, server, events, tree } = await standing(60_000);
    const other = new Client(server);
    await other.greet();
    client.connection.closed();
    await nextTurn();
    expect(events).toEqual(['opened', 'opened']);
    await server.expireOwner((await tree.exists('/e'))?.ephemeralOwner ?? '');
    await server.expireOwner('nobody');
    expect([events, await tree.exists('/e')]).toEqual([['opened', 'opened', 'expired'], undefined]);
  });

  it('ends within its timeout where the client is gone, whatever of it was still read', async () => {
    const { client, clock, events, tree } = await standing(60_000);
    await client.ask({ type: 'ping' });
    client.connection.closed();
    clock.advance(TIMEOUT_MS);
    await nextTurn();
    expect(events).toEqual(['opened']);
    clock.advance(200);
    await nextTurn();
    expect([events, await tree.exists('/e')]).toEqual([['opened', 'expired'], undefined]);
  });

  it.each([
    ['that was too short for a client to lose its patience', 400, 0],
    ['that is over', 60_000, 1100],
  ])('ends at once after a standstill %s', async (_, stalledMs, laterMs) => {
    const { client, clock, events } = await standing(stalledMs);
    clock.advance(laterMs / 2);
    await client.ask({ type: 'ping' });
    clock.advance(laterMs / 2);
    client.connection.closed();
    await nextTurn();
    expect(events).toEqual(['opened', 'lost']);
  });
});

describe('a client that means no good', () => {
  it.each([
    ['says noise', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['announces two gigabytes', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
    ['announces less than nothing', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['greets with half a frame', Buffer.from([0, 0, 0, 3, 1, 2, 3])],
  ])('is cut off when it %s, and others are served', async (_, noise) => {
    const { server } = scene();
    const other = new Client(server);
    await other.greet();
    const client = new Client(server);
    await client.say(noise);
    expect(client.isClosed).toBe(true);
    expect(await other.ask({ type: 'exists', path: '/', watch: false })).toBe(ErrorNumber.OK);
  });

  it('brings nothing down, whatever it sends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 6 }),
        fc.boolean(),
        async (chunks, greets) => {
          const { server, tree } = scene();
          const client = new Client(server);
          if (greets) await client.greet();
          for (const chunk of chunks) {
            // As a frame of its own, so that it gets to what is inside.
            const frame = Buffer.alloc(4 + chunk.length);
            frame.writeInt32BE(chunk.length, 0);
            frame.set(chunk, 4);
            await client.say(frame);
          }
          expect((await tree.children('/')).length).toBeLessThanOrEqual(chunks.length);
          await server.close();
          expect(server.sessionCount).toBe(0);
        },
      ),
    );
  });

  it('is not read on while it takes no answers', async () => {
    const { server, tree } = scene();
    await tree.create('/big', Buffer.alloc(1_000_000));
    let isPaused = false;
    let unsentBytes = 0;
    const socket = {
      write: (frame: Buffer) => {
        unsentBytes += frame.length;
      },
      get unsentBytes() {
        return unsentBytes;
      },
      pause: () => {
        isPaused = true;
      },
      resume: () => {
        isPaused = false;
      },
      destroy: () => {},
    };
    const connection = server.accept(socket);
    connection.received(
      encodeConnectRequest({ lastZxidSeen: 0, timeoutMs: TIMEOUT_MS, sessionId: NO_ID, password: Buffer.alloc(16) }),
    );
    const reads = Array.from({ length: 5000 }, (_, index) =>
      encodeRequest(index + 1, { type: 'get', path: '/big', watch: false }),
    );
    connection.received(Buffer.concat(reads));
    for (let turn = 0; turn < 200; turn += 1) await nextTurn();
    expect([isPaused, unsentBytes < 200_000_000]).toEqual([true, true]);
    const before = unsentBytes;
    unsentBytes = 0;
    connection.drained();
    for (let turn = 0; turn < 20; turn += 1) await nextTurn();
    expect([before > 0, unsentBytes > 0]).toEqual([true, true]);
  });

  it('learns that rights are not kept here, rather than believing that they are', async () => {
    const { server } = scene();
    const client = new Client(server);
    await client.greet();
    const acl = [{ permissions: 31, scheme: 'auth', id: '' }];
    const body = { type: 'create', path: '/n', data: EMPTY, acl, ephemeral: false, sequential: false } as const;
    expect(await client.ask(body)).toBe(ErrorNumber.INVALID_ACL);
  });
});
