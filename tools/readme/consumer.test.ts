/** Every `ts` block of the consumer's README is run as it stands, against a broker in process that holds something to read. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Producer } from '@millrace/producer';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { examplesOf, ORDERS, PLACEHOLDER, TOPICS } from './pages.ts';

const run = promisify(execFile);
/** Where examples are resolved from: this package depends on all the others. */
const TOOLS = new URL('../', import.meta.url);
const examples = examplesOf('packages/consumer/README.md').map((code, index) => [index + 1, code] as const);
/** What each of them prints. */
const printed = [
  ['0 0 {"id":1,"total":5}', '0 1 {"id":2,"total":6}', '0 2 {"id":3,"total":7}'],
  ['k 5', '3 orders, 18 in all, 0 to come', expect.stringMatching(/^millrace-\S+ reads 1 partitions$/)],
  [],
  [],
  ['cook'],
  ['1 back by one', expect.stringMatching(/^undefined \[/)],
  ['0'],
  [],
];

let broker: TestBroker;
beforeAll(async () => {
  broker = await startBroker({ topics: TOPICS });
  await using producer = new Producer({ bootstrapServers: broker.bootstrapServers });
  await producer.sendBatch(ORDERS);
});
afterAll(() => broker.close());

it('has an example for each that is expected', () => expect(examples.length).toBe(printed.length));

it.each(examples)('example %i of the README of the consumer does what it says', async (number, code) => {
  const program = code.replaceAll(PLACEHOLDER, broker.bootstrapServers);
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module-typescript', '-e', program], {
    cwd: TOOLS,
    timeout: 20_000,
  });
  expect(stderr).toBe('');
  const lines = stdout.trim().split('\n');
  const wanted = printed[number - 1] ?? [];
  expect(lines.slice(0, wanted.length)).toEqual(wanted);
});
