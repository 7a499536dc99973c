import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  AlterConfigs,
  type Api,
  CreatePartitions,
  CreateTopics,
  DeleteGroups,
  DeleteRecords,
  DeleteTopics,
  DescribeCluster,
  DescribeConfigs,
  DescribeGroups,
  DescribeProducers,
  DescribeTransactions,
  EndTxn,
  Fetch,
  FindCoordinator,
  Heartbeat,
  IncrementalAlterConfigs,
  InitProducerId,
  JoinGroup,
  LeaveGroup,
  ListGroups,
  ListOffsets,
  ListTransactions,
  Metadata,
  OffsetCommit,
  OffsetDelete,
  OffsetFetch,
  OffsetForLeaderEpoch,
  Produce,
  SyncGroup,
  TxnOffsetCommit,
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
answerOf(Metadata, ({ topics }, errorCode, version) => ({
  brokers: [],
  topics: (topics ?? []).map(({ name, topicId }) => ({
    // Who asks by id has no name, which only version 12 can say.
    name: version >= 12 ? name : (name ?? ''),
    topicId,
    errorCode,
    partitions: [],
  })),
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

answerOf(CreatePartitions, ({ topics }, errorCode) => ({ results: topics.map(({ name }) => ({ name, errorCode })) }));
answerOf(DeleteRecords, ({ topics }, errorCode) => ({
  topics: topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, lowWatermark: -1, errorCode })),
  })),
}));
answerOf(OffsetForLeaderEpoch, ({ topics }, errorCode) => ({
  topics: topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition }) => ({ partition, errorCode })),
  })),
}));
answerOf(OffsetDelete, (_request, errorCode) => ({ errorCode, topics: [] }));
answerOf(TxnOffsetCommit, ({ topics }, errorCode) => ({
  topics: topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  })),
}));
answerOf(DescribeProducers, ({ topics }, errorCode) => ({
  topics: topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => ({ partitionIndex, errorCode, activeProducers: [] })),
  })),
}));
answerOf(DescribeTransactions, ({ transactionalIds }, errorCode) => ({
  transactionStates: transactionalIds.map((transactionalId) => ({
    errorCode,
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: -1,
    producerId: -1,
    producerEpoch: -1,
    topics: [],
  })),
}));
answerOf(ListTransactions, (_request, errorCode) => ({
  errorCode,
  unknownStateFilters: [],
  transactionStates: [],
}));
answerOf(DescribeGroups, ({ groups }, errorCode) => ({
  groups: groups.map((groupId) => ({
    groupId,
    errorCode,
    groupState: '',
    protocolType: '',
    protocolData: '',
    members: [],
  })),
}));
answerOf(DeleteGroups, ({ groupsNames }, errorCode) => ({
  results: groupsNames.map((groupId) => ({ groupId, errorCode })),
}));
answerOf(DescribeConfigs, ({ resources }, errorCode) => ({
  results: resources.map(({ resourceType, resourceName }) => ({
    resourceType,
    resourceName,
    errorCode,
    errorMessage: null,
    configs: [],
  })),
}));
const altered = (
  { resources }: { readonly resources: readonly { readonly resourceType: number; readonly resourceName: string }[] },
  errorCode: number,
) => ({
  responses: resources.map(({ resourceType, resourceName }) => ({
    resourceType,
    resourceName,
    errorCode,
    errorMessage: null,
  })),
});
answerOf(AlterConfigs, altered);
answerOf(IncrementalAlterConfigs, altered);
answerOf(ListGroups, (_request, errorCode) => ({ errorCode, groups: [] }));
answerOf(DescribeCluster, (_request, errorCode) => ({ errorCode, clusterId: '', brokers: [] }));
const refusedPartitions = (
  topics: readonly { readonly name: string; readonly partitions: readonly number[] }[],
  partitionErrorCode: number,
) =>
  topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({ partitionIndex, partitionErrorCode })),
  }));
answerOf(AddPartitionsToTxn, ({ transactions, v3AndBelowTopics }, errorCode, version) =>
  version >= 4
    ? {
        errorCode,
        resultsByTransaction: transactions.map(({ transactionalId, topics }) => ({
          transactionalId,
          topicResults: refusedPartitions(topics, errorCode),
        })),
      }
    : { resultsByTopicV3AndBelow: refusedPartitions(v3AndBelowTopics, errorCode) },
);
answerOf(AddOffsetsToTxn, (_request, errorCode) => ({ errorCode }));
answerOf(EndTxn, (_request, errorCode) => ({ errorCode }));

/** The error answer of an API; undefined where the API is not one that tests have asked for. */
export function errorAnswer(apiKey: number): ErrorAnswer | undefined {
  return answers.get(apiKey);
}
