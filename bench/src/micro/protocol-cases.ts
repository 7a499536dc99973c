/** Encoding and decoding of the messages that travel most. Records are passed through uncopied, so that bytes say nothing here. */
import {
  type Api,
  decodeRequestFrame,
  decodeResponseFrame,
  encodeRequest,
  encodeResponse,
  Fetch,
  Metadata,
  OffsetCommit,
  Produce,
  ZERO_UUID,
} from '@millrace/protocol';
import type { MakeCase } from './case.ts';

export const cases: Record<string, MakeCase> = {};

const HEADER = { correlationId: 7, clientId: 'bench' };
const RECORDS = Buffer.alloc(16 * 1024, 1);

function requestCases<Req, Res, ReqInput, ResInput>(
  label: string,
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  body: ReqInput,
): void {
  const name = `${api.name} request v${version}, ${label}`;
  cases[`encode ${name}`] = () => {
    return { run: () => encodeRequest(api, version, HEADER, body), units: 1, bytes: 0 };
  };
  cases[`decode ${name}`] = () => {
    const frame = Buffer.concat(encodeRequest(api, version, HEADER, body)).subarray(4);
    return { run: () => decodeRequestFrame(frame), units: 1, bytes: 0 };
  };
}

function responseCases<Req, Res, ReqInput, ResInput>(
  label: string,
  api: Api<Req, Res, ReqInput, ResInput>,
  version: number,
  body: ResInput,
): void {
  const name = `${api.name} response v${version}, ${label}`;
  cases[`encode ${name}`] = () => {
    return { run: () => encodeResponse(api, version, 7, body), units: 1, bytes: 0 };
  };
  cases[`decode ${name}`] = () => {
    const frame = Buffer.concat(encodeResponse(api, version, 7, body)).subarray(4);
    return { run: () => decodeResponseFrame(api, version, frame), units: 1, bytes: 0 };
  };
}

for (const partitions of [1, 12]) {
  const label = partitions === 1 ? '1 partition' : `${partitions} partitions`;
  const indexes = Array.from({ length: partitions }, (_, index) => index);
  requestCases(label, Produce, 9, {
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: 'orders', partitionData: indexes.map((index) => ({ index, records: RECORDS })) }],
  });
  responseCases(label, Produce, 9, {
    responses: [
      {
        name: 'orders',
        partitionResponses: indexes.map((index) => ({ index, errorCode: 0, baseOffset: 4_711, logStartOffset: 0 })),
      },
    ],
  });
  requestCases(label, Fetch, 12, {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: 50 * 1024 * 1024,
    topics: [
      {
        topic: 'orders',
        partitions: indexes.map((partition) => ({ partition, fetchOffset: 4_711, partitionMaxBytes: 1024 * 1024 })),
      },
    ],
  });
  responseCases(label, Fetch, 12, {
    responses: [
      {
        topic: 'orders',
        partitions: indexes.map((partitionIndex) => ({
          partitionIndex,
          errorCode: 0,
          highWatermark: 4_711,
          lastStableOffset: 4_711,
          abortedTransactions: null,
          records: RECORDS,
        })),
      },
    ],
  });
}

responseCases('100 topics of 12 partitions', Metadata, 12, {
  brokers: [{ nodeId: 1, host: 'localhost', port: 9092 }],
  clusterId: 'bench',
  controllerId: 1,
  topics: Array.from({ length: 100 }, (_, topic) => ({
    errorCode: 0,
    name: `topic-${topic}`,
    topicId: ZERO_UUID,
    isInternal: false,
    partitions: Array.from({ length: 12 }, (_unused, partitionIndex) => ({
      errorCode: 0,
      partitionIndex,
      leaderId: 1,
      leaderEpoch: 3,
      replicaNodes: [1],
      isrNodes: [1],
      offlineReplicas: [],
    })),
  })),
});

requestCases('12 partitions', OffsetCommit, 8, {
  groupId: 'group',
  generationIdOrMemberEpoch: 3,
  memberId: 'member-4711',
  topics: [
    {
      name: 'orders',
      partitions: Array.from({ length: 12 }, (_, partitionIndex) => ({
        partitionIndex,
        committedOffset: 4_711,
        committedMetadata: '',
      })),
    },
  ],
});
