/** What a broker's metrics tell of transactions, as they begin, wait and end. */
import type { LogManager } from '@millrace/log';
import { ErrorCode, FindCoordinator } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { exposeRooms } from '../broker-gauges.ts';
import { refused } from '../replicas/partition.ts';
import { type MetricLabels, noMetrics } from '../shared/metrics.ts';
import { isRefusal } from '../shared/refusal.ts';
import { BrokerUnderTest } from '../testing/test-broker.ts';
import { TestProducer } from '../testing/test-transactions.ts';

type Read = () => number | Iterable<readonly [MetricLabels, number]>;

let test: BrokerUnderTest;
beforeEach(async () => {
  test = await BrokerUnderTest.start({ 'transaction.state.log.num.partitions': '1' });
  await test.createTopic('t', 2);
  await test.connect().ask(FindCoordinator, 3, { key: 'id', keyType: 1 });
});
afterEach(() => test.stop());

/** A gauge of those whose names end so. */
function gauge(name: string): Read {
  const readers: [string, Read][] = [];
  const metrics = { ...noMetrics, gauge: (full: string, _: string, read: Read) => void readers.push([full, read]) };
  const { services } = test.broker;
  exposeRooms({ ...services, metrics }, services.controller, {} as LogManager);
  const found = readers.filter(([full]) => full.endsWith(name));
  expect(found).toHaveLength(1);
  return found[0]![1];
}

function count(state: string): number | undefined {
  const counts = gauge('millrace_transactions')() as Iterable<readonly [MetricLabels, number]>;
  return [...counts].find(([labels]) => labels['state'] === state)?.[1];
}

async function rest(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('the metrics of transactions', () => {
  it('tell for how long the oldest is open, and in which states ids are', async () => {
    const oldest = gauge('oldest_open_ms');
    expect([oldest(), count('Empty'), count('Ongoing')]).toEqual([0, 0, 0]);
    const [first, second] = [await TestProducer.start(test, 'id'), await TestProducer.start(test, 'second')];
    expect([oldest(), count('Empty'), count('Ongoing')]).toEqual([0, 2, 0]);
    await first.add('t');
    test.clock.advance(2000);
    await second.add('t');
    test.clock.advance(1000);
    expect([oldest(), count('Empty'), count('Ongoing')]).toEqual([3000, 0, 2]);
    await first.end(true);
    await rest();
    expect([oldest(), count('CompleteCommit'), count('Ongoing')]).toEqual([1000, 1, 1]);
    await second.end(false);
    await rest();
    expect([oldest(), count('CompleteAbort'), count('Ongoing')]).toEqual([0, 1, 0]);
  });

  it('count the markers of partitions that nobody leads for as long as nobody does', async () => {
    const waiting = gauge('unknowndestinationqueuesize');
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t', [0, 1]);
    expect(waiting()).toBe(0);
    const { cluster } = test.broker.services;
    const partition = cluster.partition.bind(cluster);
    const leaderless = vi.spyOn(cluster, 'partition');
    leaderless.mockImplementation((topic, index) => {
      const found = partition(topic, index);
      return topic === 't' && found !== undefined ? { ...found, leader: -1 } : found;
    });
    await producer.end(true);
    await rest();
    expect(waiting()).toBe(2);
    leaderless.mockRestore();
    test.clock.advance(100);
    await rest();
    expect([waiting(), count('CompleteCommit')]).toEqual([0, 1]);
  });

  it('count the transactions whose end could not be written down, until it is', async () => {
    const waiting = gauge('logappendretryqueuesize');
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t', [0, 1]);
    const log = test.broker.services.replicas.find('__transaction_state', 0);
    if (isRefusal(log)) throw new Error('It has no leader');
    const append = log.append.bind(log);
    let appends = 0;
    const refusing = vi.spyOn(log, 'append').mockImplementation((...given) => {
      appends += 1;
      // The decision is written, and what follows it is not.
      return appends > 1 ? refused(ErrorCode.NOT_ENOUGH_REPLICAS, 0) : append(...given);
    });
    expect(await producer.end(true)).toBe(0);
    await rest();
    expect([waiting(), count('PrepareCommit')]).toEqual([1, 1]);
    refusing.mockRestore();
    test.clock.advance(100);
    await rest();
    expect([waiting(), count('CompleteCommit')]).toEqual([0, 1]);
  });

  it('count the partitions whose records came without their being in the transaction', async () => {
    const failures = () => test.counted.get('kafka_server_addpartitionstotxnmanager_verificationfailures_total') ?? 0;
    const producer = await TestProducer.start(test, 'id');
    await producer.add('t');
    expect(await producer.produce('t', ['a'])).toBe(0);
    expect(failures()).toBe(0);
    producer.sequence = 0;
    expect(await producer.produce('t', ['b'], 1)).toBe(ErrorCode.INVALID_TXN_STATE);
    expect(failures()).toBe(1);
    await producer.add('t', [1]);
    expect(await producer.produce('t', ['b'], 1)).toBe(0);
    expect(failures()).toBe(1);
  });
});
