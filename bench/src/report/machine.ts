/** What the figures were taken on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { KAFKA_4 } from '../../../tools/kafka/index.ts';
import { LIBRDKAFKA_PACKAGE } from '../../../tools/librdkafka/index.ts';

let lines: string[] | undefined;

/** The machine and the versions, as lines of a report. Nothing of it changes while a run lasts. */
export function describeMachine(): string[] {
  lines ??= [
    `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB memory, ${arch()}; clients, brokers and data (in the temporary folder) on this one machine`,
    `Linux ${release()}, Node ${process.version}, ${tool('java -version')}`,
    `commit ${tool('git describe --always --dirty')}; Apache Kafka ${KAFKA_4} (KRaft, one node, heap 1 GiB), librdkafka of ${LIBRDKAFKA_PACKAGE}, ${['kafkajs', '@platformatic/kafka'].map((name) => `${name} ${versionOf(name)}`).join(', ')}`,
  ];
  return lines;
}

/** Load averages over one and five minutes: what else the machine did. */
export function describeLoad(): string {
  const [one = 0, five = 0] = loadavg();
  return `load ${one.toFixed(2)} (1 min), ${five.toFixed(2)} (5 min)`;
}

/** The version of a package of npm that this one depends on. */
export function versionOf(name: string): string {
  const file = join(import.meta.dirname, '../../node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** The first line of what a program prints; `no NAME` where there is none. */
export function tool(command: string): string {
  try {
    const output = execFileSync('sh', ['-c', `${command} 2>&1`], { encoding: 'utf8', cwd: import.meta.dirname });
    return output.split('\n')[0] ?? '';
  } catch {
    return `no ${command.split(' ')[0]}`;
  }
}
