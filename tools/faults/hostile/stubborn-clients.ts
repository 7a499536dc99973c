/** Abuse that is not one large request: clients that stall, never read, keep sessions, or name what cannot be written. */
import {
  ErrorCode,
  encodeRequest,
  Fetch,
  JoinGroup,
  ListGroups,
  OffsetCommit,
  type OffsetCommitResponse,
  Produce,
} from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { within } from '../../clients/client.ts';
import type { RawClient } from '../raw-client.ts';
import { type Abuse, type Place, sendFrame } from './abuse.ts';

const MIB = 1024 * 1024;
/** How long abuse that stays is watched. */
const WATCH_MS = 3_000;

export const stubbornClients: readonly Abuse[] = [
  {
    name: '60 clients stop in the middle of a frame of 10 MB',
    mebibytes: 300,
    async run(place) {
      const half = Buffer.alloc(5_000_000);
      half.writeInt32BE(10_000_000);
      for (let n = 0; n < 60; n += 1) place.deafSocket().write(half);
      await sleep(WATCH_MS);
      const honest = await place.client();
      for (const bytes of [1_000, 100_000, 900_000]) await produce(honest, bytes);
      return 'frames of others were taken';
    },
  },
  {
    name: '200 clients fetch 50 MiB each and never read',
    mebibytes: 10_000,
    async run(place) {
      await fillTopic(place);
      const frame = fetchFrame(place);
      for (let n = 0; n < 200; n += 1) {
        place.deafSocket().write(frame);
        await sleep(10);
      }
      await sleep(WATCH_MS);
      return 'held';
    },
  },
  {
    name: '60 fetch sessions of 150,000 partitions',
    mebibytes: 137,
    async run(place) {
      const partitions = Array.from({ length: 150_000 }, (_, partition) => ({
        partition,
        fetchOffset: 0,
        partitionMaxBytes: 1,
      }));
      const frame = requestFrame(Fetch, 7, {
        replicaId: -1,
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 1,
        sessionId: 0,
        sessionEpoch: 0,
        topics: [{ topic: 'nowhere', partitions }],
        forgottenTopicsData: [],
      });
      for (let n = 0; n < 60; n += 1) await sendFrame(place, frame);
      return 'answered';
    },
  },
  {
    name: '300 long polls of 100,000 partitions',
    mebibytes: 450,
    async run(place) {
      const partitions = Array.from({ length: 100_000 }, () => ({
        partition: 0,
        fetchOffset: 1_000_000,
        partitionMaxBytes: 1,
      }));
      const frame = requestFrame(Fetch, 4, {
        replicaId: -1,
        maxWaitMs: 20_000,
        minBytes: 1_000_000,
        maxBytes: MIB,
        topics: [{ topic: 'innocent', partitions }],
      });
      for (let n = 0; n < 300; n += 1) place.deafSocket().write(frame);
      await sleep(WATCH_MS);
      return 'held';
    },
  },
  {
    name: 'group ids, client ids and times that cannot be written down',
    mebibytes: 1,
    async run(place) {
      await joinWithBytes(place, Buffer.alloc(32_767, 0xff));
      await joinAs(place, 'x'.repeat(32_767), 'long-client-id');
      const commit = await commitWithRetention(place, Number.MAX_SAFE_INTEGER);
      const refused = commit.topics[0]?.partitions[0]?.errorCode;
      if (refused === ErrorCode.NONE) throw new Error('a retention of 2^53-1 ms was taken');
      // The sessions above end meanwhile, and what ends them must not throw.
      await sleep(WATCH_MS);
      const other = await place.client();
      const { errorCode } = await other.ask(ListGroups, 4, {});
      if (errorCode !== ErrorCode.NONE) throw new Error(`ListGroups of somebody else: error ${errorCode}`);
      return 'refused';
    },
  },
  {
    name: 'tagged fields that nobody knows, in the header and behind the body',
    mebibytes: 2,
    async run(place) {
      const tags = Buffer.alloc(MIB, Buffer.of(100, 0));
      const count = Buffer.of(0x80, 0x80, 0x20);
      const header = Buffer.from([0, 18, 0, 3, 0, 0, 0, 1, 0, 1, 97]);
      const inHeader = await sendFrame(place, sized(Buffer.concat([header, count, tags])));
      const body = Buffer.concat([header, Buffer.of(0, 2, 97, 2, 97), count, tags]);
      return `${inHeader}, ${await sendFrame(place, sized(body))}`;
    },
  },
];

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function sized(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

function requestFrame<ReqInput>(
  api: Parameters<typeof encodeRequest<unknown, unknown, ReqInput, unknown>>[0],
  version: number,
  body: ReqInput,
): Buffer {
  return Buffer.concat(encodeRequest(api, version, { correlationId: 1, clientId: 'stubborn' }, body));
}

async function produce(client: RawClient, bytes: number, index = 0): Promise<void> {
  const builder = new RecordBatchBuilder({ initialBytes: bytes + 500 });
  builder.append(Date.now(), 'key', Buffer.alloc(bytes));
  const request = {
    acks: -1,
    timeoutMs: 10_000,
    topicData: [{ name: 'innocent', partitionData: [{ index, records: builder.build() }] }],
  };
  const answer = await within(10_000, `producing ${bytes} bytes`, client.ask(Produce, 9, request));
  const errorCode = answer.responses[0]?.partitionResponses[0]?.errorCode;
  if (errorCode !== ErrorCode.NONE) throw new Error(`producing ${bytes} bytes: error ${errorCode}`);
}

/** 200 MiB, more than the tail cache keeps of a partition. */
async function fillTopic(place: Place): Promise<void> {
  const client = await place.client();
  for (let n = 0; n < 224; n += 1) await produce(client, 900_000, n % 4);
}

function fetchFrame(_place: Place): Buffer {
  return requestFrame(Fetch, 11, {
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 2 ** 31 - 1,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [
      {
        topic: 'innocent',
        partitions: [0, 1, 2, 3].map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 2 ** 31 - 1 })),
      },
    ],
    forgottenTopicsData: [],
  });
}

const joinBody = {
  sessionTimeoutMs: 6_000,
  memberId: '',
  protocolType: 'consumer',
  protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
};

/** Joins a group by an id of any bytes: what is encoded for a placeholder of the same length has them in its place. */
async function joinWithBytes(place: Place, groupId: Buffer): Promise<void> {
  const placeholder = 'g'.repeat(groupId.length);
  const frame = requestFrame(JoinGroup, 0, { ...joinBody, groupId: placeholder });
  groupId.copy(frame, frame.indexOf(placeholder));
  await sendFrame(place, frame);
}

async function joinAs(place: Place, clientId: string, groupId: string): Promise<void> {
  const frame = encodeRequest(JoinGroup, 0, { correlationId: 1, clientId }, { ...joinBody, groupId });
  await sendFrame(place, Buffer.concat(frame));
}

async function commitWithRetention(place: Place, retentionTimeMs: number): Promise<OffsetCommitResponse> {
  const client = await place.client();
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }];
  const topics = [{ name: 'innocent', partitions }];
  return client.ask(OffsetCommit, 2, {
    groupId: 'long-retention',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    retentionTimeMs,
    topics,
  });
}
