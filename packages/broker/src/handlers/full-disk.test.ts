/** What a broker says of a disk that has no room: its log is all that somebody reads who is not a client. */
import { ErrorCode, FindCoordinator } from '@millrace/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BrokerUnderTest, batchOf, produceTo } from '../testing/test-broker.ts';
import { TestProducer } from '../testing/test-transactions.ts';

let test: BrokerUnderTest;

beforeEach(async () => {
  test = await BrokerUnderTest.start({ 'transaction.state.log.num.partitions': '1' });
  await test.createTopic('t');
});
afterEach(() => test.stop());

async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    test.clock.advance(1000);
    await new Promise(setImmediate);
  }
}

it('is told of at once when a coordinator meets it, and a transaction that cannot be aborted with it', async () => {
  await test.connect().ask(FindCoordinator, 3, { key: 'group', keyType: 0 });
  const producer = await TestProducer.start(test, 'id');
  await producer.init(20_000);
  await producer.add('t');
  expect(await producer.produce('t', ['a'])).toBe(ErrorCode.NONE);
  test.disk.capacityBytes = test.disk.usedBytes;
  test.told.length = 0;
  await pass(25);
  expect(test.told).toContainEqual('info Aborting a transaction that took too long');
  expect(test.told).toContainEqual(expect.stringMatching(/^error Records are refused .*ENOSPC/));
  await pass(55);
  const wordy = 'warn A transaction that took too long could not be aborted: nothing can be written; tried again';
  const counts = Map.groupBy(test.told, (line) => line.replace(/: .*/, ''));
  for (const [line, lines] of counts)
    expect([line, lines.length], line).toEqual([line, expect.toSatisfy((n) => n <= 2)]);
  expect(test.told.filter((line) => line === wordy).length).toBeGreaterThan(0);
  test.disk.capacityBytes = Number.POSITIVE_INFINITY;
  await pass(11);
  await produceTo(test, 't', batchOf(['b']));
});
