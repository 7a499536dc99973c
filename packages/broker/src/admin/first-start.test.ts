import { ErrorCode, FindCoordinator } from '@millrace/protocol';
import { expect, it } from 'vitest';
import { TestReplicas } from '../testing/test-replicas.ts';

it('a group is coordinated by nobody while brokers start one by one, until its topic can have three replicas', async () => {
  const cluster = await TestReplicas.start(1);
  try {
    const asked = async (id: number): Promise<number> => {
      const answer = await cluster.ask(id, FindCoordinator, 3, { key: 'g', keyType: 0 });
      await cluster.pass(500);
      return answer.errorCode;
    };
    for (const id of [1, 2]) {
      if (id > 1) await cluster.start(id);
      for (let attempt = 0; attempt < 3; attempt += 1) {
        expect(await asked(id)).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
      }
      expect(await cluster.store.exists('/brokers/topics/__consumer_offsets')).toBeUndefined();
    }
    await cluster.start(3);
    let errorCode: number = ErrorCode.COORDINATOR_NOT_AVAILABLE;
    for (let attempt = 0; attempt < 10 && errorCode !== ErrorCode.NONE; attempt += 1) errorCode = await asked(3);
    expect(errorCode).toBe(ErrorCode.NONE);
    const { data } = await cluster.store.get('/brokers/topics/__consumer_offsets');
    const { partitions } = JSON.parse(data.toString()) as { partitions: Record<string, number[]> };
    expect(Object.values(partitions).map((replicas) => replicas.toSorted().join())).toEqual(['1,2,3', '1,2,3']);
  } finally {
    await cluster.stopAll();
  }
});
