import { ErrorCode } from '@millrace/protocol';
import { batchLastOffset, batchMagic, batchSizeBytes, type OldMagic, RecordsError } from '@millrace/records';
import type { FetchLimits, FetchReading, PartitionFetch } from '../replicas/fetch-reader.ts';

/** What is converted of one partition for one response, as stored; the client asks again for the rest. */
const CONVERTED_BYTES_MAX = 1024 * 1024;
/** Reads that may find nothing an old client sees (control batches, batches that compaction has emptied) before it is answered so. */
const READS_MAX = 64;

/** The magic that a version of Fetch takes at most; undefined where it knows the present one. */
export function oldMagicOf(version: number): OldMagic | undefined {
  if (version <= 1) return 0;
  return version <= 3 ? 1 : undefined;
}

/**
 * What was read as messages that the client knows (`KafkaApis.maybeConvertFetchedData` of Kafka 3.9), partition by partition, in worker threads.
 * A topic with `message.downconversion.enable=false` is answered with UNSUPPORTED_VERSION, one in zstd with UNSUPPORTED_COMPRESSION_TYPE.
 */
export async function asOldRecords(reading: FetchReading, magic: OldMagic, limits: FetchLimits): Promise<FetchReading> {
  const fetches: PartitionFetch[] = [];
  let sizeBytes = 0;
  try {
    for (const fetched of reading.fetches) {
      const converted = fetched.sizeBytes === 0 ? cutOff(fetched) : await convert(fetched, magic, limits);
      fetches.push(converted);
      sizeBytes += converted.sizeBytes;
    }
  } finally {
    // What was read is a copy by now, or nobody gets it: a disk or a worker may fail here.
    reading.release();
  }
  return { fetches, sizeBytes, isUrgent: reading.isUrgent, mustRelease: false, release: () => {} };
}

/** A message's offset and size and nothing of it: the size is more than any fetch asks for. */
const CUT_MESSAGE = Buffer.from('ffffffffffffffff7fffffff', 'hex');

/**
 * Clients up to Fetch v2 learn that a message is larger than what they ask for by getting only its front; one that gets nothing asks
 * for it for ever (`LazyDownConversionRecordsSend.buildOverflowBatch`).
 */
function cutOff(fetched: PartitionFetch): PartitionFetch {
  if (!fetched.isCutOff) return fetched;
  const mayConvert = fetched.partition?.config.messageDownconversionEnable === true;
  if (!mayConvert) return refused(fetched, ErrorCode.UNSUPPORTED_VERSION);
  const front = CUT_MESSAGE.subarray(0, fetched.target.maxBytes);
  return { ...fetched, chunks: [front], sizeBytes: front.length };
}

async function convert(fetched: PartitionFetch, magic: OldMagic, limits: FetchLimits): Promise<PartitionFetch> {
  const { partition, target } = fetched;
  if (partition === undefined) return fetched;
  if (!partition.config.messageDownconversionEnable) return refused(fetched, ErrorCode.UNSUPPORTED_VERSION);
  let batches = firstOf(fetched.chunks);
  for (let reads = 0; reads < READS_MAX; reads += 1) {
    const outputBytesMax = Math.max(batches.length, Math.min(target.maxBytes, CONVERTED_BYTES_MAX));
    try {
      const conversion = { magic, fetchOffset: target.fetchOffset, outputBytesMax };
      const messages = await partition.convertDown(batches, conversion);
      if (messages.length > 0) return { ...fetched, chunks: [messages], sizeBytes: messages.length };
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      const isUnknown = error.code === 'RECORDS_UNSUPPORTED';
      return refused(fetched, isUnknown ? ErrorCode.UNSUPPORTED_COMPRESSION_TYPE : ErrorCode.CORRUPT_MESSAGE);
    }
    const options = { isolation: limits.isolation, minOneBatch: true };
    const read = await partition.readOn(endOf(batches), CONVERTED_BYTES_MAX, options);
    batches = read.sizeBytes === 0 ? NOTHING : Buffer.from(firstOf(read.chunks));
    read.release?.();
    if (batches.length === 0) break;
  }
  return { ...fetched, chunks: [], sizeBytes: 0 };
}

const NOTHING = Buffer.alloc(0);

/** Whole batches in one piece, up to the bound; one batch at least. */
function firstOf(chunks: readonly Buffer[]): Buffer {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  for (const chunk of chunks) {
    let end = 0;
    while (end < chunk.length) {
      const next = end + batchSizeBytes(chunk, end);
      if (batchMagic(chunk, end) < 2 || (sizeBytes + next > CONVERTED_BYTES_MAX && sizeBytes + end > 0)) break;
      end = next;
    }
    if (end > 0) pieces.push(chunk.subarray(0, end));
    sizeBytes += end;
    if (end < chunk.length) break;
  }
  const only = pieces[0];
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
}

function endOf(batches: Buffer): number {
  let end = 0;
  for (let at = 0; at < batches.length; at += batchSizeBytes(batches, at)) end = batchLastOffset(batches, at) + 1;
  return end;
}

function refused(fetched: PartitionFetch, errorCode: number): PartitionFetch {
  const none = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };
  return { ...fetched, ...none, errorCode, chunks: [], sizeBytes: 0, abortedTransactions: null };
}
