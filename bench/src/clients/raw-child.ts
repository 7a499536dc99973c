/**
 * Sends Produce requests with batches that were built beforehand, or Fetch requests for one of them, over any number of connections: the
 * least that a client can do, so that what is measured is the broker.
 */
import { Connection } from '@millrace/network';
import { Fetch, Produce } from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { build } from 'hdr-histogram-js';
import { finishChild, jobOfThisChild } from '../processes.ts';
import { randomValues } from '../random-values.ts';
import { FineCpuTime } from './cpu.ts';
import type { RawJob, RawResult } from './jobs.ts';

const RECORD_BYTES = 100;
const TIMEOUT_MS = 30_000;
/** The last of Fetch that has names of topics, and no ids. */
const VERSION_WITH_NAMES = 12;

const job = jobOfThisChild<RawJob>();
const batch = buildBatch(job.batchBytes);
const [host = '', port = ''] = job.bootstrap.split(':');
const connections: Connection[] = [];
for (let count = 0; count < job.connections; count += 1) {
  connections.push(await Connection.connect({ host, port: Number(port), requestTimeoutMs: TIMEOUT_MS }));
}
if (job.api === 'Fetch') await writeEach(connections[0]!);
await sendUntil(performance.now() + job.warmUpMs, () => {});

const histogram = build({
  lowestDiscernibleValue: 1,
  highestTrackableValue: TIMEOUT_MS * 1000,
  numberOfSignificantValueDigits: 3,
});
const startedMs = performance.now();
const cpuBefore = process.cpuUsage();
const brokerCpu = new FineCpuTime(job.brokerPid);
const requests = await sendUntil(startedMs + job.timeMs, (ms) => histogram.recordValue(Math.max(ms * 1000, 1)));
const seconds = (performance.now() - startedMs) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
finishChild({
  requests,
  seconds,
  cpuMs: (user + system) / 1000,
  brokerCpuMs: brokerCpu.elapsedMs(),
  bytes: requests * batch.length,
  p50: histogram.getValueAtPercentile(50) / 1000,
  p99: histogram.getValueAtPercentile(99) / 1000,
} satisfies RawResult);
process.exit();

/** Keeps `inFlight` requests under way on every connection until the time is up, and enough have been answered. */
async function sendUntil(deadlineMs: number, onLatency: (ms: number) => void): Promise<number> {
  let sent = 0;
  let next = 0;
  const { topics, partitions, requestsMin = 0 } = job;
  const lane = async (connection: Connection): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < deadlineMs || sent < requestsMin; ) {
      const name = topics[next % topics.length]!;
      const index = Math.floor(next++ / topics.length) % partitions;
      const ask = job.api === 'Fetch' ? fetchOne : produceOne;
      const errorCode = await ask(connection, name, index);
      if (errorCode !== 0) throw new Error(`the broker answered ${errorCode}`);
      const beforeMs = nowMs;
      nowMs = performance.now();
      onLatency(nowMs - beforeMs);
      sent += 1;
    }
  };
  const lanes = connections.flatMap((connection) => Array.from({ length: job.inFlight }, () => lane(connection)));
  await Promise.all(lanes);
  return sent;
}

async function produceOne(connection: Connection, name: string, index: number): Promise<number | undefined> {
  const topicData = [{ name, partitionData: [{ index, records: batch }] }];
  const { responses } = await connection.send(Produce, 'auto', { acks: -1, timeoutMs: TIMEOUT_MS, topicData });
  return responses[0]?.partitionResponses[0]?.errorCode;
}

/** The batch that was written first, out of any session. */
async function fetchOne(connection: Connection, topic: string, partition: number): Promise<number | undefined> {
  const { responses } = await connection.send(Fetch, VERSION_WITH_NAMES, {
    maxWaitMs: TIMEOUT_MS / 2,
    minBytes: 1,
    topics: [{ topic, partitions: [{ partition, fetchOffset: 0, partitionMaxBytes: batch.length }] }],
  });
  return responses[0]?.partitions[0]?.errorCode;
}

async function writeEach(connection: Connection): Promise<void> {
  for (const topic of job.topics) {
    for (let index = 0; index < job.partitions; index += 1) {
      const errorCode = await produceOne(connection, topic, index);
      if (errorCode !== 0) throw new Error(`the broker answered ${errorCode}`);
    }
  }
}

function buildBatch(bytes: number): Buffer {
  const builder = new RecordBatchBuilder({ initialBytes: bytes, targetBytes: bytes });
  for (const value of randomValues(Math.ceil(bytes / RECORD_BYTES), RECORD_BYTES)) {
    if (!builder.hasRoomFor(null, value)) break;
    builder.append(Date.now(), null, value);
  }
  return builder.build();
}
