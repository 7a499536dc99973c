import { ErrorCode, Fetch, Metadata } from '@millrace/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerUnderTest, batchOf, fetchBody, fetchFrom, produceTo } from './testing/test-broker.ts';

const METADATA = '/data/t-0/partition.metadata';

let test: BrokerUnderTest;

beforeEach(async () => {
  test = await BrokerUnderTest.start();
});

afterEach(() => test.stop());

describe('a broker', () => {
  it('keeps topics, ids, records and its cluster id over a restart', async () => {
    await test.createTopic('t', 3);
    await produceTo(test, 't', batchOf(['a', 'b']));
    const ask = () => test.connect().ask(Metadata, 12, { topics: [{ name: 't' }] });
    const before = await ask();
    await test.restart();
    const after = await ask();
    expect(after.clusterId).toBe(before.clusterId);
    expect(after.topics[0]).toMatchObject({ topicId: before.topics[0]!.topicId });
    expect(after.topics[0]?.partitions.map(({ leaderId, leaderEpoch }) => [leaderId, leaderEpoch])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    expect((await fetchFrom(test, 't', 0)).responses[0]?.partitions[0]).toMatchObject({
      errorCode: 0,
      highWatermark: 2,
    });
    expect(await produceTo(test, 't', batchOf(['c']))).toBe(2);
  });

  it('deletes nothing because partition.metadata names another topic', async () => {
    await test.createTopic('t');
    await produceTo(test, 't', batchOf(['a']));
    await test.disk.replaceFile(METADATA, Buffer.from('version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ'));
    await test.restart();
    expect(await produceTo(test, 't', batchOf(['b']))).toBe(0);
    await test.clock.advanceAsync(600_000);
    const stray = test.disk.filesBelow('/data').filter(({ path }) => /t-0\.\w+-stray\/\d+\.log$/.test(path));
    expect(stray).toHaveLength(1);
  });

  it.each([0, 12, 25, 42])(
    'keeps a log of whose partition.metadata a power loss has left %i bytes, and writes it anew',
    async (left) => {
      await test.createTopic('t');
      await produceTo(test, 't', batchOf(['a']));
      const whole = Buffer.from(test.disk.peek(METADATA));
      expect(whole.length).toBe(43);
      await test.disk.replaceFile(METADATA, whole.subarray(0, left));
      await test.restart();
      expect(await produceTo(test, 't', batchOf(['b']))).toBe(1);
      expect(Buffer.from(test.disk.peek(METADATA)).toString()).toBe(whole.toString());
    },
  );

  it('starts without recovery after an orderly stop', async () => {
    await test.createTopic('t');
    await produceTo(test, 't', batchOf(['a']));
    await test.restart();
    const recoveries = [...test.broker.services.replicas.partitions].map(({ log }) => log.recovery.scannedBytes);
    expect(recoveries).toEqual([0]);
  });

  it('says of a log folder that fails at its start what is to be done, and goes on with the others', async () => {
    const makeFolder = test.disk.makeFolder.bind(test.disk);
    test.disk.makeFolder = (folder) =>
      folder === '/full'
        ? Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
        : makeFolder(folder);
    await test.restart({ 'log.dirs': '/data,/full' });
    expect(test.told.filter((line) => line.includes('/full'))).toEqual([
      'error The log folder /full could not be opened: mend what is the matter, then start the broker again; its partitions are offline until then',
    ]);
  });

  it('refuses requests before it has started', () => {
    const { broker } = BrokerUnderTest.make();
    expect(() => broker.requestHandler).toThrowError(expect.objectContaining({ code: 'BROKER_NOT_RUNNING' }));
  });

  it('registers anew when its session has expired, and takes office again', async () => {
    await test.createTopic('t');
    const epoch = test.broker.services.controller.epoch;
    await test.expireSession();
    // A registration that meets the one of the lost session tries again after a while.
    for (let second = 0; second < 30 && !test.broker.services.controller.isActive; second += 1) {
      await test.clock.advanceAsync(1000);
    }
    expect(test.broker.services.controller.epoch).toBeGreaterThan(epoch);
    await test.createTopic('u');
    expect(await produceTo(test, 'u', batchOf(['a']))).toBe(0);
  });

  it('answers who waits when it is about to stop', async () => {
    await test.createTopic('t');
    const answer = test.connect().ask(Fetch, 11, fetchBody({ topic: 't' }, 0, { maxWaitMs: 60_000 }));
    test.broker.finishWaits();
    expect((await answer).responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.NONE);
  });

  it('gives a topic that is deleted and made anew nothing of the old one', async () => {
    await test.createTopic('t');
    await produceTo(test, 't', batchOf(['a', 'b']));
    const { topicAdmin } = test.broker.services;
    const [outcome] = await topicAdmin.deleteTopics(['t'], { timeoutMs: 1000 });
    expect(outcome?.errorCode).toBe(0);
    expect((await fetchFrom(test, 't', 0)).responses[0]?.partitions[0]?.errorCode).toBe(
      ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    );
    await test.createTopic('t');
    expect(await produceTo(test, 't', batchOf(['c']))).toBe(0);
  });

  it('takes up changed topic configs at once', async () => {
    await test.createTopic('t');
    const { configRepository: configs } = test.broker.services;
    await configs.change({ type: 'topic', name: 't' }, () => ({ 'max.message.bytes': '100' }));
    await expect(produceTo(test, 't', batchOf(['x'.repeat(200)]))).rejects.toThrow(
      `error ${ErrorCode.MESSAGE_TOO_LARGE}`,
    );
  });
});
