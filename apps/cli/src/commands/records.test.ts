import { startBroker, type TestBroker } from '@millrace/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { millrace, type TestRun } from '../testing/test-cli.ts';

let broker: TestBroker;
const run = (...args: string[]): Promise<TestRun> => millrace(broker.bootstrapServers, args);
const feed = (stdin: string | Buffer, ...args: string[]): Promise<TestRun> =>
  millrace(broker.bootstrapServers, ['produce', ...args], { stdin });
const print = async (...args: string[]): Promise<string[]> => {
  const { stdout, stderr, exitCode } = await run('consume', ...args, '--from-beginning', '--exit-at-end');
  expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/read in/)]);
  return stdout.split('\n').slice(0, -1);
};

beforeAll(async () => {
  broker = await startBroker({
    topics: ['lines', 'keyed', 'stopped', { topic: 'spread', partitions: 3 }, 'json', 'copy'],
  });
});
afterAll(() => broker.close());

describe('millrace produce and consume', () => {
  it('carry lines', async () => {
    const sent = await feed('a\n\nb', 'lines');
    expect(sent).toMatchObject({ exitCode: 0, stdout: '' });
    expect(sent.stderr).toMatch(/^3 records \(2 B\) in .*, into lines\n$/);
    expect(await print('lines')).toEqual(['a', '', 'b']);
  });

  it('carry keys, headers and tombstones', async () => {
    await feed('k1\tone\nk2\tNULL\n', 'keyed', '-K', '\\t', '--null-marker', 'NULL', '-H', 'by=me', '-z', 'zstd');
    expect(await print('keyed', '--print-key', '--print-headers', '--print-offset')).toEqual([
      '0\tby=me\tk1\tone',
      '1\tby=me\tk2\tnull',
    ]);
    expect(await print('keyed', '-f', '%o:%k=%s\\n')).toEqual(['0:k1=one', '1:k2=']);
  });

  it('spread keys over partitions, and keep to one where told to', async () => {
    const lines = Array.from({ length: 30 }, (_, index) => `k${index}:v`);
    await feed(`${lines.join('\n')}\n`, 'spread', '-K', ':');
    await feed('x\ny\n', 'spread', '-p', '2', '-k', 'fixed');
    expect((await print('spread')).length).toBe(32);
    expect(await print('spread', '-p', '2', '-k')).toEqual(expect.arrayContaining(['fixed\tx', 'fixed\ty']));
    expect((await run('consume', 'spread', '-p', '2', '-o', '-1', '-e')).stdout).toBe('y\n');
    const nowhere = await feed('x\n', 'spread', '-p', '7');
    expect(nowhere).toMatchObject({ exitCode: 1, stderr: 'error: Topic "spread" has no partition 7: it has 0-2.\n' });
  });

  it('say what they wait for after Ctrl-C', async () => {
    const interrupts: (() => void)[] = [];
    const held = broker.holdNext('Produce');
    const said = Promise.withResolvers<string>();
    const onNote = (text: string): void => (text.includes('Stopping') ? said.resolve(text) : undefined);
    const options = { stdin: 'a\n', interrupts, onNote };
    const sending = millrace(broker.bootstrapServers, ['produce', 'stopped'], options);
    await held.done;
    interrupts[0]!();
    expect(await said.promise).toMatch(/^Stopping: waiting until what becomes of 1 record is known.*Ctrl-C again/);
    held.remove();
    expect(await sending).toMatchObject({ exitCode: 130, stderr: expect.stringMatching(/1 record .*into stopped\n$/) });
  });

  it('carry JSON from one topic to another', async () => {
    await feed(
      '{"key":"k","value":{"base64":"/w=="},"headers":{"h":["1","2"]},"timestamp":5}\n',
      'json',
      '--format',
      'json',
    );
    const { stdout } = await run('consume', 'json', '-B', '-e', '--json');
    expect(JSON.parse(stdout)).toEqual({
      topic: 'json',
      partition: 0,
      offset: 0,
      timestamp: 5,
      key: 'k',
      value: { base64: '/w==' },
      headers: { h: ['1', '2'] },
    });
    await feed(stdout, 'copy', '--format', 'json');
    const copied = await run('consume', 'copy', '-B', '-e', '--json');
    expect(JSON.parse(copied.stdout)).toEqual({ ...JSON.parse(stdout), topic: 'copy' });
  });

  it('stop at a line that is no record, with its number, and keep what came before', async () => {
    await run('topics', 'create', 'stops');
    const stopped = await feed('a:1\nb:2\nno separator\nc:3\n', 'stops', '-K', ':');
    expect(stopped.exitCode).toBe(1);
    expect(stopped.stderr).toContain('error: Line 3 of the input is no record: there is no key separator ":" in it.');
    expect(await print('stops')).toEqual(['1', '2']);
  });

  it('tell that a file cannot be read', async () => {
    const nowhere = await run('produce', 'lines', '--file', '/nowhere/lines');
    expect(nowhere).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'error: Cannot read /nowhere/lines: there is no such file.\n',
    });
    expect((await run('produce', 'lines', '--file', '/')).stderr).toBe('error: Cannot read /: it is a folder.\n');
  });

  it('tell that a topic is about to be made by itself', async () => {
    const { stderr, exitCode } = await feed('a\n', 'keyd');
    expect(exitCode).toBe(0);
    expect(stderr).toContain('warning: there is no topic "keyd" yet; the first record creates it');
    expect(stderr).toContain('Did you mean "keyed"?');
  });

  it('tell that a record is too large, and how many got there', async () => {
    const { exitCode, stderr } = await feed(`${'x'.repeat(2_000_000)}\n`, 'lines');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^error: A record for topic 'lines' has .* did not get into topic "lines", 0 did\.\n`--max-record-bytes`/m,
    );
  });

  it('read from where they are told to', async () => {
    await run('topics', 'create', 'places');
    await feed('a\nb\nc\nd\n', 'places');
    expect((await run('consume', 'places', '-o', '2', '-e')).stdout).toBe('c\nd\n');
    expect((await run('consume', 'places', '-o', '-1', '-e')).stdout).toBe('d\n');
    expect((await run('consume', 'places', '-o', '2000-01-01', '-n', '1')).stdout).toBe('a\n');
    expect((await run('consume', 'places', '-o', 'end', '-e')).stdout).toBe('');
    const beyond = await run('consume', 'places', '-o', '99', '-e');
    expect(beyond.stderr).toContain('warning: places 0 ends at offset 4; reading begins there');
  });

  it('end when nothing comes any more', async () => {
    const ended = await run('consume', 'lines', '-B', '--idle-timeout', '1s');
    expect(ended).toMatchObject({ exitCode: 0, stdout: 'a\n\nb\n' });
  });

  it('end at Ctrl-C', async () => {
    const interrupts: (() => void)[] = [];
    const endless = await millrace(broker.bootstrapServers, ['consume', 'lines', '-B'], {
      interrupts,
      onOutput: () => interrupts[0]!(),
    });
    expect(endless).toMatchObject({ exitCode: 0, stdout: 'a\n\nb\n' });
    const unfinished = await millrace(broker.bootstrapServers, ['consume', 'lines', '-B', '-n', '99'], {
      interrupts,
      onOutput: () => interrupts[1]!(),
    });
    expect(unfinished).toMatchObject({ exitCode: 130, stdout: 'a\n\nb\n' });
  });

  it('refuse what contradicts itself', async () => {
    for (const args of [
      ['-g', 'x', '-o', '5'],
      ['-g', 'x', '-p', '0'],
      ['-B', '-o', '5'],
      ['--instance-id', 'a'],
      ['-f', '%z'],
      ['-f', 'json', '-k'],
    ]) {
      expect((await run('consume', 'lines', ...args)).exitCode).toBe(2);
    }
    expect((await feed('', 'lines', '-k', 'a', '-K', ':')).exitCode).toBe(2);
  });
});

describe('millrace offsets and records delete', () => {
  it('show and cut partitions', async () => {
    await run('topics', 'create', 'cut', '-p', '2');
    await feed(
      '{"value":"a","timestamp":1000000000000}\n{"value":"b","timestamp":2000000000000}\n{"value":"c","timestamp":2000000000000}\n',
      'cut',
      '-p',
      '1',
      '--format',
      'json',
    );
    expect((await run('offsets', 'cut')).stdout).toBe(
      [
        'TOPIC  PARTITION  START  END  OFFSETS',
        'cut            0      0    0        0',
        'cut            1      0    3        3',
        '',
      ].join('\n'),
    );
    expect(JSON.parse((await run('offsets', 'cut', '--at', '2010-01-01', '-p', '1', '--json')).stdout)).toEqual([
      { topic: 'cut', partition: 1, offset: 1, timestamp: 2_000_000_000_000 },
    ]);
    expect((await run('offsets', 'cut', '--at', '2100-01-01', '-p', '1')).stdout).toContain('none so late');
    expect((await run('records', 'delete', 'cut', '--before', '1')).exitCode).toBe(2);
    expect((await run('records', 'delete', 'cut', '--before', '1', '-p', '1')).stdout).toBe(
      'Partition 1 of cut begins at offset 1 now\n',
    );
    expect((await run('consume', 'cut', '-B', '-e')).stdout).toBe('b\nc\n');
    expect((await run('records', 'delete', 'cut', '--before', 'end')).stdout).toContain(
      'Partition 1 of cut begins at offset 3 now',
    );
    expect(await run('records', 'delete', 'cut', '--before', '9', '-p', '1')).toMatchObject({
      exitCode: 1,
      stderr:
        'error: Records before 9 cannot be deleted: partition 1 of cut ends at offset 3.\n`--before end` deletes all that are there.\n',
    });
  });
});
