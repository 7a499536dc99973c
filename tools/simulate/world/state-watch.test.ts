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
