/** Opens folders that Apache Kafka has written, after it stopped in order and after it was killed. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLogConfig, LogManager, type PartitionLog } from '@millrace/log';
import { NodeDisk, systemClock, systemRandom } from '@millrace/ports';
import { batchLastOffset, batchSizeBytes, readRecords, splitBatches } from '@millrace/records';
import { kafkaTool, startApacheKafka } from '../kafka/index.ts';
import type { Finding } from './dump.ts';

const TOPIC = 'from-kafka';
const PARTITIONS = 3;
const RECORDS = 60_000;

/** Lets Kafka write, stops it with `signal`, and reads all of it through our log. */
export async function openKafkasFolder(version: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<Finding> {
  const what = `Kafka ${version}, ${signal === 'SIGTERM' ? 'stopped in order' : 'killed'}`;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-from-kafka-'));
  try {
    const kafka = await startApacheKafka({ version, folder, config: { 'log.segment.bytes': '1048576' } });
    let copy: string;
    try {
      await produce(version, kafka.bootstrap);
    } finally {
      await kafka.stop(signal);
      copy = join(folder, 'copy');
      cpSync(kafka.logDir, copy, { recursive: true });
    }
    return { what, ...(await readAll(copy)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function produce(version: string, bootstrap: string): Promise<void> {
  const topic = ['--create', '--topic', TOPIC, '--partitions', `${PARTITIONS}`, '--bootstrap-server', bootstrap];
  const created = await kafkaTool('kafka-topics', topic, { version });
  const settings = [`bootstrap.servers=${bootstrap}`, 'compression.type=lz4', 'acks=all'];
  const load = ['--topic', TOPIC, '--num-records', `${RECORDS}`, '--record-size', '200', '--throughput', '-1'];
  const produced = await kafkaTool('kafka-producer-perf-test', [...load, '--producer-props', ...settings], { version });
  if (created.exitCode !== 0 || produced.exitCode !== 0) {
    throw new Error(
      `Kafka ${version} did not take the records:\n${created.stderr}${produced.stdout}${produced.stderr}`,
    );
  }
}

async function readAll(logDir: string): Promise<{ isGood: boolean; detail: string }> {
  const properties = readFileSync(join(logDir, 'meta.properties'), 'utf8');
  const clusterId = /^cluster\.id=(.*)$/m.exec(properties)?.[1] ?? '';
  const manager = new LogManager({
    disk: new NodeDisk(),
    clock: systemClock,
    random: systemRandom,
    logDirs: [logDir],
    brokerId: 1,
    clusterId,
    configOf: () => defaultLogConfig,
  });
  await manager.open();
  let records = 0;
  let segments = 0;
  let scannedBytes = 0;
  let lookups = 0;
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const log = manager.get(TOPIC, partition);
    if (log === undefined) return { isGood: false, detail: `${TOPIC}-${partition} was not found` };
    log.advanceHighWatermark(log.durableEndOffset);
    segments += log.segmentCount;
    scannedBytes += log.recovery.scannedBytes;
    records += await countRecords(log);
    lookups += await countLookups(log);
  }
  await manager.close();
  const detail = `${records} of ${RECORDS} records in ${segments} segments, ${scannedBytes} bytes scanned, ${lookups} of ${PARTITIONS} timestamps found`;
  return { isGood: records === RECORDS && lookups === PARTITIONS, detail };
}

async function countRecords(log: PartitionLog): Promise<number> {
  let count = 0;
  for (let offset = log.logStartOffset; offset < log.highWatermark; ) {
    const read = await log.read(offset, 1024 * 1024, { isolation: 'highWatermark', minOneBatch: true });
    if (read.errorCode !== 0 || read.sizeBytes === 0) throw new Error(`Reading ${offset} gave error ${read.errorCode}`);
    for (const chunk of read.chunks) {
      for (const at of splitBatches(chunk)) {
        count += readRecords(chunk.subarray(at, at + batchSizeBytes(chunk, at))).length;
        offset = batchLastOffset(chunk, at) + 1;
      }
    }
  }
  return count;
}

/** 1 when the record with the largest timestamp is found again by that timestamp. */
async function countLookups(log: PartitionLog): Promise<number> {
  const largest = await log.maxTimestampOffset();
  const found = largest === undefined ? undefined : await log.offsetForTimestamp(largest.timestamp);
  return found !== undefined && found.offset === largest?.offset ? 1 : 0;
}
