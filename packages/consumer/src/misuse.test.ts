import { describe, expect, it } from 'vitest';
import { Consumer } from './consumer.ts';
import { BatchIterator, RecordIterator } from './reading/iterators.ts';
import { newHarness } from './testing/harness.ts';
import { assigned, filled, run } from './testing/reading.ts';

const bootstrapServers = '127.0.0.1:1';
const eachRecord = (): void => {};

/** Everything that waits for records. */
const WAYS: [string, (consumer: Consumer) => Promise<unknown>][] = [
  ['a loop over records', (consumer) => consumer[Symbol.asyncIterator]().next()],
  ['a loop over batches', (consumer) => consumer.batches().next()],
  ['run with eachRecord', (consumer) => consumer.run({ eachRecord })],
  ['run with eachBatch', (consumer) => consumer.run({ eachBatch() {} })],
];

/** Everything that is done to all partitions where none is named. */
const TO_ALL: [string, (consumer: Consumer) => void][] = [
  ['seekToBeginning', (consumer) => consumer.seekToBeginning()],
  ['seekToEnd', (consumer) => consumer.seekToEnd()],
  ['seekToTimestamp', (consumer) => consumer.seekToTimestamp(0)],
  ['pause', (consumer) => consumer.pause()],
  ['resume', (consumer) => consumer.resume()],
];

describe('a consumer that would wait for ever', () => {
  it.each(WAYS)('says at once that nothing is subscribed or assigned: %s', async (_name, read) => {
    await using member = new Consumer({ bootstrapServers, groupId: 'g' });
    await expect(read(member)).rejects.toMatchObject({
      code: 'CONSUMER_INVALID_STATE',
      message: expect.stringMatching(/nothing is subscribed or assigned; subscribe\(\) to topics, or assign\(\)/),
    });
    await using loner = new Consumer({ bootstrapServers });
    loner.assign([]);
    await expect(read(loner)).rejects.toMatchObject({
      code: 'CONSUMER_INVALID_STATE',
      message: expect.stringContaining('assigned; assign() partitions before'),
    });
  });

  it.each(WAYS)('says at once that it is closed: %s', async (_name, read) => {
    const consumer = new Consumer({ bootstrapServers });
    consumer.assign([{ topic: 't', partition: 0 }]);
    await consumer.close();
    await expect(read(consumer)).rejects.toMatchObject({ code: 'CONSUMER_CLOSED' });
  });

  it.each(WAYS)('says at once that nothing is left after unsubscribe: %s', async (_name, read) => {
    await using consumer = new Consumer({ bootstrapServers, groupId: 'g' });
    consumer.assign([{ topic: 't', partition: 0 }]);
    await consumer.unsubscribe();
    await expect(read(consumer)).rejects.toMatchObject({ code: 'CONSUMER_INVALID_STATE' });
  });

  it('refuses a second run beside the first, and takes one after it', async () => {
    const harness = newHarness();
    filled(harness, 1, 1);
    const engine = assigned(harness, 1);
    const stop = new AbortController();
    const first = run(engine, { eachRecord, signal: stop.signal });
    await expect(run(engine, { eachRecord })).rejects.toMatchObject({
      code: 'CONSUMER_INVALID_STATE',
      message: expect.stringContaining('concurrency'),
    });
    stop.abort();
    await first;
    const again = new AbortController();
    const second = run(engine, { eachRecord, signal: again.signal });
    again.abort();
    await second;
    void engine.close();
  });

  it('lets loops that are under way wait for what is assigned next, and takes loops that are made before it', async () => {
    const harness = newHarness();
    filled(harness, 1, 1);
    const engine = harness.engine();
    const early = new RecordIterator<Buffer, Buffer>(engine);
    const earlyBatches = new BatchIterator<Buffer, Buffer>(engine, 1);
    engine.assign([{ topic: 't', partition: 0, offset: 0 }]);
    const seen: string[] = [];
    void early.next().then(({ value }) => seen.push(`first ${value?.offset}`));
    await harness.until('the first is read', () => seen.length === 1);
    const left = engine.unsubscribe();
    await harness.clock.advanceAsync(100);
    await left;
    void early.next().then(({ value }) => seen.push(`then ${value?.offset}`));
    await harness.clock.advanceAsync(100);
    engine.assign([{ topic: 't', partition: 0, offset: 0 }]);
    await harness.until('it is read again', () => seen.length === 2);
    expect(seen).toEqual(['first 0', 'then 0']);
    await earlyBatches.return();
    void engine.close();
  });

  it('says that no group will ever be joined', async () => {
    await using loner = new Consumer({ bootstrapServers });
    await expect(loner.joined).rejects.toMatchObject({ code: 'CONSUMER_NO_GROUP' });
    await using byHand = new Consumer({ bootstrapServers, groupId: 'g' });
    byHand.assign([{ topic: 't', partition: 0 }]);
    await expect(byHand.joined).rejects.toMatchObject({ code: 'CONSUMER_INVALID_STATE' });
  });
});

describe('what is done to all partitions of a consumer', () => {
  it.each(TO_ALL)('is refused before there is one, instead of being done to none: %s', async (_name, act) => {
    await using consumer = new Consumer({ bootstrapServers, groupId: 'g' });
    const refused = expect.objectContaining({
      code: 'CONSUMER_NOT_ASSIGNED',
      message: expect.stringContaining('await its joined before'),
    });
    expect(() => act(consumer)).toThrow(refused);
    consumer.subscribe('t');
    expect(() => act(consumer)).toThrow(refused);
  });

  it.each(TO_ALL)('is refused once it is closed: %s', async (_name, act) => {
    const consumer = new Consumer({ bootstrapServers });
    consumer.assign([{ topic: 't', partition: 0 }]);
    act(consumer);
    await consumer.close();
    expect(() => act(consumer)).toThrow(expect.objectContaining({ code: 'CONSUMER_CLOSED' }));
  });

  it('may be nothing for a member whose group has more members than partitions', async () => {
    const harness = newHarness();
    harness.cluster.createTopic('t', 1);
    const calls: string[] = [];
    const join = (name: string) => {
      const engine = harness.engine({
        groupId: 'g',
        onPartitionsAssigned: () => {
          engine.seekBy(engine.allStates('seek'), { from: 'beginning' });
          calls.push(name);
        },
      });
      engine.subscribe('t');
      return engine;
    };
    const engines = [join('a'), join('b')];
    await harness.until('both have joined', () => engines.every((engine) => engine.rebalances > 0));
    for (const engine of engines) expect(engine.allStates('pause').length).toBeLessThanOrEqual(1);
    expect(calls).toContain('a');
    expect(engines.map((engine) => engine.partitions.size).sort()).toEqual([0, 1]);
    for (const engine of engines) void engine.close();
  });
});
