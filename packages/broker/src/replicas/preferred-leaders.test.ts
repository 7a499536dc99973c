import { afterEach, describe, expect, it } from 'vitest';
import { TestReplicas } from '../testing/test-replicas.ts';

const CHECK_SECONDS = 20;
const CHECK_MS = CHECK_SECONDS * 1000;

let cluster: TestReplicas;
afterEach(() => cluster.stopAll());

/** Broker 2 has been away, and is in sync again: broker 3 leads the two partitions that it should lead. */
async function afterReturn(settings: Readonly<Record<string, string>>): Promise<void> {
  cluster = await TestReplicas.start(3, {
    'leader.imbalance.check.interval.seconds': `${CHECK_SECONDS}`,
    ...settings,
  });
  await cluster.createTopic('t', [
    [2, 3, 1],
    [2, 3, 1],
  ]);
  // What is there is looked over soon after the controller has taken office, too.
  await cluster.pass(CHECK_MS);
  await cluster.kill(2);
  await cluster.start(2);
  const isrs = (): string[] => [0, 1].map((partition) => cluster.partition(3, 't', partition).isr.toSorted().join());
  await cluster.until('all are in sync', () => isrs().every((isr) => isr === '1,2,3'));
}

const leaders = (): number[] => [0, 1].map((partition) => cluster.leaderOf('t', partition));

describe('brokers that should lead more than they do', () => {
  it('are given it back at the next check, without anybody asking', async () => {
    await afterReturn({});
    expect(leaders()).toEqual([3, 3]);
    await cluster.pass(CHECK_MS, 500);
    expect(leaders()).toEqual([2, 2]);
  });

  it('are not where that is switched off (auto.leader.rebalance.enable)', async () => {
    await afterReturn({ 'auto.leader.rebalance.enable': 'false' });
    await cluster.pass(3 * CHECK_MS, 500);
    expect(leaders()).toEqual([3, 3]);
  });

  it('are not where so much of it may be led by others (leader.imbalance.per.broker.percentage)', async () => {
    await afterReturn({ 'leader.imbalance.per.broker.percentage': '100' });
    await cluster.pass(3 * CHECK_MS, 500);
    expect(leaders()).toEqual([3, 3]);
  });
});
