/** What a user's logger does is his own business: one that throws, or rejects, must not cost a record. */
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { stringSerde } from '@millrace/serdes';
import { startBroker } from '@millrace/testing';
import { expect, it, vi } from 'vitest';
import { isElsewhere } from './suite-cluster.ts';

const LOGGERS = {
  throws: () => {
    throw new Error('the log file is gone');
  },
  rejects: () => Promise.reject(new Error('the log server is gone')),
};

it.runIf(!isElsewhere).each(Object.entries(LOGGERS))(
  'a logger that %s hurts neither producer, consumer nor admin',
  async (_how, say) => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    const said = vi.fn(say);
    const broker = await startBroker();
    const client = {
      bootstrapServers: ['127.0.0.1:1', broker.bootstrapServers],
      logger: { debug: said, info: said, warn: said, error: said },
      retryBackoffMs: 5,
    };
    try {
      await using admin = new Admin(client);
      await admin.createTopics([{ topic: 't', partitions: 2 }, { topic: 'dead' }]);
      await using producer = new Producer(client);
      broker.failNext('Produce', 'NOT_LEADER_OR_FOLLOWER', { times: 2 });
      broker.failNext('Fetch', 'NOT_LEADER_OR_FOLLOWER', { times: 2 });
      await producer.sendBatch(['a', 'bad', 'c'].map((value) => ({ topic: 't', partition: 0, value })));
      await using consumer = new Consumer({
        ...client,
        groupId: 'g',
        autoOffsetReset: 'earliest',
        valueDeserializer: stringSerde,
      });
      consumer.subscribe('t');
      const seen: (string | null)[] = [];
      await consumer.run({
        eachRecord: ({ value }) => {
          if (value === 'bad') throw new Error('cannot be handled');
          seen.push(value);
          if (value === 'c') void consumer.close();
        },
        retry: { retries: 1, backoffMs: 1 },
        deadLetter: producer,
        deadLetterTopic: 'dead',
      });
      expect(seen).toEqual(['a', 'c']);
      expect(producer.metrics()).toMatchObject({ recordsAcknowledged: 4, recordsFailed: 0 });
      expect(consumer.metrics()).toMatchObject({ deadLetters: 1, handlerRetries: 1 });
      expect(said).toHaveBeenCalled();
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
      await broker.close();
    }
  },
);
