import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
const run = (...args: string[]): Promise<TestRun> => millrace(broker.bootstrapServers, args);

beforeAll(async () => {
  broker = await startBroker({ topics: ['orders'] });
});
afterAll(() => broker.close());

describe('millrace configs', () => {
  it('sets, shows and unsets configs of a topic', async () => {
    expect((await run('configs', 'describe', 'topic', 'orders')).stdout).not.toContain('retention.ms');
    expect((await run('configs', 'set', 'topic', 'orders', 'retention.ms=5000', 'cleanup.policy=compact')).stdout).toBe(
      'Topic orders: retention.ms is 5000\nTopic orders: cleanup.policy is compact\n',
    );
    expect((await run('configs', 'describe', 'topic', 'orders')).stdout).toMatch(
      /^NAME .*\n(?:.*\n)*retention\.ms {4}5000 {5}topic\n/,
    );
    expect(
      JSON.parse((await run('configs', 'describe', 'topic', 'orders', '-n', 'retention.ms', '--json')).stdout),
    ).toMatchObject({
      type: 'topic',
      name: 'orders',
      configs: [{ name: 'retention.ms', value: '5000', source: 'topic' }],
    });
    expect((await run('configs', 'unset', 'topic', 'orders', 'retention.ms')).stdout).toBe(
      'Topic orders: retention.ms is not set any more; it is 604800000 now (default)\n',
    );
  });

  it('takes kinds in the plural, as Kafka has them, and refuses others', async () => {
    expect((await run('configs', 'set', 'topics', 'orders', 'retention.ms=5000')).stdout).toBe(
      'Topic orders: retention.ms is 5000\n',
    );
    expect((await run('configs', 'describe', 'brokers', 'default', '-n', 'num.partitions')).exitCode).toBe(0);
    expect(await run('configs', 'unset', 'topics', 'orders', 'retention.ms')).toMatchObject({ exitCode: 0 });
    const { exitCode, stderr } = await run('configs', 'describe', 'topicses', 'orders');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('topic, broker')]);
  });

  it('changes nothing on a dry run', async () => {
    await run('configs', 'set', 'topic', 'orders', 'segment.bytes=2000000', '--dry-run');
    expect((await run('configs', 'describe', 'topic', 'orders')).stdout).not.toContain('segment.bytes');
    expect((await run('configs', 'set', 'topic', 'orders', 'segment.bytes=x', '--dry-run')).exitCode).toBe(1);
  });

  it('knows brokers, one or all', async () => {
    expect((await run('configs', 'set', 'broker', 'default', 'log.retention.ms=7000')).stdout).toBe(
      'All brokers: log.retention.ms is 7000\n',
    );
    const { stdout } = await run('configs', 'describe', 'broker', '1');
    expect(stdout).toMatch(/log\.retention\.ms +7000 +all brokers, while running\n/);
    expect((await run('configs', 'describe', 'broker', '1', '--all')).stdout).toMatch(/num\.network\.threads/);
    expect((await run('configs', 'describe', 'broker', 'default', '-n', 'num.partitions')).stdout).toBe(
      'All brokers: nothing is set there\n',
    );
    expect((await run('configs', 'describe', 'broker', '7')).stderr).toBe(
      'error: There is no broker "7": there is 1, and "default" stands for all.\n',
    );
  });

  it('shows the way out where a broker takes a setting at its start alone', async () => {
    const hours = await run('configs', 'set', 'broker', 'default', 'log.retention.hours=1');
    expect([hours.exitCode, hours.stderr]).toEqual([
      1,
      expect.stringMatching(/log\.retention\.hours.*\nlog\.retention\.ms means the same in milliseconds/),
    ]);
    const fixed = await run('configs', 'set', 'broker', '1', 'num.partitions=2');
    expect(fixed.stderr).toMatch(/Cannot update these configs dynamically.*\nA broker reads that at its start/);
  });

  it('suggests the config that was meant', async () => {
    expect(await run('configs', 'set', 'topic', 'orders', 'retenton.ms=1')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: There is no topic config "retenton.ms".\nDid you mean "retention.ms"?\n',
    });
    expect(await run('configs', 'describe', 'topic', 'orders', '-n', 'retenton.ms')).toMatchObject({
      exitCode: 1,
      stderr: 'error: There is no topic config "retenton.ms".\nDid you mean "retention.ms"?\n',
    });
    expect((await run('configs', 'set', 'topic', 'orders', 'retention.ms')).exitCode).toBe(2);
    expect(await run('configs', 'unset', 'topic', 'orders', 'retenton.ms')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: There is no topic config "retenton.ms".\nDid you mean "retention.ms"?\n',
    });
    for (const name of ['1', 'default']) {
      expect(await run('configs', 'unset', 'broker', name, 'log.retenton.ms')).toMatchObject({
        exitCode: 1,
        stderr: 'error: There is no broker config "log.retenton.ms".\nDid you mean "log.retention.ms"?\n',
      });
      expect((await run('configs', 'unset', 'broker', name, 'log.retention.ms')).exitCode).toBe(0);
    }
    const told =
      'warning: my.own.plugin is no config of brokers; it is kept for what may be plugged in, and nothing of theirs is changed by it\n';
    for (const name of ['1', 'default']) {
      expect(await run('configs', 'set', 'broker', name, 'log.retenton.ms=1', 'my.plugin=1')).toEqual({
        exitCode: 1,
        stdout: '',
        stderr: 'error: There is no broker config "log.retenton.ms".\nDid you mean "log.retention.ms"?\n',
      });
      expect(await run('configs', 'set', 'broker', name, 'my.own.plugin=1', '--dry-run')).toMatchObject({
        exitCode: 0,
        stderr: told,
      });
      // Also where it is there already, which makes it no config of theirs.
      for (const value of [1, 2]) {
        expect(await run('configs', 'set', 'broker', name, `my.own.plugin=${value}`, '--json')).toMatchObject({
          exitCode: 0,
          stderr: told,
        });
      }
      expect((await run('configs', 'unset', 'broker', name, 'my.own.plugin')).exitCode).toBe(0);
    }
    expect((await run('configs', 'describe', 'user', 'ann')).exitCode).toBe(2);
  });
});

describe('millrace cluster and log-dirs', () => {
  it('show brokers and disks', async () => {
    expect((await run('cluster')).stdout).toMatch(
      /^Cluster {5}\S{22}\nController {2}broker 1\nBrokers {5}1\nPartitions {2}1 of 1 topic\n\nBROKER .*\n {5}1 {2}127.0.0.1:\d+ .* controller +1 +1\n$/,
    );
    const { stdout } = await run('log-dirs', 'orders');
    expect(stdout).toMatch(/^BROKER {2}FOLDER/);
    expect(stdout).toMatch(/orders {10}0 {7}1 {3}0 B {2}0 records\n$/);
    expect((await run('log-dirs', 'orders', '--json')).stdout).toContain('"sizeBytes": 0');
    expect((await run('log-dirs', '--broker', '1')).stdout).toMatch(/^BROKER/);
    expect(await run('log-dirs', '--broker', '1,7')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: There is no broker 7: alive is 1.\n`millrace cluster` shows the brokers there are.\n',
    });
  });
});
