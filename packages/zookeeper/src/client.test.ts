import { MemoryMetadataStore, type SessionState, TreeMetadataStore } from '@millrace/metadata';
import { ManualClock, nextTurn, seededRandom } from '@millrace/ports';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ZooKeeperServer } from './server/server.ts';
import { ZooKeeperMetadataStore } from './store.ts';
import { MemoryNetwork } from './testing/memory-network.ts';

const SESSION_MS = 6000;
const EMPTY = Buffer.alloc(0);
const SERVERS = ['zk:1', 'zk:2', 'zk:3'];

/** A client and an ensemble whose members are one server under several addresses, on a clock of their own. */
class Scene {
  readonly clock = new ManualClock();
  readonly #serverClock = new ManualClock();
  serverRuns = true;
  readonly network = new MemoryNetwork();
  readonly tree = new MemoryMetadataStore({ clock: this.clock });
  readonly server: ZooKeeperServer;
  readonly notices: string[] = [];
  readonly states: SessionState[] = [];
  store!: ZooKeeperMetadataStore;

  constructor(servers: readonly string[]) {
    this.server = new ZooKeeperServer({ store: this.tree, clock: this.#serverClock, random: seededRandom(1) });
    for (const each of servers) this.network.lead(each, this.server);
  }

  static async open(servers: readonly string[] = SERVERS): Promise<Scene> {
    const scene = new Scene(servers);
    await scene.connect(servers);
    return scene;
  }

  async connect(servers: readonly string[], inFlightMax = 1000, serverName?: string): Promise<void> {
    const opening = ZooKeeperMetadataStore.open({
      connect: servers.join(','),
      sessionTimeoutMs: SESSION_MS,
      inFlightMax,
      serverName,
      clock: this.clock,
      random: seededRandom(2),
      connectTransport: this.network.connect,
      onNotice: (message) => this.notices.push(message),
    });
    this.store = await this.during(opening);
    this.store.onSession((state) => this.states.push(state));
  }

  get current(): string {
    return this.network.attempts.at(-1) ?? '';
  }

  /** Lets time pass in small steps, in which everything that is sent arrives. */
  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 50) {
      this.clock.advance(50);
      if (this.serverRuns) this.#serverClock.advance(50);
      await this.settle();
    }
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 8; turn += 1) await nextTurn();
  }

  /** Lets time pass until a promise has settled. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = (): void => {
      isSettled = true;
    };
    promise.then(done, done);
    for (let step = 0; !isSettled && step < 10_000; step += 1) await this.pass(50);
    return promise;
  }
}

describe('a session', () => {
  it('lives for as long as its client is there, though nothing is asked', async () => {
    const scene = await Scene.open();
    const { store, clock, server } = scene;
    const id = store.sessionId;
    await scene.pass(20 * SESSION_MS);
    expect([store.sessionState, store.sessionId, server.sessionCount]).toEqual(['connected', id, 1]);
    expect(clock.monotonic()).toBeGreaterThan(20 * SESSION_MS);
  });

  it('goes on at the next server when its own is lost, with its nodes and watches', async () => {
    const scene = await Scene.open();
    const { store, network, tree, states } = scene;
    const id = store.sessionId;
    await scene.during(store.create('/e', EMPTY, { ephemeral: true }));
    const seen: string[] = [];
    await scene.during(store.exists('/n', { watch: ({ type, path }) => seen.push(`${type} ${path}`) }));
    const first = scene.current;
    network.stop(first);
    await tree.create('/n', EMPTY);
    await scene.during(store.get('/n'));
    expect(scene.current).not.toBe(first);
    expect([store.sessionId, states, seen]).toEqual([id, ['disconnected', 'connected'], ['created /n']]);
    expect((await tree.exists('/e')) === undefined).toBe(false);
  });

  it('leaves a server that has fallen silent after two thirds of its time, before it is over', async () => {
    const scene = await Scene.open();
    const { store, network, states } = scene;
    const id = store.sessionId;
    const first = scene.current;
    network.mute(first);
    await scene.pass((SESSION_MS * 2) / 3 - 200);
    expect(store.sessionState).toBe('connected');
    await scene.pass(400);
    expect([states, store.sessionId, scene.current === first]).toEqual([['disconnected', 'connected'], id, false]);
  });

  it('is not given up by a client that itself stood still while answers lay in its socket', async () => {
    const scene = await Scene.open();
    const { store, clock, states } = scene;
    // The ping leaves, its answer is on the way, and then nothing runs here for almost the whole of the session.
    clock.advance(SESSION_MS / 3);
    await nextTurn();
    clock.advance((SESSION_MS * 2) / 3 - 100);
    await scene.settle();
    expect([states, store.sessionState]).toEqual([[], 'connected']);
  });

  it('that no server would hear of in time is over, which shows when one is there again', async () => {
    const scene = await Scene.open();
    const { store, network, server, states } = scene;
    for (const each of SERVERS) network.stop(each);
    const reading = store.exists('/').catch((error: { code: string }) => error.code);
    await scene.pass(2 * SESSION_MS);
    expect([store.sessionState, server.sessionCount]).toEqual(['disconnected', 0]);
    for (const each of SERVERS) network.lead(each, server);
    expect(await scene.during(reading)).toBe('SESSION_EXPIRED');
    expect(states).toEqual(['disconnected', 'expired']);
    await scene.during(store.renewSession());
    expect((await scene.during(store.children('/'))).length).toBe(0);
  });
});

describe('an ensemble that is behind what a session has seen', () => {
  /** A session that has seen ten transactions. */
  async function ahead(servers: readonly string[] = SERVERS): Promise<Scene> {
    const scene = await Scene.open(servers);
    for (let index = 0; index < 10; index += 1) await scene.during(scene.store.create(`/n${index}`, EMPTY));
    return scene;
  }

  /** A server that has come as far as `transactions`, as one that was put back from a copy. */
  async function putBack({ clock }: Scene, transactions: number): Promise<ZooKeeperServer> {
    const store = new MemoryMetadataStore({ clock });
    for (let index = 0; index < transactions; index += 1) await store.create(`/n${index}`, EMPTY);
    return new ZooKeeperServer({ store, clock, random: seededRandom(3) });
  }

  const setback = /^ZooKeeper is behind .*\(transaction 0x3 after 0xa\): it was put back from an older copy/;

  it('ends the session once it has hung up on it for its time, and says what it is', async () => {
    const scene = await ahead();
    const { store, network, states, notices } = scene;
    const older = await putBack(scene, 3);
    for (const each of SERVERS) network.stop(each);
    for (const each of SERVERS) network.lead(each, older);
    const reading = store.children('/').catch((error: { code: string }) => error.code);
    await scene.pass(SESSION_MS - 500);
    expect([states, store.sessionState]).toEqual([['disconnected'], 'disconnected']);
    expect(await scene.during(reading)).toBe('SESSION_EXPIRED');
    expect(states).toEqual(['disconnected', 'expired']);
    await scene.during(store.renewSession());
    expect(await scene.during(store.children('/'))).toHaveLength(3);
    await scene.during(store.children('/'));
    expect(notices.filter((notice) => setback.test(notice))).toHaveLength(1);
  });

  it('is left at once for a server that is not', async () => {
    const scene = await ahead();
    const { store, network, states } = scene;
    const older = await putBack(scene, 3);
    const [first = '', second = '', third = ''] = [scene.current, ...SERVERS.filter((each) => each !== scene.current)];
    network.stop(first);
    for (const each of [first, second]) network.lead(each, older);
    expect(await scene.during(store.children('/'))).toHaveLength(10);
    expect([scene.current, states]).toEqual([third, ['disconnected', 'connected']]);
  });

  it('has not read anything older within the session where its copy knows that', async () => {
    const scene = await ahead(['zk:1']);
    const { store, network, server, tree, states, notices } = scene;
    await scene.during(store.create('/e', EMPTY, { ephemeral: true }));
    network.stop('zk:1');
    scene.serverRuns = false;
    const zxid = vi.spyOn(TreeMetadataStore.prototype, 'zxid', 'get').mockReturnValue(3);
    onTestFinished(() => zxid.mockRestore());
    network.lead('zk:1', server);
    const reading = store.children('/').catch((error: { code: string }) => error.code);
    expect(await scene.during(reading)).toBe('SESSION_EXPIRED');
    expect([states, await tree.exists('/e')]).toEqual([['disconnected', 'expired'], undefined]);
    await scene.during(store.renewSession());
    await scene.during(store.children('/'));
    expect(notices.join('\n')).toContain('ZooKeeper is behind');
  });

  it('is not what servers are that hang up because they have no majority: with it, the session goes on', async () => {
    const scene = await ahead();
    const { store, network, server, states, notices } = scene;
    const id = store.sessionId;
    const seen: string[] = [];
    await scene.during(store.exists('/after', { watch: ({ type }) => seen.push(type) }));
    for (const each of SERVERS) network.stop(each);
    for (const each of SERVERS) network.lead(each, 'hangs up');
    // Nobody counts the time of sessions then.
    scene.serverRuns = false;
    await scene.pass(4 * SESSION_MS);
    scene.serverRuns = true;
    for (const each of SERVERS) network.lead(each, server);
    expect(await scene.during(store.children('/'))).toHaveLength(10);
    await scene.during(store.create('/after', EMPTY));
    await scene.during(store.children('/'));
    expect([states, store.sessionId, seen]).toEqual([['disconnected', 'connected'], id, ['created']]);
    expect(notices.join()).not.toContain('behind');
    // And it is held to that again.
    network.stop(scene.current);
    const older = await putBack(scene, 3);
    for (const each of SERVERS) network.lead(each, older);
    await scene.pass(SESSION_MS / 2);
    expect(store.sessionState).toBe('disconnected');
  });
});

describe('an ensemble', () => {
  it('whose servers do not answer is tried all round, with pauses that grow and end', async () => {
    const scene = await Scene.open();
    for (const each of SERVERS) scene.network.stop(each);
    const before = scene.network.attempts.length;
    await scene.pass(60_000);
    const attempts = scene.network.attempts.slice(before);
    expect(new Set(attempts)).toEqual(new Set(SERVERS));
    expect(attempts.length).toBeGreaterThan(100);
    expect(attempts.length).toBeLessThan(500);
    expect(scene.notices.length).toBeLessThan(5);
  });

  it('that is back is told of once, with how long it was away, by whoever has told that it was not there', async () => {
    const scene = await Scene.open();
    for (const each of SERVERS) scene.network.stop(each);
    await scene.pass(2000);
    for (const each of SERVERS) scene.network.lead(each, scene.server);
    await scene.pass(2000);
    const back = scene.notices.filter((notice) =>
      /^The connection to ZooKeeper is there again, after \d+ ms$/.test(notice),
    );
    expect([scene.store.sessionState, back.length, scene.notices.at(-1)]).toEqual(['connected', 1, back[0]]);
  });

  it('is reached past a server that takes connections and says nothing', async () => {
    const scene = new Scene(SERVERS);
    for (const each of SERVERS.slice(1)) scene.network.lead(each, 'silent');
    await scene.connect(SERVERS);
    expect([scene.store.sessionState, scene.current]).toEqual(['connected', 'zk:1']);
  });

  it.each([
    ['noise', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a frame that is too large', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0])],
    ['a frame with a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff, 0])],
    ['a frame that ends early', Buffer.from([0, 0, 0, 2, 0, 0])],
  ])('is reached past a server that answers with %s', async (_, answer) => {
    const scene = new Scene(SERVERS);
    for (const each of SERVERS.slice(1)) scene.network.lead(each, answer);
    await scene.connect(SERVERS);
    expect([scene.store.sessionState, scene.current]).toEqual(['connected', 'zk:1']);
  });

  it('that cannot be reached in time is named with the reason', async () => {
    const scene = new Scene([]);
    const opening = scene.connect(['nowhere:1', 'nowhere:2']);
    await expect(scene.during(opening)).rejects.toMatchObject({
      code: 'ZOOKEEPER_UNREACHABLE',
      message: expect.stringMatching(/nowhere:1,nowhere:2.*within 6000 ms \(connection refused\)/),
    });
    // There was no connection that could be lost.
    expect(scene.notices).toEqual(['No connection to ZooKeeper can be made; it is tried again: connection refused']);
  });
});

describe('a session with a server of a name of its own', () => {
  it('is told of by that name alone, whether it is never reached, cut during a write, or over', async () => {
    const name = 'the metadata';
    const nowhere = new Scene([]);
    await expect(nowhere.during(nowhere.connect(['nowhere:1'], 1, name))).rejects.toMatchObject({
      code: 'ZOOKEEPER_UNREACHABLE',
      message: 'Nothing was heard from the metadata within 6000 ms (connection refused)',
    });
    const scene = new Scene(['zk:1']);
    await scene.connect(['zk:1'], 1, name);
    const { store, network, server } = scene;
    const id = store.sessionId;
    const cut = store.create('/n', EMPTY);
    network.stop('zk:1');
    await expect(scene.during(cut)).rejects.toMatchObject({
      code: 'CONNECTION_LOSS',
      message: expect.stringMatching(/^The connection to the metadata was lost .*[^.]$/),
    });
    await scene.pass(3 * SESSION_MS);
    network.lead('zk:1', server);
    await expect(scene.during(store.get('/'))).rejects.toMatchObject({
      code: 'SESSION_EXPIRED',
      message: `The session ${id} with the metadata has expired`,
    });
    expect(scene.notices.join()).not.toContain('ZooKeeper');
  });
});

describe('what a client asks', () => {
  it('waits where more is under way than may be', async () => {
    const scene = new Scene(['zk:1']);
    await scene.connect(['zk:1'], 3);
    const before = scene.network.sentBytes;
    const reads = Array.from({ length: 30 }, () => scene.store.exists('/'));
    const bytesOfOne = 4 + 8 + 5 + 1;
    expect(scene.network.sentBytes - before).toBe(3 * bytesOfOne);
    await scene.during(Promise.all(reads));
    expect(scene.network.sentBytes - before).toBe(30 * bytesOfOne);
  });

  it('has its thousands of watches set again in frames that a server takes', async () => {
    const scene = await Scene.open();
    const { store, network, tree } = scene;
    // Together more than even our own server takes at once, which takes more than ZooKeeper's.
    const names = Array.from({ length: 5000 }, (_, index) => `/${'x'.repeat(1000)}${index}`);
    let told = 0;
    const watch = (): void => {
      told += 1;
    };
    await scene.during(Promise.all(names.map((name) => store.exists(name, { watch }))));
    network.stop(scene.current);
    for (const name of names.slice(0, 2500)) await tree.create(name, EMPTY);
    await scene.during(store.exists('/'));
    expect(told).toBe(2500);
    for (const name of names.slice(2500)) await tree.create(name, EMPTY);
    await scene.during(store.exists('/'));
    expect(told).toBe(5000);
  });
});
