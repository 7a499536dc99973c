import { createRequire } from 'node:module';
import { Admin } from '@millrace/admin';
import { Producer } from '@millrace/producer';
import { RecordBatchBuilder } from '@millrace/records';
import { startBroker, startCluster, type TestBroker, type TestCluster } from '@millrace/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
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

const TWO_BROKERS_MS_MAX = 60_000;

/** What a broker of kafkajs is asked, as far as these tests meddle with it. */
interface AskedBroker {
  readonly nodeId: number;
  fetch(asked: { topics: { partitions: { partition: number; fetchOffset: string }[] }[] }): Promise<{
    responses: { partitions: { messages: unknown[] }[] }[];
  }>;
  offsetCommit(asked: { topics: { partitions: { partition: number }[] }[] }): Promise<unknown>;
}

// The package has no types for its inner modules.
const asked = (createRequire(import.meta.url)('kafkajs/src/broker') as { readonly prototype: AskedBroker }).prototype;

/** A gate that is closed until it is opened. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

describe("a group's member", () => {
  let broker: TestBroker;
  let ledger: Ledger;
  let member: GroupMember;
  let producer: Producer;

  beforeEach(async () => {
    broker = await startBroker({ topics: ['t'] });
    const { bootstrapServers } = broker;
    ledger = new Ledger();
    member = new GroupMember({ bootstrapServers, topic: 't', partitions: 1, ledger }, 'g');
    producer = new Producer({ bootstrapServers });
    for (let n = 0; n < 5; n += 1) await producer.send({ topic: 't', value: 'v' });
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    await member.stop();
    await producer.close();
    await broker.close();
  });

  it('that is told less than its group has committed is a violation', async () => {
    ledger.committed('g', 0, 40);
    await member.start();
    await until('the records are read', () => member.recordsRead > 0);
    expect(ledger.violations).toEqual(['group g, as its member was told, went back in partition 0: nothing after 40']);
  });

  it('that leaves out what it has not read is a violation', async () => {
    await using admin = new Admin({ bootstrapServers: broker.bootstrapServers });
    await admin.alterGroupOffsets('g', [{ topic: 't', partition: 0, offset: 3 }]);
    await member.start();
    await until('the records are read', () => member.recordsRead > 0);
    expect(ledger.violations).toEqual(['group g left out records 0 to 2 of partition 0']);
  });

  it('that stops while its commit is not acknowledged has committed nothing', async () => {
    let commits = 0;
    vi.spyOn(asked, 'offsetCommit').mockImplementation(async () => {
      commits += 1;
      throw new Error('no broker can be reached');
    });
    await member.start();
    await until('there are commits', () => commits > 1);
    await member.stop();
    expect(ledger.commitsAcknowledged).toBe(0);
  });
});

describe("a group's member whose partition gets another leader while a batch of it is at work", () => {
  let cluster: TestCluster;
  afterEach(async () => {
    vi.restoreAllMocks();
    await cluster.close();
  });

  /** Holds its commit until the next leader has read the same records for it, and the answer of that until the commit is done. */
  async function readTwice(member: GroupMember, ledger: Ledger): Promise<void> {
    const [begun, moved, committing, fetched, committed] = [gate(), gate(), gate(), gate(), gate()];
    const { fetch, offsetCommit } = asked;
    let commits = 0;
    vi.spyOn(asked, 'offsetCommit').mockImplementation(async function (this: AskedBroker, request) {
      commits += 1;
      begun.open();
      if (commits === 1) {
        await moved.opened;
        // What it hears from a coordinator that has resigned, upon which it looks up leaders anew.
        throw Object.assign(new Error('moved'), { type: 'NOT_COORDINATOR_FOR_GROUP' });
      }
      if (commits === 2) await committing.opened;
      return offsetCommit.call(this, request);
    });
    vi.spyOn(asked, 'fetch').mockImplementation(async function (this: AskedBroker, request) {
      const answer = await fetch.call(this, request);
      const isNextLeader = this.nodeId === 2 && commits === 2;
      if (
        !isNextLeader ||
        !answer.responses.some((topic) => topic.partitions.some((each) => each.messages.length > 0))
      ) {
        return answer;
      }
      fetched.open();
      await committed.opened;
      return answer;
    });
    await member.start();
    await begun.opened;
    await cluster.moveLeader('t', 0, 2);
    moved.open();
    await fetched.opened;
    committing.open();
    await until('the commit is acknowledged', () => ledger.commitsAcknowledged === 1);
    committed.open();
  }

  it(
    'reads it again, which says nothing of the brokers, and does not commit it again',
    async () => {
      cluster = await startCluster({ brokers: 2, topics: ['t'] });
      await cluster.moveLeader('t', 0, 1);
      const { bootstrapServers } = cluster;
      await using producer = new Producer({ bootstrapServers });
      const records = Array.from({ length: 5 }, () => ({ topic: 't', value: 'v' }));
      await Promise.all(records.map((record) => producer.send(record)));
      const ledger = new Ledger();
      const member = new GroupMember({ bootstrapServers, topic: 't', partitions: 1, ledger }, 'g');
      try {
        await readTwice(member, ledger);
        await until('the records are read again', () => member.recordsRead > records.length);
        await producer.send({ topic: 't', value: 'v' });
        await until('the next commit', () => ledger.committedOffset('g', 0) === 6);
        expect(member.recordsRead).toBe(11);
        expect(ledger).toMatchObject({ commitsAcknowledged: 2, violations: [] });
      } finally {
        await member.stop();
      }
    },
    TWO_BROKERS_MS_MAX,
  );
});
