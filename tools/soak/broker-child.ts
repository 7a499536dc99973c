/** A broker in a process of its own that does to its clients what its parent orders: what `@millrace/testing` offers, to be killed at will. */
import { startBroker } from '@millrace/testing';
import type { BrokerOrder, BrokerWord } from './broker.ts';

const tell = (word: BrokerWord): void => void process.send?.(word);
const { folder, advertisedPort, topics } = JSON.parse(process.argv[2] ?? '') as {
  folder: string;
  advertisedPort: number;
  topics: { topic: string; partitions: number }[];
};

const broker = await startBroker({
  storage: { folder },
  config: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${advertisedPort}`, 'offsets.topic.num.partitions': 4 },
});
for (const topic of topics) await broker.createTopic(topic);
process.on('message', (order) => void obey(order as BrokerOrder));
// Without its parent nobody needs it.
process.on('disconnect', () => process.exit());
tell({ kind: 'ready', port: broker.port });

async function obey(order: BrokerOrder): Promise<void> {
  switch (order.kind) {
    case 'stop':
      await broker.close();
      process.exit();
      break;
    case 'moveLeader':
      await broker.moveLeader(order.topic, order.partition);
      break;
    case 'expireMember': {
      const members = broker.memberIds(order.groupId);
      const member = members[order.which % Math.max(members.length, 1)];
      if (member !== undefined) broker.expireMember(order.groupId, member);
      break;
    }
    case 'fail':
      broker.failNext(order.api, order.error, { times: order.times });
      break;
    case 'delay':
      broker.delayNext(order.api, order.ms, { times: order.times });
      break;
    case 'drop':
      broker.dropNext(order.api, { when: order.when, times: order.times });
      break;
  }
  tell({ kind: 'done' });
}
