/** Every `ts` block of these pages is run as it stands, against a broker in process: an example that is wrong does not stay. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const ROOT = new URL('../../', import.meta.url);
/** Where examples are resolved from: this package depends on all the others. */
const TOOLS = new URL('../', import.meta.url);
const PAGES = [
  'README.md',
  'docs/coming-from-kafkajs.md',
  ...['producer', 'admin', 'serdes', 'testing'].map((name) => `packages/${name}/README.md`),
];
/** What stands in an example for the reader's own cluster. */
const PLACEHOLDER = 'localhost:9092';

let broker: TestBroker;
beforeAll(async () => {
  broker = await startBroker({ topics: ['orders', 'audit', 'metrics'] });
});
afterAll(() => broker.close());

function examplesOf(name: string): string[] {
  const page = readFileSync(new URL(name, ROOT), 'utf8');
  return [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!);
}

describe.each(PAGES)('%s', (name) => {
  const examples = examplesOf(name);

  it('has examples', () => expect(examples.length).toBeGreaterThan(0));

  it.each(examples.map((code, index) => [index + 1, code] as const))('example %i runs', async (_number, code) => {
    const program = code.replaceAll(PLACEHOLDER, broker.bootstrapServers);
    // kafkajs sets timers that are due in the past, of which Node warns.
    const args = ['--disable-warning=TimeoutNegativeWarning', '--input-type=module-typescript', '-e', program];
    const { stderr } = await run(process.execPath, args, {
      cwd: TOOLS,
      timeout: 20_000,
    });
    expect(stderr).toBe('');
  });
});
