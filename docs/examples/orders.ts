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
const known = await admin.listTopics();
if (!known.includes('cake-orders')) await admin.createTopics([{ topic: 'cake-orders', partitions: 3 }]);
await admin.close();

const producer = new Producer({ bootstrapServers, valueSerializer: jsonSerde<Order>() });
await producer.send({ topic: 'cake-orders', key: 'customer-7', value: { id: 1, what: 'cake' } });
await producer.close();

const consumer = new Consumer({
  bootstrapServers,
  groupId: 'bakery',
  autoOffsetReset: 'earliest',
  keyDeserializer: stringSerde,
  valueDeserializer: jsonSerde<Order>(),
});
consumer.subscribe('cake-orders');
for await (const { key, value } of consumer) {
  console.log(`${key} wants ${value?.what}`);
  break;
}
await consumer.close();
