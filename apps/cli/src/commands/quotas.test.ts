import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
const run = (...args: string[]): Promise<TestRun> => millrace(broker.bootstrapServers, ['quotas', ...args]);

beforeAll(async () => {
  broker = await startBroker();
});
afterAll(() => broker.close());

describe('millrace quotas', () => {
  it('sets quotas, shows them, and takes them away one by one or all', async () => {
    expect((await run('list')).stdout).toBe('There are no such quotas.\n');
    const both = ['producer_byte_rate=10MB', 'request_percentage=12.5'];
    expect((await run('set', ...both, '--user', 'alice')).stdout).toBe(
      'producer_byte_rate of user alice is 10000000\nrequest_percentage of user alice is 12.5\n',
    );
    await run('set', '--client-default', 'consumer_byte_rate=1KiB');
    await run('set', '--user', 'alice', '--client-id', 'app', 'controller_mutation_rate=5');
    expect((await run('list')).stdout).toMatch(
      /^WHO +QUOTA +VALUE\nevery other client id +consumer_byte_rate +1024\nuser alice +producer_byte_rate +10000000\n/,
    );
    expect(JSON.parse((await run('list', '--client-id', 'app', '--json')).stdout)).toEqual([
      {
        entity: [
          { type: 'user', name: 'alice' },
          { type: 'client-id', name: 'app' },
        ],
        values: { controller_mutation_rate: 5 },
      },
    ]);
    expect((await run('unset', '--user', 'alice', 'producer_byte_rate')).stdout).toBe(
      'producer_byte_rate of user alice is gone\n',
    );
    expect((await run('unset', '--user', 'alice')).stdout).toBe('request_percentage of user alice is gone\n');
    expect((await run('unset', '--user', 'alice')).stdout).toMatch('nothing was removed');
    // Those of the client id of the user stand by themselves.
    expect(JSON.parse((await run('list', '--user', 'alice', '--json')).stdout)).toHaveLength(1);
  });

  it.each([
    [['set', 'producer_byte_rate=1'], 2, 'Nobody is named'],
    [['set', '--user', 'a', '--user', 'b', 'producer_byte_rate=1'], 2, "given as 'a' already; give one at a time"],
    [['set', '--client-id', 'a', '--client-id', 'b', 'producer_byte_rate=1'], 2, 'give one at a time'],
    [['unset', '--ip', '10.0.0.1', '--ip', '10.0.0.2'], 2, 'give one at a time'],
    [['set', '--user', 'a', '--user-default', 'producer_byte_rate=1'], 2, 'Both one user and every other is named'],
    [['set', '--user', 'a', 'producer_byte_rate'], 2, 'is no quota'],
    [['set', '--user', 'a', 'producer_byte_rate=fast'], 2, 'in bytes a second'],
    [['set', '--user', 'a', 'request_percentage='], 2, 'is no value'],
    [['set', '--user', 'a', '=1'], 2, '"=1" is no quota'],
    [['set', '--user', 'a', 'nonsense=1'], 2, 'There is producer_byte_rate, consumer_byte_rate, request_percentage'],
    [['set', '--user', 'a', 'producer_byte_rat=1'], 2, 'Did you mean producer_byte_rate?'],
    [['set', '--ip', '10.0.0.1', 'producer_byte_rate=1'], 2, 'no quota producer_byte_rate of addresses'],
    [['unset', '--user', 'a', 'consumer_byte_rat'], 2, 'Did you mean consumer_byte_rate?'],
  ])('says what is wrong: %j', async (args, code, message) => {
    const { exitCode, stderr } = await run(...args);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(message)]);
  });
});
