import type { RequestHandler } from '@millrace/network';
import {
  type Api,
  CreateTopics,
  decodeRequestHeader,
  decodeResponseFrame,
  encodeRequest,
  encodeResponse,
  Fetch,
  OffsetCommit,
  type OffsetCommitRequest,
  Produce,
  type ProduceRequest,
  type ProduceResponse,
  Reader,
  SyncGroup,
} from '@millrace/protocol';
import { batchRecordCount, batchSizeBytes, setBatchProducer, splitBatches } from '@millrace/records';
import type { Build, BuildTools } from '../build.ts';

type Answer = readonly Uint8Array[] | null;

/** One request of the API that a mutant meddles with. */
interface Meddling<Req, Res> {
  readonly request: Req;
  readonly version: number;
  /** The broker's own answer to a request; null where there is none. */
  ask(request?: Req): Promise<Res | null>;
  /** Has the broker carry out another request beside. */
  beside<R, S, RInput, SInput>(api: Api<R, S, RInput, SInput>, version: number, body: RInput): Promise<void>;
  readonly tools: BuildTools;
}

/** A handler that lets `meddle` answer the requests of one API. */
export function meddlingWith<Req, Res, ReqInput, ResInput>(
  api: Api<Req, Res, ReqInput, ResInput>,
  meddle: (meddling: Meddling<Req, Res>) => Promise<ResInput | null>,
): NonNullable<Build['handler']> {
  return (inner: RequestHandler, tools: BuildTools): RequestHandler => ({
    handle(frame, connection, admission) {
      const header = decodeRequestHeader(frame);
      if (header.apiKey !== api.key) return inner.handle(frame, connection, admission);
      const { apiVersion: version, correlationId } = header;
      const ask = async (changed?: Req): Promise<Res | null> => {
        const asked =
          changed === undefined
            ? frame
            : Buffer.concat(encodeRequest(api, version, header, changed as unknown as ReqInput)).subarray(4);
        const answer: Answer = await inner.handle(asked, connection, admission);
        return answer === null ? null : decodeResponseFrame(api, version, Buffer.concat(answer).subarray(4)).body;
      };
      const beside: Meddling<Req, Res>['beside'] = async (other, version, body) => {
        const header = { correlationId, clientId: 'mutant' };
        await inner.handle(
          Buffer.concat(encodeRequest(other, version, header, body)).subarray(4),
          connection,
          admission,
        );
      };
      const request = api.request.decode(new Reader(Buffer.from(frame), header.bodyOffset), version);
      const answered = meddle({ request, version, ask, beside, tools });
      return answered.then((answer) => (answer === null ? null : encodeResponse(api, version, correlationId, answer)));
    },
    connectionClosed: (connection) => inner.connectionClosed?.(connection),
  });
}

/** Of a hundred requests, how many a mutant treats badly. */
const BAD_PERCENT = 10;

export const dropsRecords: Build = {
  name: 'drops-records',
  what: 'now and then records are acknowledged that are not written',
  handler(inner, tools) {
    /** By partition, the offset behind the last record that was acknowledged. */
    const ends = new Map<string, number>();
    return meddlingWith(Produce, async ({ request, ask }) => {
      if (request.acks !== 0 && tools.dice.chance(BAD_PERCENT)) {
        const responses = request.topicData.map(({ name, partitionData }) => ({
          name,
          partitionResponses: partitionData.map(({ index }) => ({
            index,
            errorCode: 0,
            baseOffset: ends.get(`${name}-${index}`) ?? 0,
          })),
        }));
        return { responses };
      }
      const answer = await ask();
      note(request, answer, ends);
      return answer;
    })(inner, tools);
  },
};

/** Notes where the partitions end after what was written. */
function note(request: ProduceRequest, answer: ProduceResponse | null, ends: Map<string, number>): void {
  for (const { name, partitionResponses } of answer?.responses ?? []) {
    for (const { index, baseOffset } of partitionResponses) {
      const data = request.topicData.find((topic) => topic.name === name)?.partitionData;
      const records = data?.find((partition) => partition.index === index)?.records;
      if (baseOffset < 0 || !records) continue;
      const count = [...splitBatches(records)].reduce((sum, at) => sum + batchRecordCount(records, at), 0);
      ends.set(`${name}-${index}`, baseOffset + count);
    }
  }
}

export const forgetsSequences: Build = {
  name: 'forgets-sequences',
  what: 'batches of idempotent producers are written as if they were not',
  handler: meddlingWith(Produce, ({ request, ask }) => {
    for (const { partitionData } of request.topicData) {
      for (const { records } of partitionData) {
        if (records === null) continue;
        for (const at of splitBatches(records)) setBatchProducer(records, at, -1, -1, -1);
      }
    }
    return ask(request);
  }),
};

export const overtakes: Build = {
  name: 'overtakes',
  what: 'a Produce request may be carried out before one that came before it on the same connection',
  handler: meddlingWith(Produce, async ({ ask, tools }) => {
    if (tools.dice.chance(BAD_PERCENT)) await tools.clock.sleep(tools.dice.time(1, 20));
    return ask();
  }),
};

export const leavesGaps: Build = {
  name: 'leaves-gaps',
  what: 'a fetch of several batches leaves out the first now and then',
  handler: meddlingWith(Fetch, async ({ ask, tools }) => {
    const answer = await ask();
    for (const { partitions } of answer?.responses ?? []) {
      for (const partition of partitions) {
        const { records } = partition;
        const first = records === null || records.length < 100 ? 0 : batchSizeBytes(records, 0);
        const hasMore = records !== null && first > 0 && first < records.length;
        if (hasMore && tools.dice.chance(BAD_PERCENT)) partition.records = records.subarray(first);
      }
    }
    return answer;
  }),
};

export const commitsTooSoon: Build = {
  name: 'commits-too-soon',
  what: 'commits of offsets are acknowledged when they have come, not when they are kept',
  handler: meddlingWith(OffsetCommit, async ({ request, ask }: Meddling<OffsetCommitRequest, unknown>) => {
    ask().catch(() => {});
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: 0 })),
      })),
    };
  }),
};

export const deletesTooSoon: Build = {
  name: 'deletes-too-soon',
  what: 'topics are made with a retention of 60 ms, whatever was asked for',
  handler: meddlingWith(CreateTopics, ({ request, ask }) => {
    for (const { configs } of request.topics) configs.push({ name: 'retention.ms', value: '60' });
    return ask(request);
  }),
};

export const sharesPartitions: Build = {
  name: 'shares-partitions',
  what: 'all members of a group are given what the leader has given the first of them',
  handler(inner, tools) {
    /** By group and generation, what the first member has. */
    const first = new Map<string, Buffer>();
    return meddlingWith(SyncGroup, async ({ request, ask }) => {
      const key = `${request.groupId} ${request.generationId}`;
      const given = request.assignments.find(({ assignment }) => assignment.length > 0);
      if (given !== undefined) first.set(key, Buffer.from(given.assignment));
      const answer = await ask();
      const assignment = first.get(key);
      return answer === null || answer.errorCode !== 0 || assignment === undefined ? answer : { ...answer, assignment };
    })(inner, tools);
  },
};
