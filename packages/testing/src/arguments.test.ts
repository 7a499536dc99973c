import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBroker, TestBroker } from './test-broker.ts';
import { startCluster, TestCluster } from './test-cluster.ts';

/** Of every kind that JavaScript has, and right nowhere. (-1 is an error of Kafka's, UNKNOWN_SERVER_ERROR.) */
const JUNK: readonly unknown[] = [null, -2, 1.5, Number.NaN, '', [], {}, () => {}, Symbol('s'), new Map(), 5n];

/** Arguments that each call takes; every one of them is put for junk in turn. A call that is not named here fails the first test. */
const BROKER_CALLS: Readonly<Record<string, readonly unknown[]>> = {
  createTopic: ['u'],
  failNext: ['Produce', 'NOT_LEADER_OR_FOLLOWER', { times: 1 }],
  delayNext: ['Produce', 5, { times: 1 }],
  holdNext: ['Produce', { times: 1 }],
  dropNext: ['Produce', { times: 1 }],
  clearFaults: [],
  dropConnections: [],
  moveLeader: ['t', 0],
  expireMember: ['g', 'm'],
  memberIds: ['g'],
  expireTransaction: ['x'],
  fenceProducer: ['x'],
  holdMarkers: [],
  advanceTime: [1],
  close: [],
};
const CLUSTER_CALLS: Readonly<Record<string, readonly unknown[]>> = {
  leaderOf: ['t', 0],
  inSync: ['t', 0],
  settled: [],
  createTopic: ['u'],
  kill: [1],
  stop: [1],
  start: [1],
  restart: [1],
  pause: [1],
  resume: [1],
  expireSession: [1],
  isolate: [1],
  heal: [],
  moveLeader: ['t', 0, 1],
  moveController: [],
  close: [],
};
/** What takes something back, or closes again, does no harm once it is over. */
const AFTER_THE_END = new Set(['clearFaults', 'heal', 'resume', 'close']);

type Calls = Record<string, (...given: unknown[]) => unknown>;

function methodsOf(prototype: object): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(prototype))
    .filter(([name, { value }]) => name !== 'constructor' && typeof value === 'function')
    .map(([name]) => name);
}

async function codeOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return 'taken';
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}

/** Calls that are not refused as such, each with the argument that was put for another. */
async function taken(target: object, calls: Readonly<Record<string, readonly unknown[]>>): Promise<string[]> {
  const found: string[] = [];
  for (const [name, valid] of Object.entries(calls)) {
    for (const place of valid.keys()) {
      for (const junk of JUNK) {
        // Options of which there are none, and options that are left out, are the defaults.
        if (isOptions(valid[place]) && isEmptyOptions(junk)) continue;
        const code = await codeOf(() => (target as Calls)[name]!(...valid.with(place, junk)));
        const isRefused = /^TESTING_(INVALID_(ARGUMENT|OPTION)|UNKNOWN_(API|BROKER))$/.test(String(code));
        if (!isRefused) found.push(`${name} with ${String(junk)} in place ${place}: ${String(code)}`);
      }
    }
  }
  return found;
}

const isOptions = (value: unknown): boolean => typeof value === 'object';
const isEmptyOptions = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;

let broker: TestBroker;
let cluster: TestCluster;
beforeAll(async () => {
  broker = await startBroker({ topics: ['t'] });
  cluster = await startCluster({ brokers: 1, topics: ['t'] });
});
afterAll(async () => {
  await broker.close();
  await cluster.close();
});

describe('what a test hands over', () => {
  it('is looked at in every call that there is', () => {
    expect(methodsOf(TestBroker.prototype)).toEqual(Object.keys(BROKER_CALLS));
    expect(methodsOf(TestCluster.prototype)).toEqual(Object.keys(CLUSTER_CALLS));
  });

  it('is refused by a broker where it is junk', async () => {
    expect(await taken(broker, BROKER_CALLS)).toEqual([]);
  });

  it('is refused by a cluster where it is junk', async () => {
    expect(await taken(cluster, CLUSTER_CALLS)).toEqual([]);
  });

  it.each([
    [{ topic: ['t'] }, 'topic is no option of startBroker(); did you mean topics?'],
    [{ brokers: 3 }, 'brokers is no option of startBroker(): startCluster starts several'],
    [{ port: 70_000 }, 'port must be a whole number from 0 to 65535, not 70000'],
    [{ storage: 'disk' }, "storage must be 'memory', 'temp' or an object with folder, not 'disk' (a string)"],
    [
      { storage: { folder: '/tmp/a,b' } },
      "storage.folder must be the path of a folder, without a comma, not '/tmp/a,b'",
    ],
    [{ storage: { folder: '/tmp/\0' } }, 'storage.folder must be the path of a folder'],
    [{ storage: { dir: '/tmp' } }, 'storage.dir is no field of storage (there are folder)'],
    [{ topics: 't' }, "topics must be an array, not 't' (a string)"],
    [{ topics: [5] }, 'topics[0] must be the name of a topic, or an object with topic, partitions and configs, not 5'],
    [{ topics: [{ name: 't' }] }, 'topics[0].name is no field of a topic: it is called topic'],
    [{ topics: [{ topic: 't', partitions: 0 }] }, 'topics[0].partitions must be a whole number from 1'],
    [{ topics: [{ topic: 't', configs: { 'retention.ms': {} } }] }, "topics[0].configs['retention.ms'] must be text"],
    [{ config: { 'num.partitions': undefined } }, "config['num.partitions'] must be text, a number, or true or false"],
    [{ transactionVersion: 3 }, 'transactionVersion must be 0, 1, 2, not 3'],
    [{ users: { '': 'secret' } }, 'users has one without a name'],
    [{ users: { alice: 5 } }, "users['alice'] must be text that is not empty, not 5"],
    [{ users: { a: 'a' }, acls: [{ user: 'a', operation: 'reed', topic: 't' }] }, "acls[0].operation must be 'all'"],
    [{ users: { a: 'a' }, acls: [{ user: 'a', operation: 'read' }] }, 'acls[0] is about nothing: give one of topic'],
    [
      { users: { a: 'a' }, acls: [{ user: 'a', operation: 'read', topic: 't', group: 'g' }] },
      'acls[0] is about topic and group: give one of',
    ],
    [{ tls: { ca: 'x' } }, 'tls must be an object as node:tls takes it, with key and cert, or pfx'],
    [{ tls: { key: 'x', cert: 'y' } }, 'Cannot start a broker with this tls: '],
    [null, 'the options of startBroker() must be an object, not null'],
  ])('is refused as an option of startBroker: %o', async (options, message) => {
    const starting = startBroker(options as never);
    await expect(starting).rejects.toMatchObject({
      code: 'TESTING_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    ...[0, -1, 'x', 33, 1.5, Number.NaN, null].map((brokers): [object, string] => [
      { brokers },
      'brokers must be a whole number from 1 to 32',
    ]),
    [{ broker: 3 }, 'broker is no option of startCluster(); did you mean brokers?'],
    [{ users: {} }, 'users is no option of startCluster(): a cluster does not have it, startBroker does'],
    [{ topics: [{ topic: 't', replicas: 3 }] }, 'topics[0].replicas is no field of a topic'],
    [{ racks: ['a', 'b'] }, 'racks must name one for each of 3 brokers, not 2'],
    [{ racks: ['a', '', 'c'] }, 'racks[1] must be the name of a rack'],
  ])('is refused as an option of startCluster: %o', async (options, message) => {
    await expect(startCluster(options as never)).rejects.toMatchObject({
      code: 'TESTING_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
  });

  it.each([{ 'num.partition': 3 }, { 'broker.id': 7 }, { listeners: 'PLAINTEXT://:0' }])(
    'is refused as a setting of a cluster: %o',
    async (config) => {
      await expect(startCluster({ config })).rejects.toMatchObject({
        code: 'TESTING_INVALID_CONFIG',
        message: expect.not.stringContaining('passed over'),
      });
    },
  );

  it('is refused as a folder of data by its name, where there can be none or another broker has it', async () => {
    const root = mkdtempSync(join(tmpdir(), 'millrace-testing-'));
    try {
      const file = join(root, 'file');
      writeFileSync(file, '');
      const folder = join(root, 'folder');
      const code = 'TESTING_FOLDER_REFUSED';
      await expect(startBroker({ storage: { folder: file } })).rejects.toMatchObject({
        code,
        message: expect.stringMatching(new RegExp(`^Cannot start a broker on the folder '${file}': .*ENOTDIR`)),
      });
      await using _first = await startBroker({ storage: { folder } });
      await expect(startBroker({ storage: { folder } })).rejects.toMatchObject({
        code,
        message: `Cannot start a broker on the folder '${folder}': another broker has it. Close that one before, or give each its own`,
      });
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('is refused as a port that is taken, and as a place for data among the settings', async () => {
    const { port } = broker;
    await expect(startBroker({ port })).rejects.toMatchObject({
      code: 'TESTING_PORT_REFUSED',
      message: `Cannot start a broker on port ${port}: another process listens there. Leave port out for one that is free`,
    });
    await expect(startBroker({ config: { 'log.dirs': '/data' } })).rejects.toMatchObject({
      code: 'TESTING_INVALID_CONFIG',
      message: 'Cannot start a broker with log.dirs: storage says where its data is',
    });
  });

  it('is refused where it is more than a call takes, but for the closing', async () => {
    const codes = [
      ...Object.entries(BROKER_CALLS).map(([name, valid]) => ({ target: broker, name, valid })),
      ...Object.entries(CLUSTER_CALLS).map(([name, valid]) => ({ target: cluster, name, valid })),
    ]
      .filter(({ name }) => name !== 'close')
      .map(({ target, name, valid }) =>
        codeOf(() => (target as unknown as Calls)[name]!(...valid, undefined, undefined, () => {})),
      );
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['TESTING_INVALID_ARGUMENT']));
  });

  it('is named with what was meant', () => {
    expect(() => broker.failNext('Produce', 'NOT_LEADER' as never)).toThrow("no Kafka error 'NOT_LEADER'");
    expect(() => broker.failNext('Produce', 'NOT_CONTROLER' as never)).toThrow("did you mean 'NOT_CONTROLLER'?");
    expect(() => broker.failNext('Produce', 'NONE')).toThrow('NONE is no error');
    expect(() => broker.dropNext('Fetsh')).toThrow("did you mean 'Fetch'?");
    expect(() => broker.dropNext('Fetch', { when: 'later' as never })).toThrow("when must be 'before', 'after'");
    expect(() => broker.holdNext('Fetch', { time: 2 } as never)).toThrow('time is no option of holdNext()');
    expect(() => broker.failNext('Fetch', 'NOT_CONTROLLER', { times: 0 })).toThrow(
      'times must be a whole number from 1',
    );
  });

  it('is refused for a broker of a cluster that does not run', async () => {
    await cluster.kill(1);
    expect(() => cluster.pause(1)).toThrow(expect.objectContaining({ code: 'TESTING_NOT_RUNNING' }));
    await expect(cluster.expireSession(1)).rejects.toMatchObject({ code: 'TESTING_NOT_RUNNING' });
    await cluster.start(1);
  });

  it('is refused once broker and cluster are closed, but for what takes back', async () => {
    await broker.close();
    await cluster.close();
    const all = [...Object.entries(BROKER_CALLS).map((each) => [broker, ...each] as const)].concat(
      Object.entries(CLUSTER_CALLS).map((each) => [cluster, ...each] as never),
    );
    for (const [target, name, valid] of all) {
      const code = await codeOf(() => (target as unknown as Calls)[name]!(...valid));
      expect([name, code]).toEqual([name, AFTER_THE_END.has(name) ? 'taken' : 'TESTING_CLOSED']);
    }
  });
});
