/** Reads a topic to its end as other clients do that see what is committed. */
import { connectKafkaJs } from '../../clients/kafkajs.ts';
import { runProgram } from '../../clients/program.ts';
import { KAFKA_4, kafkaTool } from '../../kafka/index.ts';

/** The values of each partition, in order. */
export type Values = string[][];

export interface Reading {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  /** How many there must be. */
  readonly count: number;
  readonly timeoutMs: number;
}

/** librdkafka's. */
export async function readByKcat({ bootstrap, topic, partitions, timeoutMs }: Reading): Promise<Values> {
  const args = ['-C', '-b', bootstrap, '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%p %s\\n'];
  const printed = await runProgram('kcat', [...args, '-X', 'isolation.level=read_committed'], { timeoutMs });
  return valuesOf(printed, partitions, /^(\d+) (.*)$/);
}

/** Java's. One that waits for a record too many gives up after a while, and says what it has. */
export async function readByJava({ bootstrap, topic, partitions, count, timeoutMs }: Reading): Promise<Values> {
  const place = ['--bootstrap-server', bootstrap, '--topic', topic, '--from-beginning'];
  const format = ['--property', 'print.partition=true', '--isolation-level', 'read_committed'];
  const end = ['--max-messages', String(count), '--timeout-ms', String(timeoutMs)];
  const { stdout } = await kafkaTool('kafka-console-consumer', [...place, ...format, ...end], { version: KAFKA_4 });
  return valuesOf(stdout, partitions, /^Partition:(\d+)\t(.*)$/);
}

export async function readByKafkaJs({ bootstrap, topic, partitions, count, timeoutMs }: Reading): Promise<Values> {
  const values: Values = Array.from({ length: partitions }, () => []);
  const consumer = connectKafkaJs(bootstrap).consumer({ groupId: `${topic}-read`, readUncommitted: false });
  let read = 0;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const late = setTimeout(() => reject(new Error(`kafkajs has read ${read} of ${count} records`)), timeoutMs);
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        values[partition]!.push(String(message.value));
        read += 1;
        if (read >= count) resolve();
      },
    });
    await promise;
    return values;
  } finally {
    clearTimeout(late);
    await consumer.disconnect();
  }
}

function valuesOf(printed: string, partitions: number, pattern: RegExp): Values {
  const values: Values = Array.from({ length: partitions }, () => []);
  for (const line of printed.split('\n')) {
    const [, partition, value = ''] = pattern.exec(line) ?? [];
    if (partition !== undefined) values[Number(partition)]!.push(value);
  }
  return values;
}
