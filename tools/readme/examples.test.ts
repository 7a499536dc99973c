/** Every `ts` block of these pages is run as it stands, against a broker in process: an example that is wrong does not stay. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examplesOf, PAGES, PLACEHOLDER, TOPICS } from './pages.ts';

const run = promisify(execFile);
/** Where examples are resolved from: this package depends on all the others. */
const TOOLS = new URL('../', import.meta.url);
/** Its examples build on one another, and what they print is looked at: consumer.test.ts. */
const CONSUMER = 'packages/consumer/README.md';

/** Programs that take two seconds take ten times as long where twenty others want the same two cores. */
const PATIENCE_MS = 60_000;

let broker: TestBroker;
beforeAll(async () => {
  broker = await startBroker({ topics: TOPICS });
});
afterAll(() => broker.close());

describe.each(PAGES.filter((page) => page !== CONSUMER))('%s', (page) => {
  const examples = examplesOf(page);

  it('has examples', () => expect(examples.length).toBeGreaterThan(0));

  it.each(examples.map((code, index) => [index + 1, code] as const))(
    'example %i runs',
    async (_number, code) => {
      const program = code.replaceAll(PLACEHOLDER, broker.bootstrapServers);
      const args = ['--import', './clients/kafkajs-warnings.ts', '--input-type=module-typescript', '-e', program];
      const { stderr } = await run(process.execPath, args, {
        cwd: TOOLS,
        timeout: PATIENCE_MS,
      });
      expect(stderr).toBe('');
    },
    PATIENCE_MS + 5_000,
  );
});

it.each(PAGES)('%s shows nothing that the oldest Node we promise does not have', (page) => {
  // `node tools/package/main.ts --install` runs the examples on that Node; this finds at once what is most easily written.
  for (const code of examplesOf(page)) expect(code).not.toMatch(/\busing \w+ =/);
});
