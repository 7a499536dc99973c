import {
  CorruptLogError,
  defaultLogConfig,
  type LogConfig,
  LogError,
  LogManager,
  type PartitionLog,
} from '@millrace/log';
import { MemoryDisk, type Random, seededRandom } from '@millrace/ports';
import { batchSizeBytes, RecordBatchBuilder, readRecords, splitBatches } from '@millrace/records';
import { SimulatedClock } from '../world/simulated-clock.ts';

const FOLDER = '/data';
const TOPIC = 't';
const START_MS = 1_700_000_000_000;
const BATCHES = 24;
const CONFIG: LogConfig = { ...defaultLogConfig, segmentBytes: 700, indexIntervalBytes: 100, retentionMs: -1 };
/** Files whose bytes are flipped. Checkpoints are text without a checksum, in Kafka as in ours. */
const FLIPPED = /\.(log|index|timeindex|snapshot)$/;

/** What became of the flipped bits. */
export interface CorruptionFigures {
  flips: number;
  /** Somebody was told: a start that was refused, a log that was cut with a report, a read that was answered with an error. */
  found: number;
  /** Everything was read as it was written. */
  harmless: number;
  /** Wrong data, or data missing, and nobody was told. */
  readonly silent: string[];
}

/** How the broker stopped before the bit flipped. */
export type Stop = 'clean' | 'unclean';

export interface CorruptionOptions {
  /** Of how many bits one is flipped; 1: every one. */
  readonly everyNthBit: number;
  readonly seed: number;
  readonly onFlip?: (done: number, total: number) => void;
}

/** Flips the bits of a small log's files one after the other, opens the log each time, and reads all that is in it. */
export async function flipEveryBit(options: CorruptionOptions): Promise<CorruptionFigures> {
  const figures: CorruptionFigures = { flips: 0, found: 0, harmless: 0, silent: [] };
  const random = seededRandom(options.seed);
  for (const stop of ['clean', 'unclean'] as const) {
    const { disk, values } = await writeLog(stop);
    const files = disk.filesBelow(FOLDER).filter(({ path }) => FLIPPED.test(path));
    const total = files.reduce((sum, { sizeBytes }) => sum + sizeBytes * 8, 0);
    let done = 0;
    for (const { path, sizeBytes } of files) {
      for (let bit = random.nextInt(options.everyNthBit); bit < sizeBytes * 8; bit += options.everyNthBit) {
        await judge(disk, values, path, bit, stop, figures);
        options.onFlip?.(done + bit, total);
      }
      done += sizeBytes * 8;
    }
  }
  return figures;
}

async function judge(
  disk: MemoryDisk,
  values: readonly string[],
  path: string,
  bit: number,
  stop: Stop,
  figures: CorruptionFigures,
): Promise<void> {
  const damaged = await copyOf(disk);
  damaged.flipBit(path, bit >>> 3, bit & 7);
  figures.flips++;
  const verdict = await readAll(damaged, values);
  if (verdict === 'found') figures.found++;
  else if (verdict === 'harmless') figures.harmless++;
  else figures.silent.push(`${stop}: bit ${bit & 7} of byte ${bit >>> 3} of ${path}: ${verdict}`);
}

/** Opens the log and reads it from every offset. Says what is wrong when nobody was told of it. */
async function readAll(disk: MemoryDisk, values: readonly string[]): Promise<string> {
  let isFound = false;
  const manager = managerOn(disk, () => {
    isFound = true;
  });
  try {
    await manager.open();
  } catch (error) {
    if (error instanceof LogError) return 'found';
    throw error;
  }
  const log = manager.get(TOPIC, 0);
  if (log === undefined) return 'the partition is gone';
  log.advanceHighWatermark(log.durableEndOffset);
  let fault: string | undefined;
  for (let offset = 0; offset < values.length && fault === undefined; offset++) {
    const seen = await readAt(log, offset);
    if (seen === 'error') isFound = true;
    else if (seen !== values[offset] && !(seen === undefined && isFound))
      fault = `offset ${offset} is ${seen}, not ${values[offset]}`;
  }
  for (let index = 0; index < values.length && fault === undefined; index += 7) {
    const found = await log.offsetForTimestamp(START_MS + index).catch(errorOrThrow);
    if (found === 'error') isFound = true;
    else if (found?.offset !== index && !isFound) fault = `time ${index} leads to offset ${found?.offset}`;
  }
  await manager.close();
  return fault ?? (isFound ? 'found' : 'harmless');
}

/** The value at an offset as a reader gets it. */
async function readAt(log: PartitionLog, offset: number): Promise<string | undefined | 'error'> {
  const read = await log.read(offset, 300, { isolation: 'highWatermark', minOneBatch: true });
  if (read.errorCode !== 0) return 'error';
  for (const chunk of read.chunks) {
    for (const at of splitBatches(chunk)) {
      for (const record of readRecords(chunk.subarray(at, at + batchSizeBytes(chunk, at)))) {
        if (record.offset >= offset)
          return record.offset === offset ? record.value?.toString() : `record ${record.offset}`;
      }
    }
  }
  return undefined;
}

function errorOrThrow(error: unknown): 'error' {
  if (error instanceof CorruptLogError) return 'error';
  throw error;
}

function managerOn(disk: MemoryDisk, onCut: () => void): LogManager {
  const random: Random = seededRandom(1);
  const shared = { disk, clock: new SimulatedClock(), random, brokerId: 1, clusterId: 'c', tailCacheBytesMax: 0 };
  return new LogManager({ ...shared, logDirs: [FOLDER], configOf: () => CONFIG, onCut });
}

async function writeLog(stop: Stop): Promise<{ disk: MemoryDisk; values: string[] }> {
  const disk = new MemoryDisk();
  const manager = managerOn(disk, () => {});
  await manager.open();
  const log = await manager.getOrCreate(TOPIC, 0);
  const random = seededRandom(3);
  const values: string[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const builder = new RecordBatchBuilder();
    for (let count = 1 + random.nextInt(3); count > 0; count--) {
      const value = `v${values.length}`.padEnd(4 + random.nextInt(40), '.');
      builder.append(START_MS + values.length, 'k', value);
      values.push(value);
    }
    await log.append(builder.build(), { leaderEpoch: 0, origin: 'client' });
  }
  if (stop === 'clean') await manager.close();
  return { disk: disk.crash('none'), values };
}

async function copyOf(disk: MemoryDisk): Promise<MemoryDisk> {
  const copy = new MemoryDisk();
  for (const { path } of disk.filesBelow(FOLDER)) {
    await copy.makeFolder(path.slice(0, path.lastIndexOf('/')));
    await copy.replaceFile(path, disk.peek(path));
  }
  return copy;
}
