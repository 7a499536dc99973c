import { CreatePartitions, CreateTopics, DeleteTopics, ErrorCode, InitProducerId } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { BrokerUnderTest } from '../testing/test-broker.ts';

const topic = { name: 't', numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] };
const patiently = { timeoutMs: 5000, validateOnly: false };

describe.each(['before', 'after'] as const)(
  'a write whose connection to the metadata is lost %s it is applied',
  (when) => {
    it('creates a topic once, and says that it did', async () => {
      const test = await BrokerUnderTest.start();
      const client = test.connect();
      test.loseNextWrite(when);
      const { topics } = await client.ask(CreateTopics, 7, { topics: [topic], ...patiently });
      expect(topics).toMatchObject([{ name: 't', errorCode: ErrorCode.NONE, numPartitions: 2 }]);
      const again = await client.ask(CreateTopics, 7, { topics: [topic], ...patiently });
      expect(again.topics).toMatchObject([{ errorCode: ErrorCode.TOPIC_ALREADY_EXISTS }]);
    });

    it('adds partitions once', async () => {
      const test = await BrokerUnderTest.start();
      const client = test.connect();
      await client.ask(CreateTopics, 7, { topics: [topic], ...patiently });
      test.loseNextWrite(when);
      const more = { topics: [{ name: 't', count: 5, assignments: null }], ...patiently };
      expect((await client.ask(CreatePartitions, 3, more)).results).toMatchObject([{ errorCode: ErrorCode.NONE }]);
      expect(JSON.parse(String((await test.store.get('/brokers/topics/t')).data)).partitions).toMatchObject({ 4: [1] });
    });

    it('deletes a topic', async () => {
      const test = await BrokerUnderTest.start();
      const client = test.connect();
      await client.ask(CreateTopics, 7, { topics: [topic], ...patiently });
      test.loseNextWrite(when);
      const { responses } = await client.ask(DeleteTopics, 5, { topicNames: ['t'], timeoutMs: 5000 });
      expect(responses).toMatchObject([{ errorCode: ErrorCode.NONE }]);
      expect(await test.store.exists('/brokers/topics/t')).toBeUndefined();
    });

    it('gives out producer ids that nobody else has', async () => {
      const test = await BrokerUnderTest.start();
      const client = test.connect();
      test.loseNextWrite(when);
      const body = { transactionalId: null, transactionTimeoutMs: 1000 };
      const { errorCode, producerId } = await client.ask(InitProducerId, 4, body);
      expect([errorCode, producerId]).toEqual([ErrorCode.NONE, when === 'before' ? 0 : 1000]);
    });
  },
);
