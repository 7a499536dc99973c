import { Producer } from '@millrace/producer';
import { RecordBatchBuilder } from '@millrace/records';
import { startBroker } from '@millrace/testing';
import { describe, expect, it } from 'vitest';
import { until } from '../compat/suite.ts';
import { Ledger } from './ledger.ts';
import { fetchAll, GroupMember } from './load.ts';

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

describe("a group's member that reads from before what the group has committed", () => {
  it('is a violation, which tells what is committed at that moment', async () => {
    const broker = await startBroker({ topics: ['t'] });
    const { bootstrapServers } = broker;
    const ledger = new Ledger();
    ledger.committed('g', 0, 40);
    const member = new GroupMember({ bootstrapServers, topic: 't', partitions: 1, ledger }, 'g');
    try {
      await using producer = new Producer({ bootstrapServers });
      await producer.send({ topic: 't', value: 'v' });
      await member.start();
      await until('the record is read', () => ledger.violationCount > 0);
      const said =
        /^group g read partition 0 from 0 after it had committed 40, \d+ ms after its member had joined; what it has committed now: nothing$/;
      expect(ledger.violations).toEqual([expect.stringMatching(said)]);
    } finally {
      await member.stop();
      await broker.close();
    }
  });
});
