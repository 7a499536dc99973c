import { RecordBatchBuilder } from '@millrace/records';
import { describe, expect, it } from 'vitest';
import { fetchAll } from './load.ts';

/** Records that are read at most, where nothing else would end. */
const RECORDS_MAX = 100;

describe('reading a partition that others write to faster than answers come', () => {
  it('ends where the partition ended when the reading began, and would not end by itself', async () => {
    let asked = 0;
    const sendToLeader = async (_: unknown, __: unknown, body: unknown) => {
      const { fetchOffset } = (body as { topics: [{ partitions: [{ fetchOffset: number }] }] }).topics[0].partitions[0];
      asked += 1;
      const batch = new RecordBatchBuilder();
      batch.append(0, null, Buffer.from('v'), []);
      const records = batch.build({ baseOffset: fetchOffset });
      return { errorCode: 0, responses: [{ partitions: [{ errorCode: 0, records }] }] };
    };
    const client = { sendToLeader } as never;
    const read = async (endOffset?: number): Promise<number[]> => {
      const offsets: number[] = [];
      for await (const { offset } of fetchAll(client, 't', 0, 3, endOffset)) {
        offsets.push(offset);
        if (offsets.length === RECORDS_MAX) break;
      }
      return offsets;
    };
    expect(await read(7)).toEqual([3, 4, 5, 6]);
    expect(asked).toBe(4);
    expect(await read()).toHaveLength(RECORDS_MAX);
  });
});
