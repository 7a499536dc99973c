import {
  type Api,
  CreateTopics,
  DeleteTopics,
  Fetch,
  FindCoordinator,
  Heartbeat,
  InitProducerId,
  JoinGroup,
  LeaveGroup,
  ListOffsets,
  Metadata,
  OffsetCommit,
  OffsetFetch,
  Produce,
  SyncGroup,
} from '@millrace/protocol';

/** Builds the response that tells of an error in every place where the API has room for one. */
type ErrorAnswer = (request: never, errorCode: number, version: number) => unknown;

const answers = new Map<number, ErrorAnswer>();

function answerOf<Req, ResInput>(
  api: Api<Req, unknown, never, ResInput>,
  build: (request: Req, errorCode: number, version: number) => ResInput,
): void {
  answers.set(api.key, build as ErrorAnswer);
}

answerOf(Produce, ({ topicData }, errorCode) => ({
  responses: topicData.map(({ name, partitionData }) => ({
    name,
    partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1 })),
  })),
}));
answerOf(Fetch, ({ topics }, errorCode, version) => ({
  // An error of the session as a whole is how Kafka answers a fetch whose partitions are in the session, not in the request.
  ...(version >= 7 && topics.length === 0 ? { errorCode } : {}),
  responses: topics.map(({ topic, topicId, partitions }) => ({
    ...(version >= 13 ? { topicId } : { topic }),
    partitions: partitions.map(({ partition }) => ({
      partitionIndex: partition,
      errorCode,
      highWatermark: -1,
      records: null,
    })),
  })),
}));
answerOf(ListOffsets, ({ topics }, errorCode) => ({
  topics: topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode, oldStyleOffsets: [] })),
  })),
}));
answerOf(Metadata, ({ topics }, errorCode) => ({
  brokers: [],
  topics: (topics ?? []).map(({ name, topicId }) => ({ name, topicId, errorCode, partitions: [] })),
}));
answerOf(OffsetCommit, ({ topics }, errorCode) => ({
  topics: topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  })),
}));
answerOf(OffsetFetch, ({ groups }, errorCode, version) =>
  version >= 8
    ? { groups: groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })) }
    : { topics: [], ...(version >= 2 ? { errorCode } : {}) },
);
answerOf(FindCoordinator, ({ coordinatorKeys }, errorCode, version) =>
  version >= 4
    ? {
        coordinators: coordinatorKeys.map((key) => ({
          key,
          nodeId: -1,
          host: '',
          port: -1,
          errorCode,
          errorMessage: null,
        })),
      }
    : { errorCode, nodeId: -1, host: '', port: -1 },
);
answerOf(JoinGroup, (_request, errorCode) => ({
  errorCode,
  generationId: -1,
  protocolName: '',
  leader: '',
  memberId: '',
  members: [],
}));
answerOf(SyncGroup, (_request, errorCode) => ({ errorCode, assignment: Buffer.alloc(0) }));
answerOf(Heartbeat, (_request, errorCode) => ({ errorCode }));
answerOf(LeaveGroup, (_request, errorCode) => ({ errorCode, members: [] }));
answerOf(InitProducerId, (_request, errorCode) => ({ errorCode, producerId: -1, producerEpoch: -1 }));
answerOf(CreateTopics, ({ topics }, errorCode) => ({
  topics: topics.map(({ name }) => ({ name, errorCode, errorMessage: null })),
}));
answerOf(DeleteTopics, ({ topics, topicNames }, errorCode, version) => ({
  responses:
    version >= 6 ? topics.map(({ name }) => ({ name, errorCode })) : topicNames.map((name) => ({ name, errorCode })),
}));

/** The error answer of an API; undefined where the API is not one that tests have asked for. */
export function errorAnswer(apiKey: number): ErrorAnswer | undefined {
  return answers.get(apiKey);
}
