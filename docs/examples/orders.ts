import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { jsonSerde, stringSerde } from '@millrace/serdes';

interface Order {
  readonly id: number;
  readonly what: string;
}

const bootstrapServers = process.env['MILLRACE_BOOTSTRAP'] ?? 'localhost:9092';

const admin = new Admin({ bootstrapServers });
await admin.createTopics([{ topic: 'orders', partitions: 3 }]);
await admin.close();

const producer = new Producer({ bootstrapServers, valueSerializer: jsonSerde<Order>() });
await producer.send({ topic: 'orders', key: 'customer-7', value: { id: 1, what: 'cake' } });
await producer.close();

const consumer = new Consumer({
  bootstrapServers,
  groupId: 'kitchen',
  autoOffsetReset: 'earliest',
  keyDeserializer: stringSerde,
  valueDeserializer: jsonSerde<Order>(),
});
consumer.subscribe('orders');
for await (const { key, value } of consumer) {
  console.log(`${key} wants ${value?.what}`);
  break;
}
await consumer.close();
