/** What one transaction costs a broker that syncs before every acknowledgement: what it writes and syncs, and in how many steps. */
import { FindCoordinator, Produce } from '@millrace/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest, batchOf, produceBody } from '../testing/test-broker.ts';
import { TestProducer } from '../testing/test-transactions.ts';

const GROUP = 'group';
const STATE = ['__transaction_state-0'];
const OFFSETS = ['__consumer_offsets-0'];

let test: BrokerUnderTest;
afterEach(() => test.stop());

async function rest(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * What is synced, step by step: a step ends where something is written after a sync, for that waits for what the sync has made durable. Each
 * step is the folders that are synced in it; whatever is written is synced in the same step.
 */
class Steps {
  readonly done: string[][] = [];
  #written: string[] = [];
  #synced: string[] = [];

  /** To be told of each call on the disk. */
  take(kind: string, path: string): void {
    const folder = path.split('/').at(-2) ?? path;
    if (kind === 'write') {
      if (this.#synced.length > 0) this.end();
      this.#written.push(folder);
    } else if (kind === 'sync') {
      this.#synced.push(folder);
    }
  }

  end(): void {
    expect(this.#synced.sort()).toEqual(this.#written.sort());
    if (this.#synced.length > 0) this.done.push(this.#synced);
    this.#written = [];
    this.#synced = [];
  }
}

/** A broker with one transaction behind it, so that nothing is made for the first time. */
async function started(partitions: number, isRaising: boolean): Promise<TestProducer> {
  test = await BrokerUnderTest.start({
    'log.flush.interval.messages': '1',
    'transaction.state.log.num.partitions': '1',
    'offsets.topic.num.partitions': '1',
  });
  await test.createTopic('t', partitions);
  await test.connect().ask(FindCoordinator, 3, { key: GROUP, keyType: 0 });
  return TestProducer.start(test, 'id', isRaising);
}

/** A record for each partition, in one request. */
async function write(producer: TestProducer, indexes: readonly number[]): Promise<void> {
  const { producerId, epoch: producerEpoch, sequence: baseSequence, isRaising, id: transactionalId } = producer;
  if (!isRaising) expect(await producer.add('t', indexes)).toBe(0);
  const records = batchOf(['value'], { producerId, producerEpoch, baseSequence, isTransactional: true });
  const topicData = [{ name: 't', partitionData: indexes.map((index) => ({ index, records })) }];
  const body = produceBody('t', null, { transactionalId, topicData });
  const answer = await producer.connection.ask(Produce, isRaising ? 12 : 9, body);
  const codes = answer.responses[0]?.partitionResponses.map(({ errorCode }) => errorCode);
  expect(codes).toEqual(indexes.map(() => 0));
  producer.sequence += 1;
}

async function writeOffsets(producer: TestProducer): Promise<void> {
  if (!producer.isRaising) expect(await producer.addOffsets(GROUP)).toBe(0);
  expect(await producer.commitOffset(GROUP, 't', 7)).toBe(0);
}

/** The steps until the commit of a transaction is answered, and those after it. */
async function costOf(producer: TestProducer, indexes: readonly number[], hasOffsets: boolean) {
  const steps = new Steps();
  const { promise: isAnswered, resolve: answered } = Promise.withResolvers<void>();
  let isEnding = false;
  test.disk.fault = async ({ kind, path }) => {
    // Markers wait until the commit is answered, which does not wait for them.
    if (isEnding && !path.includes(STATE[0]!)) await isAnswered;
    steps.take(kind, path);
    return undefined;
  };
  await write(producer, indexes);
  if (hasOffsets) await writeOffsets(producer);
  isEnding = true;
  expect(await producer.end(true)).toBe(0);
  steps.end();
  const until = steps.done.splice(0);
  answered();
  await rest();
  steps.end();
  test.disk.fault = undefined;
  return { until, after: steps.done };
}

describe.each([false, true])('a transaction that raises the epoch at its end: %s,', (isRaising) => {
  it.each([1, 3, 12])(
    'of %d partitions is committed with three syncs in a row, and two behind its answer',
    async (count) => {
      const producer = await started(count, isRaising);
      const indexes = [...Array(count).keys()];
      const partitions = indexes.map((index) => `t-${index}`).sort();
      for (let time = 0; time < 3; time += 1) {
        const cost = await costOf(producer, indexes, false);
        if (time > 0) expect(cost).toEqual({ until: [STATE, partitions, STATE], after: [partitions, STATE] });
      }
    },
  );

  it('with offsets of a group that are sent after its records is committed with five, and two behind its answer', async () => {
    const producer = await started(1, isRaising);
    await costOf(producer, [0], true);
    expect(await costOf(producer, [0], true)).toEqual({
      until: [STATE, ['t-0'], STATE, OFFSETS, STATE],
      after: [[...OFFSETS, 't-0'], STATE],
    });
  });
});
