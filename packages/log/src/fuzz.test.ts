import { MemoryDisk, type Random, seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEpochCheckpoint, decodeOffsetCheckpoint } from './checkpoint-file.ts';
import { LogError } from './errors.ts';
import { readLogFile } from './inspect/file-entries.ts';
import { decodeProducerSnapshot } from './producer-snapshot.ts';
import { checkMetaProperties, decodeCleanShutdownMarker, decodePartitionMetadata } from './properties-files.ts';
import {
  AS_CLIENT,
  abortMarker,
  batchOf,
  FOLDER,
  followDurable,
  openTestLog,
  readAll,
  recordsOf,
  testContext,
} from './testing/test-logs.ts';
import { decodeTransactionIndex } from './transaction-index.ts';

const PATH = '/data/topic-0/file';
const CONFIG = { segmentBytes: 600, indexIntervalBytes: 100, retentionMs: -1 };
/** Far more than reading all of a small log takes, however it is damaged. */
const DISK_CALLS_MAX = 20_000;
/** What one call may ask for at the most: the files are smaller than this. */
const READ_BYTES_MAX = 2 * 1024 * 1024;

/** Runs something that damaged bytes are given to: it may refuse them with an error of this package, and with no other. */
async function refusesOrTakes<T>(run: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof LogError) return undefined;
    throw error;
  }
}

/** A log in several segments, with producers and a transaction that was aborted. */
async function writeLog(isClean: boolean): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = followDurable(await openTestLog(testContext({ disk }), CONFIG));
  for (let index = 0; index < 16; index += 1) {
    const identity = { producerId: 7, producerEpoch: 0, baseSequence: index >> 1 };
    const record = { value: `value ${index}`, timestamp: 1000 + index };
    await log.append(batchOf([record], index % 2 === 0 ? identity : {}), AS_CLIENT);
    if (index !== 5) continue;
    const transaction = { producerId: 8, producerEpoch: 0, baseSequence: 0, isTransactional: true };
    await log.append(batchOf([{ value: 'aborted', timestamp: 1005 }], transaction), AS_CLIENT);
    await log.append(abortMarker(8, 0), { leaderEpoch: 0, origin: 'coordinator' });
  }
  if (isClean) await log.close();
  return disk.crash('none');
}

/** Bytes of a file changed in one of the ways in which bytes go wrong. */
function damage(bytes: Buffer, others: readonly Buffer[], random: Random): Buffer {
  const at = random.nextInt(bytes.length + 1);
  const length = 1 + random.nextInt(40);
  const other = others[random.nextInt(others.length)]!;
  const from = random.nextInt(other.length + 1);
  const piece = other.subarray(from, from + length);
  switch (random.nextInt(6)) {
    case 0:
      return Buffer.from(random.bytes(random.nextInt(200)));
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + piece.length)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(length), bytes.subarray(at + length)]);
    default:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
  }
}

/** A copy of a disk with some of its files damaged, that counts what is asked of it. */
async function damagedCopy(disk: MemoryDisk, random: Random): Promise<MemoryDisk> {
  const files = disk.filesBelow(FOLDER).filter(({ path }) => !path.endsWith('.lock'));
  const contents = files.map(({ path }) => disk.peek(path));
  const copy = new MemoryDisk();
  await copy.makeFolder(FOLDER);
  const first = random.nextInt(files.length);
  const second = random.nextInt(files.length);
  for (const [index, { path }] of files.entries()) {
    const content = contents[index]!;
    const isHit = index === first || index === second;
    await copy.replaceFile(path, isHit ? damage(content, contents, random) : content);
  }
  let calls = 0;
  copy.fault = ({ kind, path, sizeBytes }) => {
    if (++calls > DISK_CALLS_MAX) throw new Error(`no end of disk calls, the last of them ${kind} of ${path}`);
    if (sizeBytes > READ_BYTES_MAX) throw new Error(`${kind} of ${sizeBytes} bytes of ${path}`);
    return undefined;
  };
  return copy;
}

describe('readers of damaged bytes', () => {
  const decoders: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
    'a transaction index': (bytes) => decodeTransactionIndex(bytes, PATH),
    'a producer snapshot': (bytes) => decodeProducerSnapshot(bytes, PATH),
    'an offset checkpoint': (bytes) => decodeOffsetCheckpoint(bytes, PATH),
    'an epoch checkpoint': (bytes) => decodeEpochCheckpoint(bytes, PATH),
    'partition.metadata': decodePartitionMetadata,
    'the marker of a clean stop': decodeCleanShutdownMarker,
    'meta.properties': (bytes) => checkMetaProperties(bytes, PATH, '/data', { brokerId: 1, clusterId: 'c' }),
  };

  it.each(Object.keys(decoders))('take %s or refuse it with a typed error', async (name) => {
    const decode = decoders[name]!;
    const lines = fc.string({ unit: fc.constantFrom('0', '1', '9', '-', '.', ' ', '\n', 't', '=', ':', '{', '"') });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      lines.map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (content) => void (await refusesOrTakes(() => decode(Buffer.from(content))))),
      { numRuns: 300 },
    );
  });

  it('open, read and search a log whose files are cut, spliced or overwritten, or say what is wrong with it', async () => {
    const logs = [await writeLog(true), await writeLog(false)];
    const expected = await readAll(
      followDurable(await openTestLog(testContext({ disk: logs[1]!.crash('all') }), CONFIG)),
    );
    expect(expected).toHaveLength(18);
    let errors = 0;
    const property = fc.asyncProperty(fc.integer(), fc.boolean(), async (seed, isClean) => {
      const random = seededRandom(seed);
      const disk = await damagedCopy(logs[isClean ? 0 : 1]!, random);
      const context = testContext({ disk, tailCacheBytesMax: 0 });
      const options = { isClean, recoveryPoint: random.nextInt(20), highWatermark: 18 };
      const log = await refusesOrTakes(() => openTestLog(context, CONFIG, options));
      if (log === undefined) return;
      followDurable(log);
      for (let offset = log.logStartOffset; offset <= Math.min(log.logEndOffset, 30); offset += 1) {
        for (const isolation of ['highWatermark', 'committed'] as const) {
          const read = await log.read(offset, 300, { isolation, minOneBatch: true });
          if (read.errorCode === 0) recordsOf(read);
          else errors += 1;
        }
      }
      for (const timestamp of [0, 1003, 1010, 5000]) await refusesOrTakes(() => log.offsetForTimestamp(timestamp));
      await refusesOrTakes(() => log.maxTimestampOffset());
      await refusesOrTakes(() => log.enforceRetention());
      await log.append(batchOf(['one more']), AS_CLIENT);
      await log.close();
    });
    await fc.assert(property, { numRuns: 200 });
    // A fuzzer that never hurts anything shows nothing.
    expect(errors).toBeGreaterThan(50);
  });

  it('dump every file of a damaged log, and throw nothing untyped', async () => {
    const source = await writeLog(true);
    const property = fc.asyncProperty(fc.integer(), async (seed) => {
      const disk = await damagedCopy(source, seededRandom(seed));
      for (const { path } of disk.filesBelow(FOLDER)) {
        let entries = 0;
        const visit = (): boolean => {
          entries += 1;
          return true;
        };
        await refusesOrTakes(() => readLogFile(disk, path, visit, { records: true }));
        expect(entries).toBeLessThan(1000);
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });
});
