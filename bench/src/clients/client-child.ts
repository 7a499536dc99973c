/** Runs one job with one of the clients in Node, and prints what came of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'hdr-histogram-js';
import { finishChild, jobOfThisChild } from '../processes.ts';
import { randomValues } from '../random-values.ts';
import { cpuMsOf } from './cpu.ts';
import type { ClientDriver, ProducerDriver } from './driver.ts';
import type { ConsumeJob, Job, LatencyJob, LatencyResult, ProduceJob, ThroughputResult } from './jobs.ts';

const DIFFERENT_VALUES = 5_000;
/** Records that are not acknowledged by then are lost. */
const LATE_MS_MAX = 10_000;

const { client, job } = jobOfThisChild<{ client: string; job: Job }>();
const { driver } = (await import(`./${client}.ts`)) as { driver: ClientDriver };
finishChild(await runJob());
// Some clients keep timers and sockets for a while after they were closed.
process.exit();

function runJob(): Promise<ThroughputResult | LatencyResult> {
  if (job.kind === 'produce') return produce(job);
  return job.kind === 'latency' ? measureLatency(job) : consume(job);
}

async function produce({ warmUpMs, timeMs, recordBytes, ...rest }: ProduceJob): Promise<ThroughputResult> {
  const values = randomValues(DIFFERENT_VALUES, recordBytes);
  const producer = await driver.producer({ warmUpMs, timeMs, recordBytes, ...rest });
  await producer.pump(values, overAfter(warmUpMs));
  globalThis.gc?.();
  const clock = startClock();
  const records = await producer.pump(values, overAfter(timeMs));
  const result = clock.stop(records, records * recordBytes);
  await producer.close();
  return result;
}

async function consume(consumeJob: ConsumeJob): Promise<ThroughputResult> {
  const { warmUpRecords, warmUpMs, timeMs, records: total } = consumeJob;
  const consumer = await driver.consumer(consumeJob);
  let seen = 0;
  let firstMs = 0;
  let seenBefore = 0;
  let bytes = 0;
  let clock: Clock | undefined;
  let deadlineMs = 0;
  let nextLook = 0;
  let result: ThroughputResult | undefined;
  await consumer.consume((count, valueBytes) => {
    seen += count;
    bytes += valueBytes;
    // Asking for the time of every record would cost as much as reading it.
    if (seen < nextLook && seen < total) return true;
    nextLook = seen + 1_000;
    const nowMs = performance.now();
    firstMs ||= nowMs;
    if (clock === undefined) {
      if (seen >= warmUpRecords || nowMs - firstMs >= warmUpMs) {
        clock = startClock();
        deadlineMs = nowMs + timeMs;
        seenBefore = seen;
        bytes = 0;
      }
      return true;
    }
    if (seen < total && nowMs < deadlineMs) return true;
    result ??= clock.stop(seen - seenBefore, bytes);
    return false;
  });
  await Promise.race([consumer.close(), sleep(2_000)]);
  if (result === undefined) throw new Error('nothing was left to read when the clock had started');
  return result;
}

/**
 * Every record has its time, and its latency counts from that time: where the client or the broker falls behind, the records that
 * had to wait for it count with their wait. Records of one millisecond are sent together, since Node's timers are no finer.
 */
async function measureLatency(latencyJob: LatencyJob): Promise<LatencyResult> {
  const { ratePerSecond, warmUpMs, timeMs, recordBytes } = latencyJob;
  const values = randomValues(DIFFERENT_VALUES, recordBytes);
  const producer = await driver.producer(latencyJob);
  await producer.send(values[0]!);
  await sendAtRate(producer, values, ratePerSecond, warmUpMs, () => {});
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  globalThis.gc?.();
  const clock = startClock();
  const records = await sendAtRate(producer, values, ratePerSecond, timeMs, (ms) =>
    histogram.recordValue(Math.max(ms * 1000, 1)),
  );
  const { cpuMs, brokerCpuMs } = clock.stop(records, 0);
  await Promise.race([producer.close(), sleep(2_000)]);
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1000;
  return { p50: at(50), p99: at(99), p999: at(99.9), max: histogram.maxValue / 1000, records, cpuMs, brokerCpuMs };
}

async function sendAtRate(
  producer: ProducerDriver,
  values: readonly Buffer[],
  ratePerSecond: number,
  timeMs: number,
  onLatency: (ms: number) => void,
): Promise<number> {
  const startMs = performance.now();
  let sent = 0;
  let acknowledged = 0;
  let failure: unknown;
  const sendDue = (nowMs: number): void => {
    const tick = Math.min(Math.floor(nowMs - startMs), timeMs);
    const due = Math.floor((tick * ratePerSecond) / 1000);
    while (sent < due) {
      const intendedMs = startMs + Math.ceil(((sent + 1) * 1000) / ratePerSecond);
      producer.send(values[sent++ % values.length]!).then(
        () => {
          acknowledged++;
          onLatency(performance.now() - intendedMs);
        },
        (error: unknown) => {
          failure ??= error;
        },
      );
    }
  };
  while (performance.now() < startMs + timeMs) {
    sendDue(performance.now());
    await sleep(1);
  }
  sendDue(startMs + timeMs);
  const lateMs = performance.now() + LATE_MS_MAX;
  while (acknowledged < sent && failure === undefined && performance.now() < lateMs) await sleep(2);
  if (failure !== undefined) throw failure;
  if (acknowledged < sent) throw new Error(`${sent - acknowledged} of ${sent} records were not acknowledged`);
  return acknowledged;
}

function overAfter(ms: number): () => boolean {
  const deadlineMs = performance.now() + ms;
  return () => performance.now() >= deadlineMs;
}

interface Clock {
  stop(records: number, bytes: number): ThroughputResult;
}

function startClock(): Clock {
  const startedMs = performance.now();
  const cpuBefore = process.cpuUsage();
  const brokerCpuBeforeMs = cpuMsOf(job.brokerPid);
  return {
    stop(records, bytes) {
      const seconds = (performance.now() - startedMs) / 1000;
      const { user, system } = process.cpuUsage(cpuBefore);
      const brokerCpuMs = cpuMsOf(job.brokerPid) - brokerCpuBeforeMs;
      const rssBytes = process.memoryUsage.rss();
      return { records, seconds, cpuMs: (user + system) / 1000, brokerCpuMs, bytes, rssBytes };
    },
  };
}
