import { CorruptLogError, LogError, type LogManager, type PartitionLog, type ReadResult } from '@millrace/log';
import type { MemoryDisk } from '@millrace/ports';
import {
  batchBaseOffset,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchProducerId,
  batchSizeBytes,
  readRecords,
  splitBatches,
} from '@millrace/records';
import { LOG_START, MARKER, managerOn, type SmallLog, START_MS, TOPIC, TOPIC_ID } from './small-log.ts';

/** Thrown when somebody was told of the damage, so that nothing is silent any more. */
class Told extends Error {
  override readonly name = 'Told';
}

/** `found`: somebody was told. `harmless`: all is as it was. Anything else says what is wrong though nobody was told. */
export type Verdict = 'found' | 'harmless' | (string & {});

/** Opens a damaged log and holds all that can be asked of it against what is true. */
export async function readBack(disk: MemoryDisk, truth: SmallLog): Promise<Verdict> {
  let isTold = false;
  const tell = (): void => {
    isTold = true;
  };
  const manager = managerOn(disk, {
    // That what nobody was told of is cut off is no news.
    onCut: (_topic, _partition, { logEndOffset }) => {
      if (logEndOffset < truth.values.length) tell();
    },
    onDamaged: tell,
  });
  try {
    await manager.open();
    const fault = await firstFault(manager, truth);
    if (fault !== undefined && !isTold) return fault;
    return isTold ? 'found' : 'harmless';
  } catch (error) {
    if (error instanceof Told || error instanceof LogError) return 'found';
    throw error;
  } finally {
    await manager.close();
  }
}

/** Everything that is asked, the cheapest first. Each says what is wrong. */
async function firstFault(manager: LogManager, truth: SmallLog): Promise<string | undefined> {
  const log = manager.get(TOPIC, 0);
  if (log === undefined) return 'the partition is gone';
  log.advanceHighWatermark(log.durableEndOffset);
  log.assignEpoch(1);
  return (
    factsFault(log, truth) ??
    (await recordsFault(log, truth)) ??
    (await committedFault(log, truth)) ??
    (await timesFault(log, truth)) ??
    (await duplicateFault(log, truth))
  );
}

function factsFault(log: PartitionLog, { values, secondEpochStart }: SmallLog): string | undefined {
  // The broker compares it with the topic's, says so, and sets the log aside.
  if (log.topicId !== undefined && log.topicId !== TOPIC_ID) throw new Told();
  if (log.logStartOffset !== LOG_START) return `the log begins at ${log.logStartOffset}, not ${LOG_START}`;
  if (log.logEndOffset !== values.length) return `the log ends at ${log.logEndOffset}, not ${values.length}`;
  if (log.highWatermark !== values.length) return `the high watermark is ${log.highWatermark}, not ${values.length}`;
  const { leaderEpoch, endOffset } = log.endOffsetForEpoch(0);
  if (leaderEpoch === 0 && endOffset === secondEpochStart && log.latestEpoch === 1) return undefined;
  return `epoch 0 ends at ${endOffset} as ${leaderEpoch}, and the latest is ${log.latestEpoch}`;
}

/** Each offset by itself, as a reader that seeks to it gets it. */
async function recordsFault(log: PartitionLog, { values }: SmallLog): Promise<string | undefined> {
  for (let offset = LOG_START; offset < values.length; offset += 1) {
    const read = await log.read(offset, 300, { isolation: 'highWatermark', minOneBatch: true });
    if (read.errorCode !== 0) throw new Told();
    const first = contentOf(read).find((record) => record.offset >= offset);
    if (first?.offset !== offset || first.value !== values[offset]) {
      return `at offset ${offset} is ${first?.value} of ${first?.offset}, not ${values[offset]}`;
    }
  }
  return undefined;
}

interface Seen {
  readonly offset: number;
  readonly value: string;
}

function contentOf({ chunks }: Pick<ReadResult, 'chunks'>, isHidden: (batch: Buffer) => boolean = () => false): Seen[] {
  return chunks.flatMap((chunk) =>
    [...splitBatches(chunk)].flatMap((at) => {
      const batch = chunk.subarray(at, at + batchSizeBytes(chunk, at));
      if (isHidden(batch)) return [];
      const isControl = batchIsControl(batch, 0);
      return readRecords(batch).map(({ offset, value }) => ({
        offset,
        value: isControl ? MARKER : (value?.toString() ?? 'null'),
      }));
    }),
  );
}

/** From the beginning to the end with read_committed, as a consumer hides what was aborted. */
async function committedFault(log: PartitionLog, { values, aborted }: SmallLog): Promise<string | undefined> {
  const seen: Seen[] = [];
  let next = LOG_START;
  while (next < values.length) {
    const read = await log.read(next, 500, { isolation: 'committed', minOneBatch: true });
    if (read.errorCode !== 0) throw new Told();
    const hidden = new Set<number>();
    const before = next;
    const isHidden = (batch: Buffer): boolean => {
      next = batchLastOffset(batch, 0) + 1;
      for (const { producerId, firstOffset } of read.abortedTransactions) {
        if (firstOffset >= batchBaseOffset(batch, 0) && firstOffset < next) hidden.add(producerId);
        else if (firstOffset < before && before === batchBaseOffset(batch, 0)) hidden.add(producerId);
      }
      if (batchIsControl(batch, 0)) hidden.delete(batchProducerId(batch, 0));
      return batchIsTransactional(batch, 0) && hidden.has(batchProducerId(batch, 0));
    };
    for (const record of contentOf(read, isHidden)) if (record.offset >= before) seen.push(record);
    if (next === before) return `a read_committed reader sees nothing from ${next} on`;
  }
  const expected = values.flatMap((value, offset) =>
    offset < LOG_START || aborted.has(offset) ? [] : [`${offset} ${value}`],
  );
  const found = seen.map(({ offset, value }) => `${offset} ${value}`);
  const at = expected.findIndex((record, index) => record !== found[index]);
  return at < 0 && found.length === expected.length
    ? undefined
    : `a read_committed reader sees ${found[at]}, not ${expected[at]}`;
}

async function timesFault(log: PartitionLog, { values }: SmallLog): Promise<string | undefined> {
  for (let offset = LOG_START; offset < values.length; offset += 4) {
    const found = await log.offsetForTimestamp(START_MS + offset).catch(errorOrThrow);
    if (found?.offset !== offset) return `time ${offset} leads to offset ${found?.offset}`;
  }
  const largest = await log.maxTimestampOffset().catch(errorOrThrow);
  return largest?.offset === values.length - 1 ? undefined : `the largest timestamp is at ${largest?.offset}`;
}

function errorOrThrow(error: unknown): never {
  if (error instanceof CorruptLogError) throw new Told();
  throw error;
}

/** A producer that has lost its answer sends its batch again. */
async function duplicateFault(log: PartitionLog, { last }: SmallLog): Promise<string | undefined> {
  const again = await log.append(Buffer.from(last.batch), { leaderEpoch: 1, origin: 'client' });
  if (again.errorCode !== 0) throw new Told();
  if (again.baseOffset === last.baseOffset) return undefined;
  return `what was written at ${last.baseOffset} and is sent again is written at ${again.baseOffset} once more`;
}
