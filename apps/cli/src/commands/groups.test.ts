import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
const run = (...args: string[]): Promise<TestRun> => millrace(broker.bootstrapServers, args);

beforeAll(async () => {
  broker = await startBroker({ topics: [{ topic: 'orders', partitions: 2 }] });
  const stdin = Array.from({ length: 10 }, (_, index) => `{"value":"v${index}","partition":${index % 2}}\n`).join('');
  await millrace(broker.bootstrapServers, ['produce', 'orders', '--format', 'json', '--keep-partitions'], { stdin });
});
afterAll(() => broker.close());

describe('millrace consume --group', () => {
  it('goes on where the group was, to the record', async () => {
    const first = await run('consume', 'orders', '-g', 'steps', '-B', '-n', '3');
    const second = await run('consume', 'orders', '-g', 'steps', '-n', '4');
    const third = await run('consume', 'orders', '-g', 'steps', '-e');
    const seen = [first, second, third].map(({ stdout }) => stdout.split('\n').slice(0, -1));
    expect(seen.map(({ length }) => length)).toEqual([3, 4, 3]);
    expect(new Set(seen.flat()).size).toBe(10);
    expect(first.stderr).toContain('Reading orders 0, 1 as a member of group steps\n');
  });

  it('commits what it has printed when Ctrl-C comes', async () => {
    const interrupts: (() => void)[] = [];
    const { stdout } = await millrace(broker.bootstrapServers, ['consume', 'orders', '-g', 'stopped', '-B'], {
      interrupts,
      onOutput: () => interrupts[0]!(),
    });
    const rest = await run('consume', 'orders', '-g', 'stopped', '-B', '-e');
    expect(new Set(`${stdout}${rest.stdout}`.trim().split('\n')).size).toBe(10);
    expect(`${stdout}${rest.stdout}`.trim().split('\n').length).toBe(10);
  });
});

describe('millrace groups', () => {
  it('shows groups, their offsets and their members', async () => {
    const interrupts: (() => void)[] = [];
    let heard: () => void = () => {};
    const printed = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const member = millrace(
      broker.bootstrapServers,
      ['consume', 'orders', '-g', 'watched', '-B', '--instance-id', 'one'],
      {
        interrupts,
        onOutput: () => heard(),
      },
    );
    await printed;
    const misspelled = await run('groups', 'list', '--state', 'stabel');
    expect([misspelled.exitCode, misspelled.stderr]).toEqual([2, expect.stringContaining('Did you mean "Stable"?')]);
    expect((await run('groups', 'list', '--state', 'Stable')).stdout).toMatch(
      /^GROUP .*\nwatched {2}Stable {2}consumer {2,}1\n$/,
    );
    const { stdout } = await run('groups', 'describe', 'watched');
    expect(stdout).toMatch(
      /^Group {8}watched\nState {8}Stable\nMembers {6}1, .* assignor\nCoordinator {2}broker 1 at 127.0.0.1:\d+\nLag {10}/,
    );
    expect(stdout).toMatch(/orders {10}0 .* one\n/);
    expect(stdout).toMatch(/one {5}millrace-cli {2}127.0.0.1 {2}orders 0, 1\n/);
    expect((await run('groups', 'reset-offsets', 'watched', '--all-topics', '--to-earliest')).stderr).toContain(
      'Group "watched" has 1 member; its offsets can be reset while it has none.',
    );
    expect((await run('groups', 'delete', 'watched')).stderr).toContain('NON_EMPTY_GROUP');
    interrupts[0]!();
    await member;
    expect((await run('groups', 'remove-members', 'watched', '-m', 'one')).stdout).toBe('Member one removed\n');
    expect((await run('groups', 'remove-members', 'watched', '-m', 'one')).stderr).toContain('has no member "one"');
    expect((await run('groups', 'remove-members', 'watched', '--all')).stdout).toBe('Group watched has no members\n');
    expect((await run('groups', 'remove-members', 'watched')).exitCode).toBe(2);
    expect((await run('groups', 'list', '-q')).stdout).toContain('watched\n');
  });

  it('resets offsets, and only shows it without --execute', async () => {
    await run('consume', 'orders', '-g', 'reset', '-B', '-e');
    const committed = async (): Promise<number[]> => {
      const [group] = JSON.parse((await run('groups', 'describe', 'reset', '--json')).stdout);
      return group.offsets.map(({ committedOffset }: { committedOffset: number }) => committedOffset);
    };
    const dry = await run('groups', 'reset-offsets', 'reset', '-t', 'orders', '--to-earliest');
    expect(dry.stdout).toBe(
      [
        'TOPIC   PARTITION  CURRENT  WOULD BE  CHANGE',
        'orders          0        5         0      -5',
        'orders          1        5         0      -5',
        '',
      ].join('\n'),
    );
    expect(dry.stderr).toBe('Nothing has been changed. `--execute` does it.\n');
    expect(await committed()).toEqual([5, 5]);
    await run('groups', 'reset-offsets', 'reset', '-t', 'orders:1', '--to-offset', '2', '--execute');
    expect(await committed()).toEqual([5, 2]);
    await run('groups', 'reset-offsets', 'reset', '--all-topics', '--shift-by', '-3', '--execute');
    expect(await committed()).toEqual([2, 0]);
    await run('groups', 'reset-offsets', 'reset', '--all-topics', '--by-duration', '1h', '--execute');
    expect(await committed()).toEqual([0, 0]);
    await run('groups', 'reset-offsets', 'reset', '--all-topics', '--to-datetime', '2100-01-01T00:00:00Z', '--execute');
    expect(await committed()).toEqual([5, 5]);
    const fresh = await run('groups', 'reset-offsets', 'fresh', '-t', 'orders', '--to-latest', '--execute');
    expect(fresh.stdout).toContain('orders          0        -    5     new\n');
    expect(fresh.stderr).toContain('warning: there is no group "fresh" yet; it is made now, with these offsets.');
    const slip = await run('groups', 'reset-offsets', 'rest', '-t', 'orders', '--to-latest');
    expect(slip.stderr).toContain(
      'there is no group "rest" yet; `--execute` makes it, with these offsets. Did you mean "reset"?',
    );
    expect((await run('groups', 'reset-offsets', 'rest', '-t', 'orders', '--to-latest', '-q')).stderr).toBe('');
  });

  it('wants to know where to, and of what', async () => {
    expect((await run('groups', 'reset-offsets', 'reset', '-t', 'orders')).exitCode).toBe(2);
    expect(
      (await run('groups', 'reset-offsets', 'reset', '-t', 'orders', '--to-latest', '--to-earliest')).exitCode,
    ).toBe(2);
    expect((await run('groups', 'reset-offsets', 'reset', '--to-latest')).exitCode).toBe(2);
    expect((await run('groups', 'reset-offsets', 'reset', '-t', 'orders:5', '--to-latest')).exitCode).toBe(1);
    expect((await run('groups', 'reset-offsets', 'none', '--all-topics', '--to-latest')).stderr).toContain(
      'has no offsets',
    );
  });

  it('counts a partition without an offset as unread', async () => {
    await run('groups', 'reset-offsets', 'half', '-t', 'orders:0', '--to-latest', '--execute');
    expect((await run('groups', 'describe', 'half')).stdout).toContain(
      [
        'Lag          5 records',
        '',
        'TOPIC   PARTITION  COMMITTED  END  LAG  MEMBER',
        'orders          0          5    5    0  -',
        'orders          1          -    5    5  -',
        '',
      ].join('\n'),
    );
  });

  it('forgets offsets and groups', async () => {
    await run('consume', 'orders', '-g', 'old', '-B', '-e');
    expect((await run('groups', 'delete-offsets', 'old', '-t', 'orders:1')).stdout).toBe(
      'orders 1: offset 5 forgotten\n',
    );
    expect((await run('groups', 'delete', 'old')).stdout).toBe('Group old deleted\n');
    expect((await run('groups', 'describe', 'steps2')).stderr).toBe(
      'error: There is no group "steps2".\nDid you mean "steps"?\n',
    );
    expect(await run('groups', 'describe', 'steps2', 'steps')).toEqual({
      exitCode: 1,
      stdout: (await run('groups', 'describe', 'steps')).stdout,
      stderr: 'error: There is no group "steps2".\nDid you mean "steps"?\n',
    });
    expect((await run('groups', 'describe', 'old')).exitCode).toBe(1);
  });
});
