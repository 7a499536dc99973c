/**
 * The tree of znodes, whole: what a running cluster of Apache Kafka 3.9.1 had in its ensemble after each scenario and in the middle of some,
 * and what a cluster of ours has that goes through the same. Paths, contents, versions, versions of children and owners are compared.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  decodeBroker,
  decodeClusterId,
  decodeConfig,
  decodeConfigChange,
  decodeController,
  decodeControllerEpoch,
  decodePartitionState,
  decodeProducerIdBlock,
  decodeTopic,
  encodeClusterId,
  encodeConfig,
  encodeConfigChange,
  encodeFeature,
  encodePartitionState,
  encodeProducerIdBlock,
  encodeTopic,
  isOtherFeatureNode,
} from '../store/znodes.ts';
import { capturedDumps, type Dump, type DumpedNode } from '../testing/test-captured-trees.ts';
import { CASTS, type Cast, Walk } from '../testing/test-captured-walk.ts';

const kafka = capturedDumps();

/** JSON whose members stand in the order of their names; what is drawn by lot, an address or a moment is left out. */
function canonical(data: string): string {
  if (!data.startsWith('{')) return data;
  const chance = ['timestamp', 'topic_id', 'host', 'port', 'endpoints', 'id'];
  const plain = (name: string, value: unknown): unknown => {
    if (chance.includes(name)) return '*';
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
  };
  return JSON.stringify(JSON.parse(data), plain);
}

/** A difference on purpose: what is made of a node on one side; undefined leaves it out. */
interface Difference {
  readonly why: string;
  readonly side: 'kafka' | 'ours' | 'both';
  readonly change: (node: DumpedNode) => DumpedNode | undefined;
}

const without = (pattern: RegExp) => (node: DumpedNode) => (pattern.test(node.path) ? undefined : node);

const DIFFERENCES = {
  root: {
    why: 'an ensemble counts the children of its root from -1, since nobody has made /zookeeper; the store of these tests counts from 0',
    side: 'kafka',
    change: (node) => (node.path === '/' ? { ...node, cversion: node.cversion + 1 } : node),
  },
  features: {
    why: 'brokers of ours tell one another by their registration that they speak the newer kind of transactions (KIP-890)',
    side: 'ours',
    change: (node) =>
      node.path.startsWith('/brokers/ids/')
        ? { ...node, data: node.data.replace('{"transaction.version":{"min_version":1,"max_version":2}}', '{}') }
        : node,
  },
  producerIds: {
    why: 'below 3.0 a broker of Kafka takes producer ids when it starts; ours when a producer asks for one',
    side: 'both',
    change: without(/^\/latest_producer_id_block$/),
  },
  lastStates: {
    why: 'a topic that goes while a broker is down loses its leader in one write here; Kafka takes its replicas out one by one, in the order of a hash table',
    side: 'both',
    change: without(/^\/brokers\/topics\/gone\/partitions\/\d\/state$/),
  },
  unseenReturn: {
    why: 'in scenario 12 a broker of Kafka lost its session while there was no controller, and came back; ours loses none there (sequences.test.ts says why)',
    side: 'kafka',
    change: (node) => (node.path === '/brokers/ids' ? { ...node, cversion: node.cversion - 2 } : node),
  },
  noRacks: {
    why: 'Kafka with ZooKeeper creates no topic where some brokers have a rack and others none; ours does, as Kafka without ZooKeeper does',
    side: 'ours',
    change: (node) => {
      if (/\/topics\/racked/.test(node.path)) return undefined;
      return /^\/(brokers|config)\/topics$/.test(node.path) ? { ...node, cversion: node.cversion - 1 } : node;
    },
  },
} satisfies Record<string, Difference>;

type Name = keyof typeof DIFFERENCES;

const MOMENTS: readonly (readonly [moment: string, differences: readonly Name[]])[] = [
  ['01-boot', []],
  ['02-create', []],
  ['03-kill-leader-while-down', []],
  ['03-kill-leader', []],
  ['04-controlled-shutdown-while-down', []],
  ['04-controlled-shutdown', []],
  ['05-kill-controller-while-down', []],
  ['05-kill-controller', []],
  ['05b-sigterm-controller', []],
  ['06-reassign-moves0-running', []],
  ['06-reassign-moves1-running', []],
  ['06-reassign', []],
  ['07-config-delete-configs', []],
  ['07-config-delete-pending-delete', ['lastStates']],
  ['07-config-delete', []],
  ['08-transactions', []],
  ['09-divergence-leaderless', []],
  ['09-divergence-unclean', []],
  ['09-divergence', []],
  ['10-delete-records', []],
  ['11-isr-change', []],
  ['12-pause-controller-while-paused', ['unseenReturn']],
  ['12-pause-controller', ['unseenReturn']],
  ['13-start-refused', ['unseenReturn']],
  ['14-probes', ['unseenReturn']],
  ['15-racks', ['unseenReturn', 'noRacks']],
];

/** What differs everywhere, and what does below 3.0. */
const ALWAYS: readonly Name[] = ['root', 'features'];
const IN_2_8: readonly Name[] = ['producerIds'];

/** A tree as text, one line a node. */
function textOf(dump: Dump, whose: 'kafka' | 'ours', names: readonly Name[], found: Set<Name>): string {
  const lines: string[] = [];
  for (const path of [...dump.keys()].toSorted()) {
    let node = dump.get(path);
    for (const name of names) {
      const { side, change }: Difference = DIFFERENCES[name];
      if (node === undefined || (side !== whose && side !== 'both')) continue;
      const changed = change(node);
      if (JSON.stringify(changed) !== JSON.stringify(node)) found.add(name);
      node = changed;
    }
    if (node === undefined) continue;
    const { data, version, cversion, owner } = node;
    lines.push(`${path} ${canonical(data)} version ${version} children ${cversion} owner ${owner}`);
  }
  return lines.join('\n');
}

/** The moments of the scenarios that a cluster went through. */
function momentsOf({ scenarios }: Cast): typeof MOMENTS {
  return MOMENTS.filter(([moment]) =>
    ['01-boot', ...scenarios].some((scenario) => moment === scenario || moment.startsWith(`${scenario}-`)),
  ).filter(([moment]) => moment !== '01-boot' || scenarios.includes('02-create'));
}

describe.each(CASTS)('the tree of a cluster under inter.broker.protocol.version $release, $kind', (cast) => {
  let ours: ReadonlyMap<string, Dump>;
  beforeAll(async () => {
    const walk = await Walk.start(cast);
    await walk.all();
    await walk.stop();
    ours = walk.dumps;
  });

  it.each(momentsOf(cast))('is in %s what it is at Kafka, node by node', (moment, own) => {
    const name = `${cast.prefix}${moment}`;
    const theirs = kafka.get(name) as Dump;
    const names = [...ALWAYS, ...(cast.release === '2.8' ? IN_2_8 : []), ...own];
    const found = new Set<Name>();
    expect(textOf(ours.get(name) as Dump, 'ours', names, found)).toBe(textOf(theirs, 'kafka', names, found));
    // What differs no longer has no place in the list.
    expect([...found].toSorted()).toEqual(names.toSorted());
  });
});

/** Decodes a node and encodes it again; undefined for one that has no content of a form. */
function again({ path, data }: DumpedNode): Buffer | undefined {
  const bytes = Buffer.from(data);
  const [, ...parts] = path.split('/');
  if (/^\/brokers\/topics\/[^/]+\/partitions\/\d+\/state$/.test(path)) {
    return encodePartitionState(decodePartitionState(path, bytes));
  }
  if (/^\/brokers\/topics\/[^/]+$/.test(path)) {
    const { topicId, partitions } = decodeTopic(parts[2] as string, bytes);
    return encodeTopic(topicId as string, partitions);
  }
  if (/^\/config\/(topics|brokers|users|clients)\/.+$/.test(path)) return encodeConfig(decodeConfig(path, bytes));
  if (path.startsWith('/config/changes/')) return encodeConfigChange(decodeConfigChange(path, bytes));
  if (path === '/cluster/id') return encodeClusterId(decodeClusterId(bytes));
  if (path === '/controller_epoch') return Buffer.from(String(decodeControllerEpoch(bytes)));
  if (path === '/latest_producer_id_block') {
    const block = decodeProducerIdBlock(bytes);
    return block === undefined ? bytes : encodeProducerIdBlock(block);
  }
  return undefined;
}

describe('every node of all captured trees', () => {
  it.each([...kafka])('is read in %s, and written as it was', (captured, dump) => {
    let compared = 0;
    for (const node of dump.values()) {
      const { path, data, owner } = node;
      const written = again(node);
      if (written !== undefined) {
        // What a topic is called by is no chance here.
        const whole = (text: string): unknown => (text.startsWith('{') ? JSON.parse(text) : text);
        expect([path, whole(written.toString())]).toEqual([path, whole(data)]);
        compared += 1;
      } else if (path.startsWith('/brokers/ids/')) {
        const broker = decodeBroker(Number(path.slice('/brokers/ids/'.length)), Buffer.from(data));
        expect(broker).toMatchObject({ id: owner, endpoints: [{ listener: 'PLAINTEXT', host: '127.0.0.1' }] });
        compared += 1;
      } else if (path === '/controller') {
        expect(decodeController(Buffer.from(data))).toBe(owner);
        compared += 1;
      } else if (path === '/feature') {
        // Below 2.7 nobody had features yet.
        const isOld = captured.startsWith('ibp2.6');
        const version = captured.startsWith('ibp') ? 1 : 2;
        expect(isOtherFeatureNode(Buffer.from(data), version)).toBe(isOld);
        if (!isOld) expect(JSON.parse(data)).toEqual(JSON.parse(encodeFeature(version).toString()));
        compared += 1;
      } else {
        expect([path, data]).toEqual([path, '']);
      }
    }
    expect(compared).toBeGreaterThan(5);
  });

  it('are 54 in all, and compared with ours but for those of a release that is older than what is spoken', () => {
    expect(kafka.size).toBe(54);
    const compared = CASTS.flatMap((cast) => momentsOf(cast).map(([moment]) => `${cast.prefix}${moment}`));
    const others = [...kafka.keys()].filter((name) => !name.startsWith('ibp2.6-'));
    expect(compared.toSorted()).toEqual(others.toSorted());
  });
});
