import { afterEach, describe, expect, it } from 'vitest';
import type { ConfigEntity } from '../config/config-repository.ts';
import type { ConfigProperties } from '../config/topic-config.ts';
import { encodeConfig, paths } from '../store/znodes.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;

afterEach(() => cluster.stopAll());

const ALLOWED: ConfigProperties = { 'unclean.leader.election.enable': 'true' };
const REFUSED: ConfigProperties = { 'unclean.leader.election.enable': 'false' };
const OF_ALL: ConfigEntity = { type: 'broker', level: 'default' };
const ofTopic = (name: string): ConfigEntity => ({ type: 'topic', name });

/** Topics whose only replica in sync is on broker 2, which is dead; broker 3 lives and is out of sync. */
async function leaderless(topics: Readonly<Record<string, ConfigProperties>>): Promise<void> {
  cluster = await TestReplicas.start(3);
  for (const [topic, configs] of Object.entries(topics)) await cluster.createTopic(topic, [[2, 3]], configs);
  await cluster.kill(3);
  const isAlone = (topic: string): boolean =>
    cluster.broker(2).services.cluster.partition(topic, 0)?.isr.join() === '2';
  await cluster.until('one in sync', () => Object.keys(topics).every(isAlone));
  await cluster.kill(2);
  await cluster.start(3);
  // Long enough for whatever is done from time to time.
  await cluster.pass(1000);
  for (const topic of Object.keys(topics)) expect(await stateOf(topic)).toMatchObject({ leader: -1, isr: [2] });
}

/** Sets configs through a broker, as one does that was asked to. */
async function set(broker: number, entity: ConfigEntity, properties: ConfigProperties): Promise<void> {
  await cluster.broker(broker).services.configRepository.change(entity, () => properties);
  await cluster.settle();
}

async function stateOf(topic: string): Promise<unknown> {
  return JSON.parse((await cluster.store.get(paths.partitionState(topic, 0))).data.toString());
}

const isController = (id: number): boolean => cluster.broker(id).services.controller.isActive;

describe('a partition without a live replica in sync', () => {
  it.each([1, 3])(
    'is led out of sync as soon as its topic allows that, whichever broker is told so (%d)',
    async (id) => {
      await leaderless({ t: {}, other: {} });
      expect([isController(1), isController(3)]).toEqual([true, false]);
      await set(id, ofTopic('t'), ALLOWED);
      expect(await stateOf('t')).toMatchObject({ leader: 3, isr: [3], leader_recovery_state: 1 });
      expect(cluster.leaderOf('t')).toBe(3);
      expect(await stateOf('other')).toMatchObject({ leader: -1, isr: [2] });
    },
  );

  it('is led out of sync as soon as the default of all brokers allows it, but for topics that say no', async () => {
    await leaderless({ t: {}, careful: REFUSED });
    await set(3, OF_ALL, ALLOWED);
    expect(await stateOf('t')).toMatchObject({ leader: 3, isr: [3] });
    expect(await stateOf('careful')).toMatchObject({ leader: -1, isr: [2] });
    // What the topic says no more, the default says.
    await set(3, ofTopic('careful'), {});
    expect(await stateOf('careful')).toMatchObject({ leader: 3, isr: [3] });
  });

  it('is led out of sync as soon as the controller’s own settings allow it, and not by those of another broker', async () => {
    await leaderless({ t: {} });
    await set(3, { type: 'broker', level: 'broker' }, ALLOWED);
    expect(await stateOf('t')).toMatchObject({ leader: -1, isr: [2] });
    await set(1, { type: 'broker', level: 'broker' }, ALLOWED);
    expect(await stateOf('t')).toMatchObject({ leader: 3, isr: [3] });
  });

  it('waits while another config of its topic is set, or it is refused once more', async () => {
    await leaderless({ t: {} });
    await set(1, ofTopic('t'), { ...REFUSED, 'retention.ms': '1000' });
    await set(1, OF_ALL, REFUSED);
    expect(await stateOf('t')).toMatchObject({ leader: -1, isr: [2] });
  });
});

describe('topics that allow a leader out of sync', () => {
  it('are one event of the controller, however many are set at once', async () => {
    await leaderless({ t: {} });
    const { controller, configRepository: configs } = cluster.broker(1).services;
    let longest = 0;
    for (let each = 0; each < 20_000; each += 1) {
      controller.uncleanElectionAllowed(`many-${each}`);
      longest = Math.max(longest, controller.queueLength);
    }
    expect(longest).toBe(1);
    await configs.change(ofTopic('t'), () => ALLOWED);
    await cluster.settle();
    expect(await stateOf('t')).toMatchObject({ leader: 3 });
  });
});

describe('what the store says when a leader is looked for', () => {
  /** Brings topics that allow it to the point at which a leader out of sync would be elected, and has something written behind the brokers' backs. */
  async function electedBehind(node: string, data: Buffer): Promise<void> {
    cluster = await TestReplicas.start(3);
    await cluster.createTopic('t', [[2, 3]], node === paths.topicConfig('t') ? ALLOWED : {});
    if (node !== paths.topicConfig('t')) await set(1, OF_ALL, ALLOWED);
    await cluster.kill(3);
    await cluster.until('one in sync', () => cluster.broker(2).services.cluster.partition('t', 0)?.isr.join() === '2');
    await cluster.store.set(node, data, 'any');
    expect(cluster.broker(1).services.configRepository.logConfig('t').uncleanLeaderElectionEnable).toBe(true);
    await cluster.kill(2);
    await cluster.start(3);
    await cluster.pass(1000);
  }

  it.each([
    ['the topic', paths.topicConfig('t')],
    ['all brokers', paths.brokerConfig('<default>')],
  ])(
    'counts, where another broker has been told to refuse it for %s and this one has not heard of that',
    async (_, node) => {
      await electedBehind(node, encodeConfig(REFUSED));
      expect(await stateOf('t')).toMatchObject({ leader: -1, isr: [2] });
    },
  );

  it('counts as refusing it while nobody can read it', async () => {
    await electedBehind(paths.topicConfig('t'), Buffer.from('{'));
    expect(await stateOf('t')).toMatchObject({ leader: -1, isr: [2] });
  });
});
