import { describe, expect, it } from 'vitest';
import { Consumer } from './consumer.ts';

const place = { topic: 't', partition: 0 };

/** What a JavaScript program may hand over, which the types do not let through. */
type Loose = { [Name in keyof Consumer]: (...given: unknown[]) => unknown };

describe('what is given to a consumer', () => {
  it.each<[string, (consumer: Loose) => unknown, string]>([
    [
      'seek: text',
      (c) => c.seek({ ...place, offset: '5' }),
      "offset must be a whole number of at least 0, not '5' (a string): give the number 5",
    ],
    ['seek: a bigint', (c) => c.seek({ ...place, offset: 5n }), 'give the number 5'],
    ['seek: NaN', (c) => c.seek({ ...place, offset: Number.NaN }), 'not NaN'],
    ['seek: nothing', (c) => c.seek({ ...place, offset: undefined }), 'offset must be'],
    ['seek: a fraction', (c) => c.seek({ ...place, offset: 1.5 }), 'not 1.5'],
    ['seek: negative', (c) => c.seek({ ...place, offset: -1 }), 'not -1'],
    ['seek: too large', (c) => c.seek({ ...place, offset: 2 ** 60 }), 'whole number'],
    ['seek: no place', (c) => c.seek(), 'must be an object, not undefined'],
    ['assign: an offset as text', (c) => c.assign([{ ...place, offset: '5' }]), 'partitions[0].offset must be'],
    [
      'assign: a partition as text',
      (c) => c.assign([{ topic: 't', partition: '0' }]),
      'partitions[0].partition must be',
    ],
    ['assign: partitions', (c) => c.assign([{ topic: 't', partitions: [0] }]), 'give { topic, partition } for each'],
    ['assign: no topic', (c) => c.assign([{ partition: 0 }]), 'topic must be the name of a topic'],
    ['assign: a slip', (c) => c.assign([{ ...place, ofset: 5 }]), 'did you mean offset?'],
    ['assign: no list', (c) => c.assign(place), 'partitions must be an array'],
    ['commit: text', (c) => c.commit([{ ...place, offset: '8' }]), 'give the number 8'],
    ['commit: metadata', (c) => c.commit([{ ...place, offset: 8, metadata: {} }]), 'metadata must be text'],
    ['commit: one place', (c) => c.commit({ ...place, offset: 8 }), 'partitions must be an array'],
    [
      'seekToTimestamp: text',
      (c) => c.seekToTimestamp('2020-01-01'),
      "'2020-01-01' (a string): give new Date(...) of it",
    ],
    ['seekToTimestamp: before anything is assigned', (c) => c.seekToTimestamp(Number.NaN), 'not NaN'],
    ['seekToTimestamp: a fraction', (c) => c.seekToTimestamp(1.5), 'not 1.5'],
    ['seekToTimestamp: no date', (c) => c.seekToTimestamp(new Date('x')), 'not NaN'],
    ['pause: kafkajs', (c) => c.pause([{ topic: 't' }]), 'partitions[0].partition must be'],
    ['position: text', (c) => c.position({ topic: 't', partition: '0' }), 'give the number 0'],
    ['committed: text', (c) => c.committed([{ topic: 't', partition: '0' }]), 'give the number 0'],
    ['batches: text', (c) => c.batches({ recordsMax: '5' }), 'give the number 5'],
    ['scan: text', (c) => c.scan('x'), "what says which records are wanted must be a function, not 'x'"],
    ['scan: nothing', (c) => c.scan(), 'what says which records are wanted must be a function'],
    ['close: text', (c) => c.close({ timeoutMs: '5' }), 'give the number 5'],
    ['subscribe: a number', (c) => c.subscribe(['t', 5]), 'topics[1] must be a name or a regular expression, not 5'],
    ['subscribe: kafkajs', (c) => c.subscribe({ topics: ['t'], fromBeginning: true }), 'give the topics themselves'],
    ['subscribe: nothing', (c) => c.subscribe(), 'not undefined'],
  ])('is refused at the call, with what was given and what to give: %s', async (_name, act, message) => {
    await using consumer = new Consumer({ bootstrapServers: '127.0.0.1:1', groupId: 'g' });
    if (!/^subscribe|before anything/.test(_name)) consumer.assign([place]);
    const attempt = async (): Promise<unknown> => act(consumer as unknown as Loose);
    await expect(attempt()).rejects.toMatchObject({
      code: 'CONSUMER_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  });

  it.each<[string, object, string]>([
    ['eachMessage', { eachMessage() {} }, 'eachMessage is no option of run(): it is called eachRecord'],
    ['a handler that is none', { eachRecord: 5 }, 'eachRecord must be a function'],
    ['retries as text', { eachRecord() {}, retry: { retries: '5' } }, 'retry.retries must be'],
    ['a slip in retry', { eachRecord() {}, retry: { retries: 5, backoff: 1 } }, 'retry.backoff is no field of retry'],
    ['concurrency 0', { eachRecord() {}, concurrency: 0 }, 'concurrency must be a whole number from 1'],
    ['a dead letter sender that is none', { eachRecord() {}, deadLetter: {}, deadLetterTopic: 'd' }, 'send()'],
  ])('is refused by run: %s', async (_name, options, message) => {
    await using consumer = new Consumer({ bootstrapServers: '127.0.0.1:1', groupId: 'g' });
    await expect(consumer.run(options)).rejects.toMatchObject({
      code: 'CONSUMER_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
  });
});
