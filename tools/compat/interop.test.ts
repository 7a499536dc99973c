/** Each client reads what the others wrote, in every codec: the batches that the broker keeps and serves are theirs. */
import { describe, expect, it } from 'vitest';
import { CODECS, kafkajs, kcat, platformatic, sampleRecords } from '../clients/index.ts';
import { compatSuite } from './suite.ts';

const suite = compatSuite();
const clients = [kcat, kafkajs, platformatic];

describe.each(CODECS)('records written with %s', (codec) => {
  it('reach every client as each of them wrote them, in order', async () => {
    const topic = await suite.createTopic(`interop-${codec}`);
    const written = clients.flatMap((client) => sampleRecords(client.name, codec));
    for (const client of clients) {
      await client.produce(suite.bootstrap, topic, codec, sampleRecords(client.name, codec));
    }
    for (const client of clients) {
      const read = await client.consume(suite.bootstrap, topic, written.length);
      expect(read, `${client.name} reading`).toEqual(written);
    }
  });
});

describe('offsets of a group', () => {
  it('are kept for whichever client carries on: kcat, then kafkajs, then @platformatic/kafka', async () => {
    const topic = await suite.createTopic('relay');
    const records = clients.flatMap((client) => sampleRecords(client.name, 'none'));
    await kafkajs.produce(suite.bootstrap, topic, 'none', records);
    const read = [];
    for (const client of clients) {
      read.push(...(await client.consumeInGroup(suite.bootstrap, topic, `${topic}-group`, 5)));
    }
    expect(read).toEqual(records);
  });
});
