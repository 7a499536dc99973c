/** Records that are sent again, edited or not: what nobody has edited is the bytes that it was. */
import { Producer } from '@millrace/producer';
import type { TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Input } from '../api/contract.ts';
import { Cluster } from '../clusters/cluster.ts';
import { type Console, createConsole } from '../index.ts';
import { askConsole } from '../testing/ask-console.ts';
import { openTriedBroker, type TriedCluster } from '../testing/test-cluster.ts';
import { readRecord } from './read.ts';

const COPY = 'POST /api/clusters/:cluster/topics/:topic/messages/:partition/:offset/copy';
const BYTES_MAX = 20 * 1024 * 1024;
const LARGE_BYTES = 9 * 1024 * 1024;
/** More than the page of one message shows, in each way. */
const HEADERS = [
  { key: 'none', value: null },
  { key: 'long', value: Buffer.alloc(5000, 'l') },
  { key: 'bytes', value: Buffer.from([0xff, 0, 0xfe]) },
  { key: 'dead-letter-topic', value: Buffer.from('edited') },
  ...Array.from({ length: 1200 }, (_, n) => ({ key: `h${n}`, value: Buffer.from([n % 256, 0x80]) })),
  { key: 'dead-letter-last', value: Buffer.from('x') },
];
/** No text, and no number. */
const KEY = Buffer.from([0, 0xff, 0xfe, 1, 2]);
const VALUE = Buffer.concat([Buffer.from([0xff]), Buffer.alloc(6000, 7)]);

describe('a record that is sent again', () => {
  let broker: TriedCluster<TestBroker>;
  let cluster: Cluster;
  let served: Console;
  let port: number;

  beforeAll(async () => {
    broker = await openTriedBroker(['dead', 'edited', { topic: 'large', configs: { 'max.message.bytes': BYTES_MAX } }]);
    const { bootstrapServers } = broker;
    cluster = new Cluster('local', { bootstrapServers });
    served = await createConsole({ clusters: { local: { bootstrapServers } } });
    port = await served.listen({ port: 0 });
    await using producer = new Producer({ bootstrapServers, requestBytesMax: BYTES_MAX });
    await producer.send({ topic: 'dead', key: KEY, value: VALUE, headers: HEADERS });
    await producer.send({ topic: 'large', key: null, value: Buffer.alloc(LARGE_BYTES, 0x80) });
  });
  afterAll(async () => {
    await served.close();
    await cluster.close();
    await broker.close();
  });

  async function copied(topic: string, to: string, edits?: Input<typeof COPY>['edits']) {
    const input = { cluster: 'local', topic, partition: 0, offset: 0, to, ...(edits === undefined ? {} : { edits }) };
    const { partition, offset } = await askConsole({ port }, COPY, input);
    const { rawKey, rawValue, headers } = await readRecord(cluster, { topic: to, partition, offset });
    return { key: rawKey, value: rawValue, headers: headers.map(({ key, value }) => ({ key, value })) };
  }

  it('has the bytes that it had', async () => {
    expect(await copied('dead', 'edited')).toEqual({ key: KEY, value: VALUE, headers: HEADERS });
    expect(await copied('dead', 'edited', {})).toEqual({ key: KEY, value: VALUE, headers: HEADERS });
  });

  it('has another value and all else that it had', async () => {
    expect(await copied('dead', 'edited', { value: 'mended' })).toEqual({
      key: KEY,
      value: Buffer.from('mended'),
      headers: HEADERS,
    });
    expect(await copied('dead', 'edited', { key: null, value: null })).toEqual({
      key: null,
      value: null,
      headers: HEADERS,
    });
  });

  it('has the headers that are named, its own by their bytes, and goes back without what says that it was dead', async () => {
    const headers = [
      { kept: 0 },
      { kept: 2, name: 'renamed' },
      { name: 'new', value: 'x' },
      { keptFrom: 3, without: 'dead-letter-' },
    ];
    const found = await copied('dead', 'edited', { headers });
    expect(found.headers.slice(0, 4)).toEqual([
      { key: 'none', value: null },
      { key: 'renamed', value: Buffer.from([0xff, 0, 0xfe]) },
      { key: 'new', value: Buffer.from('x') },
      { key: 'h0', value: Buffer.from([0, 0x80]) },
    ]);
    expect(found.headers.at(-1)?.key).toBe('h1199');
    await expect(copied('dead', 'edited', { headers: [{ kept: 5000 }] })).rejects.toMatchObject({
      code: 'CONSOLE_BAD_REQUEST',
    });
  });

  it('may be as large as the topic takes', async () => {
    expect((await copied('large', 'large')).value?.length).toBe(LARGE_BYTES);
    await expect(copied('large', 'edited')).rejects.toMatchObject({ code: 'KAFKA_MESSAGE_TOO_LARGE' });
  });
});
