/** The batch in which a record lies: who sent it, in which transaction, and what became of that. Consumers are not told, so it is fetched as it lies. */
import { KafkaError, type TopicPartition } from '@millrace/client';
import { Fetch, type FetchResponse } from '@millrace/protocol';
import {
  addToSequence,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  batchBaseOffset,
  batchBaseSequence,
  batchCompression,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchLeaderEpoch,
  batchMagic,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
  batchRecordCount,
  batchSizeBytes,
  batchTimestampType,
  Compression,
  ControlRecordType,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  RecordsError,
  readEndTxnMarker,
  TimestampType,
} from '@millrace/records';
import type { Message, MessageBatch, TransactionOutcome } from '../api/contract.ts';
import type { Cluster } from '../clusters/cluster.ts';

const FETCH_TIMEOUT_MS = 4000;
/** Enough for the markers of transactions that were aborted; from 13 on topics have ids instead of names. */
const FETCH_VERSION_MIN = 4;
const FETCH_VERSION_MAX = 12;

/** A batch as it lies in its partition. */
export interface BatchLook {
  readonly batch: MessageBatch;
  readonly timestamp: number;
}

interface Place extends TopicPartition {
  readonly offset: number;
}

/** What a leader answers of one partition. */
export type Fetched = FetchResponse['responses'][number]['partitions'][number];

/** The batch that holds an offset; undefined where there is none, or where the cluster or an older format does not tell. */
export async function lookAtBatch(cluster: Cluster, place: Place): Promise<BatchLook | undefined> {
  try {
    // Who reads what is decided is told which transactions were aborted, and nothing of what is still open.
    const decided = await fetchAt(cluster, place, 'decided');
    const isOpen = isEmpty(decided);
    const found = isOpen ? await fetchAt(cluster, place, 'everything') : decided;
    return batchOf(found?.records ?? null, place.offset, { decided, isOpen });
  } catch (error) {
    // A damaged batch is told of by who reads its records.
    if (error instanceof KafkaError || error instanceof RecordsError) return undefined;
    throw error;
  }
}

/** The batches from an offset on: those that are decided, with the transactions that were aborted, or all. */
export async function fetchAt(
  { client }: Cluster,
  { topic, partition, offset }: Place,
  what: 'decided' | 'everything',
  // A batch comes whole, however large it is: where one is all that is wanted, this is enough.
  bytesMax = 1,
): Promise<Fetched | undefined> {
  const request = {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: bytesMax,
    isolationLevel: what === 'decided' ? 1 : 0,
    topics: [{ topic, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: bytesMax }] }],
    forgottenTopicsData: [],
  };
  const { responses } = await client.sendToLeader({ topic, partition }, Fetch, request, {
    timeoutMs: FETCH_TIMEOUT_MS,
    versionMin: FETCH_VERSION_MIN,
    versionMax: FETCH_VERSION_MAX,
    errorOf: (response) => response.errorCode || (response.responses[0]?.partitions[0]?.errorCode ?? 0),
  });
  return responses[0]?.partitions[0];
}

/**
 * Whether a leader that has a partition up to an offset, or further, has no batch before it: compaction, and what was deleted, leave such
 * ends. One that does not answer, or has not come so far, has not said so.
 */
export async function holdsNothingFrom(cluster: Cluster, place: Place, end: number): Promise<boolean> {
  try {
    const found = await fetchAt(cluster, place, 'everything');
    return found !== undefined && isEmpty(found) && found.highWatermark >= end;
  } catch (error) {
    if (error instanceof KafkaError) return false;
    throw error;
  }
}

/** Whether there is no batch in an answer. */
export function isEmpty(found: Fetched | undefined): boolean {
  return found?.records === undefined || found.records === null || found.records.length === 0;
}

function batchOf(
  bytes: Buffer | null,
  offset: number,
  { decided, isOpen }: { decided: Fetched | undefined; isOpen: boolean },
): BatchLook | undefined {
  if (bytes === null || bytes.length < BATCH_HEADER_BYTES || batchMagic(bytes, 0) !== BATCH_MAGIC) return undefined;
  const [first, last] = [batchBaseOffset(bytes, 0), batchLastOffset(bytes, 0)];
  // A batch behind the offset is another one's: compaction has taken this one away.
  if (offset < first || offset > last) return undefined;
  const producerId = batchProducerId(bytes, 0);
  const baseSequence = batchBaseSequence(bytes, 0);
  return {
    timestamp: batchMaxTimestamp(bytes, 0),
    batch: {
      firstOffset: first,
      lastOffset: last,
      records: batchRecordCount(bytes, 0),
      bytes: batchSizeBytes(bytes, 0),
      compression: codecName(batchCompression(bytes, 0)),
      isAppendTime: batchTimestampType(bytes, 0) === TimestampType.LOG_APPEND_TIME,
      leaderEpoch: batchLeaderEpoch(bytes, 0),
      producer:
        producerId === NO_PRODUCER_ID
          ? null
          : {
              id: producerId,
              epoch: batchProducerEpoch(bytes, 0),
              sequence: baseSequence === NO_SEQUENCE ? null : addToSequence(baseSequence, offset - first),
            },
      transaction: outcomeOf(bytes, offset, { decided, isOpen }),
      marker: markerOf(bytes),
    },
  };
}

/**
 * What became of the transaction of a batch; null where it is in none. Each transaction that the answer names was aborted after the
 * offset that was asked for: where it began before, the batch belongs to it, since a producer has one at a time.
 */
function outcomeOf(
  bytes: Buffer,
  offset: number,
  { decided, isOpen }: { decided: Fetched | undefined; isOpen: boolean },
): TransactionOutcome | null {
  if (!batchIsTransactional(bytes, 0) || batchIsControl(bytes, 0)) return null;
  if (isOpen) return 'open';
  const producerId = batchProducerId(bytes, 0);
  const aborted = decided?.abortedTransactions ?? [];
  return aborted.some((each) => each.producerId === producerId && each.firstOffset <= offset) ? 'aborted' : 'committed';
}

function markerOf(bytes: Buffer): MessageBatch['marker'] {
  if (!batchIsControl(bytes, 0)) return null;
  const marker = readEndTxnMarker(bytes.subarray(0, batchSizeBytes(bytes, 0)));
  if (marker === undefined) return { kind: 'other', coordinatorEpoch: null };
  return {
    kind: marker.type === ControlRecordType.COMMIT ? 'commit' : 'abort',
    coordinatorEpoch: marker.coordinatorEpoch,
  };
}

function codecName(codec: Compression): string {
  return (
    Object.entries(Compression)
      .find(([, value]) => value === codec)?.[0]
      .toLowerCase() ?? String(codec)
  );
}

/** A marker as a message: nobody has sent it, so it has neither key nor value to be shown. */
export function showMarker({ partition, offset }: Place, { batch, timestamp }: BatchLook): Message {
  const nothing = { shape: 'null', text: '', bytes: 0, isCut: false } as const;
  return {
    partition,
    offset,
    timestamp,
    key: nothing,
    value: nothing,
    headers: [],
    headerCount: 0,
    isMasked: false,
    batch,
  };
}
