import type { Operation, OperationResult } from '@millrace/metadata';
import { describe, expect, it } from 'vitest';
import { StateWatch } from './state-watch.ts';

interface Moving {
  readonly adding?: readonly number[];
  readonly removing?: readonly number[];
}

/** What a controller writes of the topic `t`, which has one partition, while its replicas are moved. */
class Topic {
  readonly watch = new StateWatch(() => {});

  is(replicas: readonly number[], { adding, removing }: Moving = {}): this {
    const topic = {
      partitions: { 0: replicas },
      adding_replicas: adding && { 0: adding },
      removing_replicas: removing && { 0: removing },
    };
    const data = Buffer.from(JSON.stringify(topic));
    return this.#applied({ type: 'set', path: '/brokers/topics/t', data, expected: 'any' });
  }

  isDeleted(): this {
    return this.#applied({ type: 'delete', path: '/brokers/topics/t', expected: 'any' });
  }

  #applied(operation: Operation): this {
    this.watch.applied([operation], [{} as OperationResult]);
    return this;
  }
}

describe('moves of replicas', () => {
  const UNDER_WAY = { adding: [4], removing: [3] };

  it('count when they are done, and not before', () => {
    const topic = new Topic().is([1, 2, 3]).is([1, 2, 4, 3], UNDER_WAY);
    expect(topic.watch.movesDone).toBe(0);
    expect(topic.is([1, 2, 4]).watch.movesDone).toBe(1);
  });

  it('count when there are fewer replicas', () => {
    expect(
      new Topic()
        .is([1, 2, 3])
        .is([1, 2, 3], { removing: [3] })
        .is([1, 2]).watch.movesDone,
    ).toBe(1);
  });

  it('do not count when they are cancelled, nor when they lead back', () => {
    expect(new Topic().is([1, 2, 3]).is([1, 2, 4, 3], UNDER_WAY).is([1, 2, 3]).watch.movesDone).toBe(0);
    expect(
      new Topic()
        .is([1, 2, 3])
        .is([1, 2, 4, 3], UNDER_WAY)
        .is([2, 1, 3, 4], { removing: [4] })
        .is([2, 1, 3]).watch.movesDone,
    ).toBe(0);
  });

  it('do not count when the topic is deleted meanwhile', () => {
    const topic = new Topic().is([1, 2, 3]).is([1, 2, 4, 3], UNDER_WAY).isDeleted().is([2, 3, 4]);
    expect(topic.watch.movesDone).toBe(0);
    expect([...topic.watch.assignments()]).toEqual([{ topic: 't', partition: 0, replicas: [2, 3, 4] }]);
  });
});

describe('who comes into sync', () => {
  const path = '/brokers/topics/t/partitions/0/state';
  const inSync = (isr: readonly number[]): Operation => ({
    type: 'set',
    path,
    data: Buffer.from(JSON.stringify({ leader: 1, leader_epoch: 0, controller_epoch: 1, isr })),
    expected: { exactly: 0 },
  });
  const assigned = (replicas: readonly number[], adding: readonly number[] = []): Operation => ({
    type: 'set',
    path: '/brokers/topics/t',
    data: Buffer.from(JSON.stringify({ partitions: { 0: replicas }, adding_replicas: { 0: adding } })),
    expected: { exactly: 0 },
  });

  function protestsOf(...operations: readonly Operation[]): string[] {
    const protests: string[] = [];
    const watch = new StateWatch((anomaly, _, message) => protests.push(`${anomaly}: ${message}`));
    for (const each of operations) watch.applied([each], [{} as OperationResult]);
    return protests;
  }

  it('has a replica, or is about to have one', () => {
    expect(protestsOf(assigned([1, 2]), inSync([1, 2]), assigned([1, 2, 3], [3]), inSync([1, 2, 3]))).toEqual([]);
  });

  it('is a bad state where it has none', () => {
    const bad = 'bad-state: 3 comes into sync (1,3), and has no replica';
    expect(protestsOf(assigned([1, 2]), inSync([1]), inSync([1, 3]))).toEqual([bad]);
  });

  it('may be in sync for a moment longer than it has a replica, and not again', () => {
    const cancelled = [assigned([1, 2, 3], [3]), inSync([1, 2, 3]), assigned([1, 2]), inSync([1, 3])];
    expect(protestsOf(...cancelled)).toEqual([]);
    expect(protestsOf(...cancelled, inSync([1]), inSync([1, 3]))).toHaveLength(1);
  });
});

describe('leaders that were not in sync', () => {
  const state = (leader: number, leaderEpoch: number, isr: readonly number[]): Operation => ({
    type: 'set',
    path: '/brokers/topics/t/partitions/0/state',
    data: Buffer.from(JSON.stringify({ leader, leader_epoch: leaderEpoch, controller_epoch: 1, isr })),
    expected: { exactly: 0 },
  });

  function protestsOf(allows: boolean, ...states: readonly Operation[]): { protests: string[]; watch: StateWatch } {
    const protests: string[] = [];
    const watch = new StateWatch((anomaly, _, message) => protests.push(`${anomaly}: ${message}`));
    if (allows) watch.uncleanTopics.add('t');
    for (const each of states) watch.applied([each], [{} as OperationResult]);
    return { protests, watch };
  }

  it('are bad states, but where the topic allows them, alone in sync', () => {
    const alone = [state(1, 1, [1]), state(2, 2, [2])];
    expect(protestsOf(false, ...alone).protests).toEqual([
      'bad-state: 2 is elected, and was not in sync (1)',
      'bad-state: with a new leader the replicas in sync become 2, and were 1',
    ]);
    const { protests, watch } = protestsOf(true, ...alone);
    expect([protests, watch.uncleanEpoch('t-0'), watch.uncleanElections]).toEqual([[], 2, 1]);
    const together = protestsOf(true, state(1, 1, [1]), state(2, 2, [2, 3]));
    expect([together.protests.length, together.watch.uncleanEpoch('t-0')]).toEqual([2, -1]);
  });
});
