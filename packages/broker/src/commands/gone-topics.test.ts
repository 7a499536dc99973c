import { MemoryMetadataStore, MetadataError, type MetadataStore } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterImage, type TopicImage } from '../cluster/cluster-image.ts';
import { silentLogger } from '../shared/logger.ts';
import { encodeTopic, paths, settledAssignment } from '../store/znodes.ts';
import { GoneTopics } from './gone-topics.ts';

let clock: ManualClock;
let store: MetadataStore;
let cluster: ClusterImage;
let forgotten: string[];
let goneTopics: GoneTopics;
/** What comes between a look into the store and what follows from it. */
let meanwhile: () => void;

const inbox = {
  forget: async (topics: readonly TopicImage[]): Promise<void> => {
    meanwhile();
    forgotten.push(...cluster.drop(topics));
  },
};

/** The controller of an epoch tells of topics. */
function tell(controllerEpoch: number, ids: Readonly<Record<string, string>>): void {
  const state = {
    partition: 0,
    controllerEpoch,
    leader: 1,
    leaderEpoch: 0,
    isr: [1],
    partitionEpoch: 0,
    replicas: [1],
  };
  const partitions = Object.entries(ids).map(([topic, topicId]) => ({ topic, topicId, ...state, offlineReplicas: [] }));
  cluster.apply({ controllerId: 1, controllerEpoch, brokerEpoch: -1, liveBrokers: [], partitions });
}

async function make(name: string, id: string): Promise<void> {
  await store.create(paths.topic(name), encodeTopic(id, [settledAssignment([1])]));
}

const takeOver = (epoch: number) => store.set(paths.controllerEpoch, Buffer.from(String(epoch)), 'any');

beforeEach(async () => {
  clock = new ManualClock();
  store = new MemoryMetadataStore({ clock }).openSession();
  for (const path of ['/brokers', '/brokers/topics']) await store.create(path, Buffer.alloc(0));
  await store.create(paths.controllerEpoch, Buffer.from('1'));
  cluster = new ClusterImage();
  forgotten = [];
  meanwhile = () => {};
  goneTopics = new GoneTopics({ store, cluster, clock, logger: silentLogger, inbox });
  goneTopics.start();
  await make('kept', 'K');
  tell(1, { kept: 'K', lost: 'L' });
});
afterEach(() => goneTopics.stop());

describe('topics whose deletion a broker was not told of', () => {
  it('are forgotten when it has registered anew', async () => {
    await goneTopics.load();
    expect(forgotten).toEqual(['lost']);
    expect([...cluster.topics.keys()]).toEqual(['kept']);
  });

  it('are forgotten when another controller has taken over', async () => {
    await takeOver(2);
    tell(2, {});
    await clock.advance(0);
    await expect.poll(() => forgotten).toEqual(['lost']);
  });

  it('are looked for when the server of the store knows of that controller too, and not before', async () => {
    tell(2, {});
    await clock.advance(1000);
    expect(forgotten).toEqual([]);
    await takeOver(2);
    await clock.advance(100);
    await expect.poll(() => forgotten).toEqual(['lost']);
  });

  it('are not looked for at every word of the same controller, nor at the first of all', async () => {
    tell(1, { kept: 'K' });
    await clock.advance(1000);
    expect(forgotten).toEqual([]);
  });

  it('stay forgotten for no other topic of the name', async () => {
    meanwhile = () => {
      tell(1, { lost: 'M' });
    };
    await goneTopics.load();
    expect(forgotten).toEqual([]);
    expect(cluster.topic('lost')?.id).toBe('M');
  });
});

describe('a topic of the name that was made since', () => {
  it('is another, and the one before is forgotten', async () => {
    await make('lost', 'M');
    await goneTopics.load();
    expect(forgotten).toEqual(['lost']);
  });

  it('is not forgotten for the one before, which a server of the store still has', async () => {
    await make('lost', 'L');
    const get = store.get.bind(store);
    let isBehind = true;
    store.get = async (path) => {
      const node = await get(path);
      const old = { ...node, data: encodeTopic('old', [settledAssignment([1])]) };
      return isBehind && path === paths.topic('lost') ? old : node;
    };
    const multi = store.multi.bind(store);
    store.multi = (operations) => {
      isBehind = false;
      return multi(operations);
    };
    await goneTopics.load();
    expect([isBehind, forgotten]).toEqual([false, []]);
  });

  it('cannot be told from the one before while nobody can read its node', async () => {
    await store.create(paths.topic('lost'), Buffer.from('{'));
    await goneTopics.load();
    expect(forgotten).toEqual([]);
  });
});

describe('a topic that was just made', () => {
  it('is not taken for a deleted one by a server of the store that has not heard of it', async () => {
    await make('lost', 'L');
    const children = store.children.bind(store);
    store.children = async (path) => (await children(path)).filter((name) => name !== 'lost');
    await goneTopics.load();
    expect(forgotten).toEqual([]);
  });
});

describe('a session that ends meanwhile', () => {
  it('leaves all as it is, for whoever registers anew looks again', async () => {
    await takeOver(2);
    store.children = () => Promise.reject(new MetadataError('SESSION_EXPIRED', 'The session is over.'));
    tell(2, {});
    await clock.advance(0);
    await clock.advance(1000);
    expect(forgotten).toEqual([]);
    expect(clock.pendingCount).toBe(0);
  });
});
