/** What people do with kcat, beside plain reading and writing (interop.test.ts). */
import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../clients/index.ts';
import { has } from '../needs/index.ts';
import { compatSuite, until } from './suite.ts';

const suite = compatSuite();

function kcat(args: readonly string[], input = ''): Promise<string> {
  return runProgram('kcat', ['-b', suite.bootstrap, ...args], { input });
}

function lines(output: string): string[] {
  return output.split('\n').filter((line) => line !== '');
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, at) => String(from + at));

describe.skipIf(!has('kcat', import.meta.url))('kcat', () => {
  it('lists brokers, topics and partitions', async () => {
    const topic = await suite.createTopic('listed', 3);
    const listing = JSON.parse(await kcat(['-L', '-J']));
    expect(listing.brokers).toEqual([{ id: expect.any(Number), name: suite.bootstrap }]);
    const listed = listing.topics.find((entry: { topic: string }) => entry.topic === topic);
    const [{ id }] = listing.brokers;
    expect(listed.partitions).toEqual(
      [0, 1, 2].map((partition) => ({ partition, leader: id, replicas: [{ id }], isrs: [{ id }] })),
    );
  });

  it('creates a topic by writing to it', async () => {
    const topic = `automatic-${process.pid}`;
    await kcat(['-P', '-t', topic], 'hello\n');
    expect(await kcat(['-C', '-t', topic, '-e', '-q'])).toBe('hello\n');
  });

  it.each(['0', '1', 'all'])('writes with acks=%s', async (acks) => {
    const topic = await suite.createTopic(`acks-${acks}`);
    await kcat(['-P', '-t', topic, '-X', `acks=${acks}`], `${numbers(1, 1000).join('\n')}\n`);
    expect(lines(await kcat(['-C', '-t', topic, '-c', '1000', '-q']))).toEqual(numbers(1, 1000));
  });

  it('writes as an idempotent producer, in many batches and in order', async () => {
    const topic = await suite.createTopic('idempotent');
    const args = ['-P', '-t', topic, '-X', 'enable.idempotence=true', '-X', 'batch.num.messages=100'];
    await kcat(args, `${numbers(1, 5000).join('\n')}\n`);
    expect(lines(await kcat(['-C', '-t', topic, '-e', '-q']))).toEqual(numbers(1, 5000));
  });

  it('reads from an offset, from the end backwards, and up to the end', async () => {
    const topic = await suite.createTopic('offsets');
    await kcat(['-P', '-t', topic], `${numbers(1, 10).join('\n')}\n`);
    expect(lines(await kcat(['-C', '-t', topic, '-o', '7', '-e', '-q']))).toEqual(numbers(8, 10));
    expect(lines(await kcat(['-C', '-t', topic, '-o', '-2', '-e', '-q']))).toEqual(numbers(9, 10));
    expect(lines(await kcat(['-C', '-t', topic, '-o', 'beginning', '-c', '3', '-q']))).toEqual(numbers(1, 3));
  });

  it('finds offsets by time', async () => {
    const topic = await suite.createTopic('times');
    await kcat(['-P', '-t', topic], 'early\n');
    const [stamp = ''] = lines(await kcat(['-C', '-t', topic, '-e', '-q', '-f', '%T\n']));
    expect(await kcat(['-Q', '-t', `${topic}:0:${stamp}`])).toContain('offset 0');
    // Nothing is that late: the answer is the end of the log.
    expect(await kcat(['-Q', '-t', `${topic}:0:${Number(stamp) + 60_000}`])).toMatch(/offset (?:-1|1)\b/);
    expect(lines(await kcat(['-C', '-t', topic, '-o', `s@${stamp}`, '-e', '-q']))).toEqual(['early']);
  });

  it('goes on in a group where it was', async () => {
    const topic = await suite.createTopic('group', 4);
    await kcat(['-P', '-t', topic], `${numbers(1, 40).join('\n')}\n`);
    const read = async (count: number) =>
      lines(await kcat(['-X', 'auto.offset.reset=earliest', '-c', String(count), '-q', '-G', `${topic}-group`, topic]));
    const parts = [await read(15), await read(25)];
    const order = (values: string[]): number[] => values.map(Number).sort((a, b) => a - b);
    expect(order(parts.flat())).toEqual(numbers(1, 40).map(Number));
  });

  it('hands the partitions of a member that was killed to the other when its session ends', async () => {
    const topic = await suite.createTopic('killed', 2);
    const session = [
      '-X',
      'session.timeout.ms=6000',
      '-X',
      'heartbeat.interval.ms=200',
      '-X',
      'auto.offset.reset=earliest',
    ];
    const args = ['-b', suite.bootstrap, ...session, '-f', '%p %s\n', '-u', '-G', `${topic}-group`, topic];
    const members = [0, 1].map(() => {
      const child = spawn('kcat', args, { stdio: ['ignore', 'pipe', 'pipe'] });
      const member = { child, output: '', rebalances: '', assigned: '' };
      child.stdout.on('data', (chunk) => {
        member.output += chunk;
      });
      // kcat tells its rebalances on standard error: "% Group g rebalanced (memberid m): assigned: t [0]".
      child.stderr.on('data', (chunk) => {
        member.rebalances += chunk;
        member.assigned = [...member.rebalances.matchAll(/assigned: (.*)\n/g)].at(-1)?.[1] ?? '';
      });
      return member;
    });
    const [stays, goes] = members as [(typeof members)[0], (typeof members)[0]];
    try {
      const one = /^\S+ \[\d\]$/;
      await until('both have a partition', () => members.every((member) => one.test(member.assigned.trim())));
      goes.child.kill('SIGKILL');
      await until('the other has both', () => stays.assigned.split(',').length === 2);
      await kcat(['-P', '-t', topic, '-p', '0'], 'a\n');
      await kcat(['-P', '-t', topic, '-p', '1'], 'b\n');
      await until('it reads both', () => lines(stays.output).length === 2);
      expect(lines(stays.output).sort()).toEqual(['0 a', '1 b']);
    } finally {
      stays.child.kill('SIGTERM');
    }
  });

  it('writes and reads a message near the size limit', async () => {
    const topic = await suite.createTopic('large');
    const value = 'x'.repeat(900_000);
    await kcat(['-P', '-t', topic], value);
    expect((await kcat(['-C', '-t', topic, '-c', '1', '-q'])).length).toBe(value.length + 1);
  });
});
