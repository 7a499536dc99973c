/** Groups with members of ours and of Kafka's own Java client: for machines with `java` and with the jars, see tools/kafka. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type Assignor, stickyAssignor } from '@millrace/consumer';
import { describe, expect, it } from 'vitest';
import { javaArguments, KAFKA_3 } from '../kafka/index.ts';
import { may, whyNoKafka } from '../needs/index.ts';
import { Consuming, until } from './consuming.ts';
import { uniqueName } from './suite-cluster.ts';

const isRunnable = may(whyNoKafka(), import.meta.url);
const consuming = new Consuming();

/** Java's console consumer as a member of a group; `values` grows as it prints. */
async function javaMember(topic: string, groupId: string, strategy: string | undefined) {
  const properties = ['heartbeat.interval.ms=200'];
  if (strategy !== undefined) {
    properties.push(`partition.assignment.strategy=org.apache.kafka.clients.consumer.${strategy}`);
  }
  const args = ['--bootstrap-server', consuming.target.bootstrapServers, '--topic', topic, '--group', groupId];
  const child: ChildProcess = spawn(
    'java',
    [
      ...(await javaArguments('kafka-console-consumer', KAFKA_3, '128m')),
      ...args,
      '--from-beginning',
      ...properties.flatMap((property) => ['--consumer-property', property]),
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  let printed = '';
  child.stdout?.on('data', (text: Buffer) => {
    printed += text;
  });
  return {
    values: () => printed.split('\n').filter((line) => line !== ''),
    stop: async () => {
      const ended = new Promise((resolve) => child.on('close', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

describe.skipIf(!isRunnable)('a group of ours and Java', () => {
  it.each<[string, string | undefined, Assignor | undefined]>([
    ['its defaults', undefined, undefined],
    ['cooperative sticky', 'CooperativeStickyAssignor', undefined],
    ['range alone', 'RangeAssignor', undefined],
    ['eager sticky', 'StickyAssignor', stickyAssignor],
  ])(
    'shares partitions and reads every record once: Java with %s',
    { timeout: 60_000 },
    async (_name, strategy, assignor) => {
      const topic = await consuming.newTopic(4);
      const groupId = uniqueName('mixed');
      const ours = consuming.newConsumer({ groupId, ...(assignor === undefined ? {} : { assignors: [assignor] }) });
      const seen: string[] = [];
      ours.subscribe(topic);
      const run = ours.run({ eachRecord: ({ value }) => void seen.push(value ?? '') });
      await ours.joined;
      let written = 0;
      const write = async () => {
        for (let partition = 0; partition < 4; partition++, written += 10)
          await consuming.write(topic, 10, partition, written);
      };
      await write();
      const java = await javaMember(topic, groupId, strategy);
      try {
        await until('they share', () => ours.assignment.length === 2);
        await write();
        await until('all is read', () => seen.length + java.values().length >= written);
        const all = [...seen, ...java.values()];
        expect(new Set(all).size).toBe(written);
        expect(all.length).toBe(written);
        expect(java.values().length).toBe(20);
      } finally {
        await java.stop();
      }
      await until('ours has all again', () => ours.assignment.length === 4);
      await ours.close();
      await run;
    },
  );
});
