import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';

const bootstrapServers = process.env['MILLRACE_BOOTSTRAP'] ?? 'localhost:9092';

const producer = new Producer({ bootstrapServers });
const consumer = new Consumer({ bootstrapServers, groupId: 'invoices', autoOffsetReset: 'earliest' });
consumer.subscribe('invoices');
await consumer.run({
  // What fails twice goes to the dead letters, with headers that say where it is from and why.
  retry: { retries: 1 },
  deadLetterTopic: 'invoices.dead-letters',
  deadLetter: producer,
  eachRecord: (record) => {
    if (record.offset === 2) void consumer.close();
    // The cast is the sender's promise; the second invoice breaks it.
    const { total } = JSON.parse(String(record.value)) as { total: number };
    console.log(`An invoice of ${total}`);
  },
});
await producer.close();
