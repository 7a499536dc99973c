import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';

const bootstrapServers = process.env['MILLRACE_BOOTSTRAP'] ?? 'localhost:9092';

// Each instance of the program has an id of its own, and keeps it when it is started again.
const producer = new Producer({ bootstrapServers, transactionalId: 'upper-1' });
const consumer = new Consumer({
  bootstrapServers,
  groupId: 'upper',
  autoCommit: false,
  isolationLevel: 'read_committed',
  autoOffsetReset: 'earliest',
});
consumer.subscribe('words');
await consumer.run({
  transactionalProducer: producer,
  eachBatch: ({ records }, { transaction }) => {
    for (const { key, value } of records) {
      void transaction.send({ topic: 'upper-words', key, value: String(value).toUpperCase() });
    }
    console.log(`${records.length} words in one step`);
    // A service goes on; this example has seen enough.
    void consumer.close();
  },
});
await producer.close();
