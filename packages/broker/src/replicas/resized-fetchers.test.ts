import { Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { batchOf } from '../testing/test-broker.ts';
import { TestReplicas } from '../testing/test-replicas.ts';

let cluster: TestReplicas;
afterEach(() => cluster.stopAll());

/** Two brokers, of which the first leads four partitions; and the fetchers that the second opens ways for. */
async function following(): Promise<string[]> {
  cluster = await TestReplicas.start(2);
  const opened: string[] = [];
  cluster.lineFault = (clientId) => {
    if (clientId.startsWith('broker-2-fetcher')) opened.push(clientId);
    return undefined;
  };
  await cluster.createTopic(
    't',
    [0, 1, 2, 3].map(() => [1, 2]),
  );
  return opened;
}

async function produce(index: number, acks = -1): Promise<number | undefined> {
  const topicData = [{ name: 't', partitionData: [{ index, records: batchOf(['a']) }] }];
  const answer = cluster.ask(1, Produce, 9, { acks, timeoutMs: 5000, topicData });
  await cluster.pass(100);
  return (await answer).responses[0]?.partitionResponses[0]?.errorCode;
}

async function setFetchers(count: number): Promise<void> {
  const { configRepository } = cluster.broker(2).services;
  await configRepository.change({ type: 'broker', level: 'broker' }, () => ({ 'num.replica.fetchers': `${count}` }));
  await cluster.settle();
}

describe('num.replica.fetchers of a broker that runs', () => {
  it('has as many fetchers at work from then on, and all that is followed stays in sync', async () => {
    const opened = await following();
    expect(opened).toEqual(['broker-2-fetcher-0']);
    await setFetchers(2);
    expect(opened.slice(1).toSorted()).toEqual(['broker-2-fetcher-0', 'broker-2-fetcher-1']);
    for (const partition of [0, 1, 2, 3]) expect(await produce(partition)).toBe(0);
    await setFetchers(1);
    expect(opened.slice(3)).toEqual(['broker-2-fetcher-0']);
    for (const partition of [0, 1, 2, 3]) expect(await produce(partition)).toBe(0);
    expect([0, 1, 2, 3].map((partition) => cluster.partition(1, 't', partition).isr.length)).toEqual([2, 2, 2, 2]);
  });

  it('tries one again that could not be given to its fetcher, and holds no other up', async () => {
    await following();
    let faults = 0;
    cluster.lineFault = (clientId) => {
      if (clientId !== 'broker-2-fetcher-1' || faults > 0) return undefined;
      faults += 1;
      throw new Error('no way to a leader');
    };
    await setFetchers(2);
    expect(faults).toBe(1);
    await cluster.pass(2000);
    for (const partition of [0, 1, 2, 3]) expect(await produce(partition)).toBe(0);
  });

  it('has no partition led before the fetcher that it is taken from has let go of its log', async () => {
    await following();
    const { log } = cluster.partition(2, 't');
    const append = log.append.bind(log);
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    vi.spyOn(log, 'append').mockImplementationOnce((...args) => held.then(() => append(...args)));
    expect(await produce(0, 1)).toBe(0);
    await setFetchers(2);
    await cluster.kill(1);
    await cluster.pass(1000);
    expect(cluster.leaderOf('t')).toBe(-1);
    goOn();
    await cluster.until('it leads', () => cluster.leaderOf('t') === 2);
    expect(log.logEndOffset).toBe(1);
  });
});
