/** Kafka's own clients in Java, through the performance tools that Kafka brings. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { javaArguments, KAFKA_4 } from '../../../tools/kafka/index.ts';
import { run } from '../processes.ts';
import { cpuMsOf } from './cpu.ts';
import type { ConsumeJob, Job, LatencyResult, ProduceJob, ThroughputResult } from './jobs.ts';

const HEAP = '512m';
/** How much is sent is told in records, not in time; so a short run tells first how many that is. */
const PROBE_RECORDS = 40_000;
/** A warm JVM sends about so many times as much as the cold one of the short run. */
const WARM_FACTOR = 2;

/** A JVM's start would be most of it. */
const UNKNOWN = { cpuMs: Number.NaN, rssBytes: Number.NaN };

export function runJava(job: Job, timeoutMs: number): Promise<ThroughputResult | LatencyResult> {
  if (job.kind === 'consume') return consume(job, timeoutMs);
  if (job.kind === 'produce') return produce(job, timeoutMs);
  throw new Error('The latency of Java is measured by its own producer tool at a rate; ask for produce');
}

/** The tool has no warm-up, so its figures hold the first second of a cold JVM; the longer it runs, the less that counts. */
async function produce(job: ProduceJob, timeoutMs: number): Promise<ThroughputResult> {
  const { records, seconds } = await producePerf(job, PROBE_RECORDS, timeoutMs);
  return producePerf(
    job,
    Math.round((records / seconds / 1000) * (job.warmUpMs + job.timeMs) * WARM_FACTOR),
    timeoutMs,
  );
}

async function producePerf(job: ProduceJob, records: number, timeoutMs: number): Promise<ThroughputResult> {
  const brokerCpuBeforeMs = cpuMsOf(job.brokerPid);
  const output = await runTool(
    'kafka-producer-perf-test',
    [
      ...['--topic', job.topic, '--num-records', String(records), '--record-size', String(job.recordBytes)],
      ...['--throughput', '-1', '--producer-props', `bootstrap.servers=${job.bootstrap}`],
      ...[`acks=${job.acks}`, `enable.idempotence=${job.acks === -1}`, `compression.type=${job.compression}`],
      // As large as our own producer's; the default of 16 KiB is small for throughput.
      ...['batch.size=262144', 'linger.ms=5'],
    ],
    timeoutMs,
  );
  const line = output.trimEnd().split('\n').at(-1) ?? '';
  const [, sent, perSecond] = /^(\d+) records sent, ([\d.]+) records\/sec/.exec(line) ?? [];
  if (sent === undefined) throw new Error(`kafka-producer-perf-test printed:\n${output}`);
  const measured = Number(sent);
  const seconds = measured / Number(perSecond);
  const brokerCpuMs = cpuMsOf(job.brokerPid) - brokerCpuBeforeMs;
  return { records: measured, seconds, bytes: measured * job.recordBytes, brokerCpuMs, ...UNKNOWN };
}

async function consume(job: ConsumeJob, timeoutMs: number): Promise<ThroughputResult> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-java-'));
  try {
    const config = join(folder, 'consumer.properties');
    const brokerCpuBeforeMs = cpuMsOf(job.brokerPid);
    writeFileSync(config, 'auto.offset.reset=earliest\n');
    const output = await runTool(
      'kafka-consumer-perf-test',
      [
        ...['--topic', job.topic, '--messages', String(job.records), '--bootstrap-server', job.bootstrap],
        ...['--consumer.config', config, '--timeout', '20000', '--hide-header'],
      ],
      timeoutMs,
    );
    const line = output.trimEnd().split('\n').at(-1) ?? '';
    const fields = line.split(', ');
    // start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, MB/s of the fetching, records/s of the fetching
    const records = Number(fields[4]);
    const fetchMs = Number(fields[7]);
    if (!(records > 0) || !(fetchMs > 0)) throw new Error(`kafka-consumer-perf-test printed:\n${output}`);
    const bytes = Number(fields[2]) * 1024 * 1024;
    const brokerCpuMs = cpuMsOf(job.brokerPid) - brokerCpuBeforeMs;
    return { records, seconds: fetchMs / 1000, bytes, brokerCpuMs, ...UNKNOWN };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runTool(tool: string, args: readonly string[], timeoutMs: number): Promise<string> {
  const java = await javaArguments(tool, KAFKA_4, HEAP);
  // The compiler that the tools leave out for the sake of a quick start is what makes Java fast.
  const flags = java.filter((arg) => !arg.startsWith('-XX:Tiered'));
  const { stdout, stderr, exitCode } = await run('java', [...flags, ...args], timeoutMs);
  if (exitCode !== 0) throw new Error(`${tool} ended with ${exitCode}:\n${stderr}\n${stdout.slice(-2000)}`);
  return stdout;
}
