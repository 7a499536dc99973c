/**
 * Produce: appends record batches to partitions, and answers when as many replicas have them as `acks` asks for.
 *
 * - v1 throttle time; v2 log append time; v3 magic 2 only, transactional id; v4 KAFKA_STORAGE_ERROR; v5 log start offset;
 *   v7 zstd; v8 which records were refused and why; v9 flexible; v10 the new leader beside NOT_LEADER_OR_FOLLOWER;
 *   v11 TRANSACTION_ABORTABLE; v12 the leader adds the partition to the transaction.
 * - Message sets of magic 0 and 1, which clients send with v0 to v2, become batches of magic 2 before they are stored.
 * - acks=0 gets no response; when something is refused, the connection is closed, which is the only way to tell.
 * - The records of all partitions are handed to their logs before anything is awaited, so that requests of one connection
 *   are applied in their order. The bytes go to the log as they lie in the frame.
 */
import type { AppendResult } from '@millrace/log';
import {
  ErrorCode,
  type ProduceResponseResponsePartitionResponseInput as PartitionResponse,
  Produce,
  type ProduceRequest,
  type ProduceResponseInput,
} from '@millrace/protocol';
import { batchProducerEpoch, batchProducerId } from '@millrace/records';
import { isInternalTopic } from '../cluster/internal-topics.ts';
import type { Partition, RequiredAcks } from '../replicas/partition.ts';
import { refused } from '../replicas/partition.ts';
import { topicResource, transactionalIdResource } from '../shared/authorization.ts';
import { isRefusal, Refusal } from '../shared/refusal.ts';
import { defineHandler, type RequestContext } from './handler.ts';
import { LeaderHints } from './leader-hints.ts';
import { isTransactional, producedRecordsFault } from './produced-records.ts';

/** The first version whose clients know TRANSACTION_ABORTABLE (KIP-890). */
const ABORTABLE_SINCE = 11;

/** From here on clients leave it to the leader to add partitions to their transaction (KIP-890). */
const ADDED_BY_LEADER_SINCE = 12;

/** The client id of Java's admin client, which alone may write to internal topics (`AdminUtils.ADMIN_CLIENT_ID`). */
const ADMIN_CLIENT_ID = '__admin_client';

/** One partition's part of a request. */
interface Append {
  readonly topic: string;
  readonly index: number;
  readonly sizeBytes: number;
  readonly partition: Partition | undefined;
  result: AppendResult | Promise<AppendResult>;
}

export const produce = defineHandler(Produce, { minVersion: 0, maxVersion: 12 }, (request, context) => {
  const { wait } = context.broker.replicas.produceHold;
  return wait === undefined ? take(request, context) : wait.then(() => take(request, context));
});

function take(request: ProduceRequest, context: RequestContext): Promise<ProduceResponseInput | null> {
  const refusal = refusalOfAll(request, context);
  const appends = refusal === undefined ? appendAll(request, context) : refuseAll(request, refusal);
  return settle(request, context, appends);
}

function isAcks(acks: number): acks is RequiredAcks {
  return acks === 0 || acks === 1 || acks === -1;
}

/** What is wrong with the request as a whole; undefined where nothing is. */
function refusalOfAll(request: ProduceRequest, context: RequestContext): number | undefined {
  if (!isAcks(request.acks)) return ErrorCode.INVALID_REQUIRED_ACKS;
  if (!hasTransactionalRecords(request)) return undefined;
  // Records of a transaction without its name would get round the rights to it (CVE-2018-17196).
  const { transactionalId } = request;
  if (transactionalId === null) return ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  const refusal = context.authorize('Write', transactionalIdResource(transactionalId));
  if (refusal !== undefined) return refusal.errorCode;
  return producersOf(request).size > 1 ? ErrorCode.INVALID_PRODUCER_ID_MAPPING : undefined;
}

function hasTransactionalRecords({ topicData }: ProduceRequest): boolean {
  return topicData.some(({ partitionData }) => partitionData.some(({ records }) => isTransactional(records)));
}

/** The producers whose transactions a request has records of. */
function producersOf({ topicData }: ProduceRequest): ReadonlySet<number> {
  const producers = new Set<number>();
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) {
      if (records !== null && isTransactional(records)) producers.add(batchProducerId(records, 0));
    }
  }
  return producers;
}

function refuseAll(request: ProduceRequest, errorCode: number): Append[] {
  const result = refused(errorCode, -1);
  return request.topicData.flatMap(({ name, partitionData }) =>
    partitionData.map(({ index }) => ({ topic: name, index, sizeBytes: 0, partition: undefined, result })),
  );
}

function appendAll(request: ProduceRequest, context: RequestContext): Append[] {
  const appends: Append[] = [];
  for (const { name, partitionData } of request.topicData) {
    const refusal = refusalOf(name, context);
    for (const { index, records } of partitionData) {
      const found = refusal ?? context.broker.replicas.find(name, index);
      const partition = isRefusal(found) ? undefined : found;
      const sizeBytes = records?.length ?? 0;
      const result = isRefusal(found) ? refused(found.errorCode, -1) : appendTo(found, records, request, context);
      appends.push({ topic: name, index, sizeBytes, partition, result });
    }
  }
  return appends;
}

/** Why nothing may be written to a topic, whichever partition; undefined where it may. */
function refusalOf(topic: string, context: RequestContext): Refusal | undefined {
  const refusal = context.authorize('Write', topicResource(topic));
  if (refusal !== undefined) return refusal;
  const isForBrokers = isInternalTopic(topic) && context.clientId !== ADMIN_CLIENT_ID;
  return isForBrokers ? Refusal.of(ErrorCode.INVALID_TOPIC_EXCEPTION) : undefined;
}

function appendTo(
  partition: Partition,
  records: Buffer | null,
  request: ProduceRequest,
  { version, broker }: RequestContext,
): AppendResult | Promise<AppendResult> {
  const { timeoutMs } = request;
  const acks = request.acks as RequiredAcks;
  const fault = producedRecordsFault(records, version);
  if (fault !== undefined) return refused(fault.errorCode, partition.logStartOffset, fault.message);
  // The check above refuses what has no records.
  const batch = records as Buffer;
  const { transactionalId } = request;
  if (transactionalId === null || !isTransactional(batch)) {
    return partition.append(batch, { origin: 'client', acks, timeoutMs });
  }
  const producerId = batchProducerId(batch, 0);
  const asker = { transactionalId, producerId, producerEpoch: batchProducerEpoch(batch, 0) };
  const knowsAbortable = version >= ABORTABLE_SINCE;
  return broker.transactions.appends.append(partition, batch, {
    origin: 'client',
    acks,
    timeoutMs,
    asker,
    demand: version >= ADDED_BY_LEADER_SINCE ? 'add' : 'verify',
    knowsAbortable,
  });
}

const ignore = (): void => {};

/** Waits for the appends, and answers. One await serves all partitions, as they wait for one group commit or a few. */
async function settle(
  request: ProduceRequest,
  context: RequestContext,
  appends: readonly Append[],
): Promise<ProduceResponseInput | null> {
  // One that fails while another is waited for fails the request, in its turn: it must not pass for one that nobody waits for.
  if (appends.length > 1) for (const { result } of appends) if (result instanceof Promise) result.catch(ignore);
  for (const append of appends) {
    if (append.result instanceof Promise) append.result = await append.result;
    count(append, append.result, context);
  }
  // All results are in by now.
  const settled = appends as readonly (Append & { result: AppendResult })[];
  return request.acks === 0 ? closeOnRefusal(settled, context) : respond(settled, context);
}

function count({ topic, index, partition, sizeBytes }: Append, result: AppendResult, { broker }: RequestContext): void {
  if (partition === undefined) return;
  const { traffic } = partition;
  if (result.errorCode !== ErrorCode.NONE) {
    traffic.refusedProduces.add(1);
    if (result.errorCode === ErrorCode.KAFKA_STORAGE_ERROR) broker.storageReports.refused(topic, index, result);
    return;
  }
  traffic.messagesIn.add(result.lastOffset - result.baseOffset + 1);
  traffic.bytesIn.add(sizeBytes);
}

function closeOnRefusal(appends: readonly (Append & { result: AppendResult })[], context: RequestContext): null {
  const failed = appends.find(({ result }) => result.errorCode !== ErrorCode.NONE);
  if (failed !== undefined) {
    const { topic, index, result } = failed;
    context.connection.disconnect(
      `Produce with acks=0 to ${topic}-${index} was refused with error ${result.errorCode}, and no response can say so`,
    );
  }
  return null;
}

function respond(
  appends: readonly (Append & { result: AppendResult })[],
  context: RequestContext,
): ProduceResponseInput {
  const leaders = new LeaderHints(context, context.version >= 10);
  const responses: { name: string; partitionResponses: PartitionResponse[] }[] = [];
  let last: (typeof responses)[number] | undefined;
  for (const append of appends) {
    if (last?.name !== append.topic) {
      last = { name: append.topic, partitionResponses: [] };
      responses.push(last);
    }
    last.partitionResponses.push(partitionResponse(append, append.result, context.version, leaders));
  }
  return { responses, nodeEndpoints: leaders.endpoints };
}

function partitionResponse(
  { index, partition }: Append,
  result: AppendResult,
  version: number,
  leaders: LeaderHints,
): PartitionResponse {
  const response: PartitionResponse = {
    index,
    errorCode: errorFor(version, result.errorCode),
    baseOffset: result.baseOffset,
    logAppendTimeMs: result.logAppendTimeMs,
    logStartOffset: result.logStartOffset,
  };
  if (result.errorCode === ErrorCode.NONE) return response;
  const currentLeader = leaders.of(result.errorCode, partition);
  return {
    ...response,
    recordErrors: (result.recordErrors ?? []).map(({ batchIndex, message }) => ({
      batchIndex,
      batchIndexErrorMessage: message,
    })),
    errorMessage: result.errorMessage ?? null,
    ...(currentLeader === undefined ? {} : { currentLeader }),
  };
}

/** Clients before v4 do not know KAFKA_STORAGE_ERROR, and refresh their metadata on NOT_LEADER_OR_FOLLOWER. */
function errorFor(version: number, errorCode: number): number {
  return version < 4 && errorCode === ErrorCode.KAFKA_STORAGE_ERROR ? ErrorCode.NOT_LEADER_OR_FOLLOWER : errorCode;
}
