/** Runs one job with one of the clients in Node, and prints what came of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { finishChild, jobOfThisChild } from '../processes.ts';
import { randomValues } from '../random-values.ts';
import { cpuMsOf } from './cpu.ts';
import type { ClientDriver, ProducerDriver } from './driver.ts';
import type {
  ConsumeJob,
  Job,
  LatencyJob,
  LatencyResult,
  ProduceJob,
  SingleJob,
  TailJob,
  ThroughputResult,
} from './jobs.ts';
import { Latencies } from './latencies.ts';

const DIFFERENT_VALUES = 5_000;
/** Of all of them; of large values there are fewer. */
const VALUES_BYTES_MAX = 32 * 1024 * 1024;
/** Records that are not acknowledged by then are lost. */
const LATE_MS_MAX = 10_000;
/** Some clients take their time to leave a group. */
const CLOSE_MS_MAX = 2_000;

const { client, job } = jobOfThisChild<{ client: string; job: Job }>();
const { driver } = (await import(`./${client}.ts`)) as { driver: ClientDriver };
finishChild(await runJob());
// Some clients keep timers and sockets for a while after they were closed.
process.exit();

function differentValues(recordBytes: number): Buffer[] {
  return randomValues(Math.min(DIFFERENT_VALUES, Math.ceil(VALUES_BYTES_MAX / recordBytes)), recordBytes);
}

function runJob(): Promise<ThroughputResult | LatencyResult> {
  switch (job.kind) {
    case 'produce':
      return produce(job);
    case 'latency':
      return measureLatency(job);
    case 'single':
      return measureSingle(job);
    case 'tail':
      return measureTail(job);
    case 'consume':
      return consume(job);
  }
}

async function produce({ warmUpMs, timeMs, recordBytes, ...rest }: ProduceJob): Promise<ThroughputResult> {
  const values = differentValues(recordBytes);
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
  await Promise.race([consumer.close(), sleep(CLOSE_MS_MAX)]);
  if (result === undefined) throw new Error('nothing was left to read when the clock had started');
  return result;
}

/**
 * Every record has its time, and its latency counts from that time: where the client or the broker falls behind, the records that
 * had to wait for it count with their wait. Records of one millisecond are sent together, since Node's timers are no finer.
 */
async function measureLatency(latencyJob: LatencyJob): Promise<LatencyResult> {
  const { ratePerSecond, warmUpMs, timeMs, recordBytes } = latencyJob;
  const values = differentValues(recordBytes);
  const producer = await driver.producer(latencyJob);
  await producer.send(values[0]!);
  await sendAtRate(producer, values, ratePerSecond, warmUpMs, { onSent() {}, onAcknowledged() {} });
  const latency = new Latencies();
  const lag = new Latencies();
  globalThis.gc?.();
  const clock = startClock();
  const records = await sendAtRate(producer, values, ratePerSecond, timeMs, {
    onSent: (ms) => lag.add(ms),
    onAcknowledged: (ms) => latency.add(ms),
  });
  const { cpuMs, brokerCpuMs } = clock.stop(records, 0);
  await Promise.race([producer.close(), sleep(CLOSE_MS_MAX)]);
  return latency.result(lag.at(99), records, cpuMs, brokerCpuMs);
}

async function measureSingle(singleJob: SingleJob): Promise<LatencyResult> {
  const { warmUpMs, timeMs, recordBytes } = singleJob;
  const values = differentValues(recordBytes);
  const producer = await driver.producer(singleJob);
  const latency = new Latencies();
  const sendUntil = async (deadlineMs: number, onLatency: (ms: number) => void): Promise<number> => {
    let sent = 0;
    for (let nowMs = performance.now(); nowMs < deadlineMs; sent += 1) {
      await producer.send(values[sent % values.length]!);
      const beforeMs = nowMs;
      nowMs = performance.now();
      onLatency(nowMs - beforeMs);
    }
    return sent;
  };
  await sendUntil(performance.now() + warmUpMs, () => {});
  globalThis.gc?.();
  const clock = startClock();
  const records = await sendUntil(performance.now() + timeMs, (ms) => latency.add(ms));
  const { cpuMs, brokerCpuMs } = clock.stop(records, 0);
  await Promise.race([producer.close(), sleep(CLOSE_MS_MAX)]);
  return latency.result(0, records, cpuMs, brokerCpuMs);
}

/**
 * There is one partition, so that the n-th record read is the n-th sent, and when it was due is known without looking into it. The
 * first one is only there to see that the consumer reads.
 */
async function measureTail(tailJob: TailJob): Promise<LatencyResult> {
  const { ratePerSecond, warmUpMs, timeMs, recordBytes } = tailJob;
  const values = differentValues(recordBytes);
  const producer = await driver.producer(tailJob);
  await producer.send(values[0]!);
  const consumer = await driver.consumer({
    ...tailJob,
    kind: 'consume',
    records: Number.POSITIVE_INFINITY,
    warmUpRecords: 0,
  });
  const latency = new Latencies();
  const lag = new Latencies();
  const warmUpRecords = Math.floor((ratePerSecond * warmUpMs) / 1000);
  const total = 1 + warmUpRecords + Math.floor((ratePerSecond * timeMs) / 1000);
  let seen = 0;
  let startMs = 0;
  const reading = Promise.withResolvers<void>();
  const done = consumer.consume((count) => {
    const nowMs = performance.now();
    for (let each = 0; each < count; each++, seen++) {
      if (seen > warmUpRecords) latency.add(nowMs - (startMs + Math.ceil((seen * 1000) / ratePerSecond)));
    }
    reading.resolve();
    return seen < total;
  });
  await Promise.race([reading.promise, late('no record was read')]);
  startMs = performance.now();
  let clock: Clock | undefined;
  await sendAtRate(
    producer,
    values,
    ratePerSecond,
    warmUpMs + timeMs,
    {
      onSent(ms) {
        clock ??= performance.now() >= startMs + warmUpMs ? startClock() : undefined;
        if (clock !== undefined) lag.add(ms);
      },
      onAcknowledged() {},
    },
    startMs,
  );
  await Promise.race([done, late(`${seen} of ${total} records were read`)]);
  const { cpuMs, brokerCpuMs } = clock!.stop(0, 0);
  await Promise.race([Promise.all([producer.close(), consumer.close()]), sleep(CLOSE_MS_MAX)]);
  return latency.result(lag.at(99), total - 1 - warmUpRecords, cpuMs, brokerCpuMs);
}

async function late(what: string): Promise<never> {
  await sleep(LATE_MS_MAX);
  throw new Error(`after ${LATE_MS_MAX} ms, ${what}`);
}

/** What becomes of each record: how many milliseconds after it was due. */
interface RecordEvents {
  onSent(ms: number): void;
  onAcknowledged(ms: number): void;
}

async function sendAtRate(
  producer: ProducerDriver,
  values: readonly Buffer[],
  ratePerSecond: number,
  timeMs: number,
  events: RecordEvents,
  startMs = performance.now(),
): Promise<number> {
  let sent = 0;
  let acknowledged = 0;
  let failure: unknown;
  const sendDue = (elapsedMs: number): void => {
    const tick = Math.min(Math.floor(elapsedMs), timeMs);
    const due = Math.floor((tick * ratePerSecond) / 1000);
    while (sent < due) {
      const intendedMs = startMs + Math.ceil(((sent + 1) * 1000) / ratePerSecond);
      events.onSent(performance.now() - intendedMs);
      producer.send(values[sent++ % values.length]!).then(
        () => {
          acknowledged += 1;
          events.onAcknowledged(performance.now() - intendedMs);
        },
        (error: unknown) => {
          failure ??= error;
        },
      );
    }
  };
  while (performance.now() < startMs + timeMs && failure === undefined) {
    sendDue(performance.now() - startMs);
    await sleep(1);
  }
  sendDue(timeMs);
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
