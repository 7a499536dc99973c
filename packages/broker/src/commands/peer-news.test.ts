import type { SessionState } from '@millrace/metadata';
import { ManualClock } from '@millrace/ports';
import { Metadata, type MetadataResponseInput } from '@millrace/protocol';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { PartitionState } from '../cluster/broker-channel.ts';
import { ClusterImage } from '../cluster/cluster-image.ts';
import type { PeerAddress, PeerLane, Peers } from '../cluster/peers.ts';
import { silentLogger } from '../shared/logger.ts';
import { PeerNews } from './peer-news.ts';

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const OTHER_ID = 'AAAAAAAAAAAAAAAAAAAAAg';

let clock: ManualClock;
let cluster: ClusterImage;
let asked: string[];
let closed: number;
/** What a broker answers, if it does. */
let answer: (brokerId: number) => MetadataResponseInput | undefined;
let session: (state: SessionState) => void;
let learnt: (readonly PartitionState[])[];
let news: PeerNews;

function known(leaderEpoch: number): PartitionState {
  return {
    topic: 't',
    topicId: TOPIC_ID,
    partition: 0,
    controllerEpoch: 1,
    leader: 1,
    leaderEpoch,
    isr: [1, 2, 3],
    partitionEpoch: 4,
    replicas: [1, 2, 3],
    offlineReplicas: [],
  };
}

function told(topicId: string, leaderEpoch: number): MetadataResponseInput {
  const partition = { errorCode: 0, partitionIndex: 0, leaderId: 2, leaderEpoch };
  const nodes = { replicaNodes: [1, 2, 3], isrNodes: [2, 3], offlineReplicas: [1] };
  return { brokers: [], topics: [{ errorCode: 0, name: 't', topicId, partitions: [{ ...partition, ...nodes }] }] };
}

const peers: Peers = {
  lane: ({ brokerId, host }: PeerAddress, clientId: string): PeerLane => ({
    send: async (api, _version, body) => {
      asked.push(`${api.name} by ${clientId} of ${host}`);
      expect(typeof body === 'function' && (body as (version: number) => unknown)(Metadata.maxVersion)).toEqual({
        topics: null,
        allowAutoTopicCreation: false,
      });
      const given = answer(brokerId);
      if (given === undefined) throw new Error('out of reach');
      return given as never;
    },
    reset: () => {},
    close: () => {
      closed += 1;
    },
  }),
};

beforeEach(() => {
  clock = new ManualClock();
  cluster = new ClusterImage();
  [asked, learnt, closed] = [[], [], 0];
  const liveBrokers = [1, 2, 3].map((id) => ({
    id,
    rack: null,
    endpoints: [{ listener: 'BROKERS', securityProtocol: 'PLAINTEXT', host: `host-${id}`, port: 9092 }],
  }));
  cluster.apply({ controllerId: 3, controllerEpoch: 1, brokerEpoch: -1, liveBrokers, partitions: [known(5)] });
  answer = () => told(TOPIC_ID, 5);
  news = new PeerNews({
    brokerId: 1,
    store: {
      onSession: (listener) => {
        session = listener;
        return () => {
          session = () => {};
        };
      },
    },
    cluster,
    peers,
    listener: 'BROKERS',
    clock,
    logger: silentLogger,
    inbox: { learn: async (states) => void learnt.push(states) },
  });
  news.start();
});

describe('a broker whose metadata store is out of reach', () => {
  it('asks the others in turns, over connections that it closes, until the store is back', async () => {
    await clock.advanceAsync(10_000);
    expect(asked).toEqual([]);
    session('disconnected');
    await clock.advanceAsync(1600);
    expect(asked).toEqual(['2', '3', '2'].map((id) => `Metadata by 1 of host-${id}`));
    expect(closed).toBe(3);
    session('connected');
    await clock.advanceAsync(10_000);
    expect(asked).toHaveLength(3);
  });

  it('asks nobody when the store is back in a moment, as when its own server is restarted', async () => {
    session('disconnected');
    await clock.advanceAsync(400);
    session('connected');
    await clock.advanceAsync(10_000);
    expect(asked).toEqual([]);
  });

  it('goes on asking while its session has ended and there is no new one', async () => {
    session('disconnected');
    session('expired');
    await clock.advanceAsync(600);
    session('disconnected');
    await clock.advanceAsync(600);
    expect(asked).toHaveLength(2);
  });

  it('learns of later epochs only, whichever broker knows of them', async () => {
    answer = (id) => (id === 3 ? told(TOPIC_ID, 6) : undefined);
    session('disconnected');
    await clock.advanceAsync(600);
    expect(learnt).toEqual([]);
    await clock.advanceAsync(500);
    const state = { ...known(6), leader: 2, isr: [2, 3], offlineReplicas: [1], partitionEpoch: -1 };
    expect(learnt).toEqual([[state]]);
  });

  it.each([
    ['of another topic of this name', OTHER_ID],
    ['of a topic whose id is not told', 'AAAAAAAAAAAAAAAAAAAAAA'],
  ])('learns nothing of an epoch %s', async (_, topicId) => {
    answer = () => told(topicId, 6);
    session('disconnected');
    await clock.advanceAsync(2000);
    expect(asked.length).toBeGreaterThan(1);
    expect(learnt).toEqual([]);
  });

  it('learns nothing any more of an answer that comes when the store is back', async () => {
    answer = () => {
      session('connected');
      return told(TOPIC_ID, 6);
    };
    session('disconnected');
    await clock.advanceAsync(2000);
    expect([asked.length, learnt]).toEqual([1, []]);
  });

  it('goes on asking after a mistake in the middle of it, which ends nothing else', async () => {
    answer = () => undefined;
    const telling = vi.spyOn(silentLogger, 'debug').mockImplementation(() => {
      throw new TypeError('a mistake');
    });
    session('disconnected');
    await clock.advanceAsync(1100);
    expect([telling.mock.calls.length, asked.length]).toEqual([2, 2]);
    telling.mockRestore();
  });

  it('asks nobody any more when it stops', async () => {
    session('disconnected');
    news.stop();
    session('disconnected');
    await clock.advanceAsync(2000);
    expect(asked).toEqual([]);
  });
});

describe('what another broker knows of a later epoch', () => {
  it('counts until the controller speaks of that epoch itself, and never takes back what it has said', () => {
    const [later, stale] = [{ ...known(6), leader: 2, partitionEpoch: -1 }, known(5)];
    cluster.learn([later]);
    expect(cluster.partition('t', 0)).toBe(later);
    cluster.learn([stale]);
    expect(cluster.partition('t', 0)).toBe(later);
    const said = { ...known(6), leader: 2, partitionEpoch: 0 };
    const header = { controllerId: 3, controllerEpoch: 1, brokerEpoch: -1, liveBrokers: [] };
    cluster.apply({ ...header, partitions: [said] });
    cluster.learn([later]);
    expect(cluster.partition('t', 0)).toBe(said);
  });

  it('says nothing of topics that this one does not know', () => {
    cluster.learn([
      { ...known(6), topic: 'other' },
      { ...known(6), topicId: OTHER_ID },
    ]);
    expect(cluster.topic('other')).toBeUndefined();
    expect(cluster.partition('t', 0)?.leaderEpoch).toBe(5);
  });
});
