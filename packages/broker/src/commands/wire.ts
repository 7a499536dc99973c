/**
 * Commands of a controller as requests of the protocol, both ways. Spoken are the versions of 2.8 to 3.9, understood all that group
 * partitions by topic.
 */
import {
  type LeaderAndIsrRequest,
  type LeaderAndIsrRequestInput,
  type LeaderAndIsrResponse,
  type LeaderAndIsrResponseInput,
  type StopReplicaRequest,
  type StopReplicaRequestInput,
  type StopReplicaResponse,
  type StopReplicaResponseInput,
  type UpdateMetadataRequest,
  type UpdateMetadataRequestInput,
  ZERO_UUID,
} from '@millrace/protocol';
import {
  type BrokerEndpoint,
  type CommandOutcome,
  LEADER_RECOVERED,
  type LeaderAndIsrCommand,
  type LiveBroker,
  type PartitionOutcome,
  type PartitionState,
  type ReplicaState,
  type StoppedReplica,
  type StopReplicaCommand,
  type UpdateMetadataCommand,
} from '../cluster/broker-channel.ts';

/** From this version on LeaderAndIsr's response names topics by id. */
const LEADER_AND_ISR_WITH_IDS = 5;
/** From this version on LeaderAndIsr says whether a leader is recovering. */
const LEADER_AND_ISR_WITH_RECOVERY = 6;
/** From this version on StopReplica says for each partition whether its files go. */
const STOP_REPLICA_PER_PARTITION = 3;

/** The numbers that UpdateMetadata has for security protocols. */
const SECURITY_PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'];

/**
 * @param listener The listener of live leaders to name, which brokers use among themselves.
 * @param version An older one cannot say that a leader is recovering, as a state may that was written under a newer one.
 */
export function leaderAndIsrRequest(
  command: LeaderAndIsrCommand,
  listener: string,
  version: number,
): LeaderAndIsrRequestInput {
  const { controllerId, controllerEpoch, brokerEpoch, liveLeaders } = command;
  return {
    controllerId,
    controllerEpoch,
    brokerEpoch,
    topicStates: Array.from(
      Map.groupBy(command.partitions, ({ topic }) => topic),
      ([topicName, partitions]) => ({
        topicName,
        topicId: partitions[0]?.topicId ?? ZERO_UUID,
        partitionStates: partitions.map((state) => ({
          ...state,
          partitionIndex: state.partition,
          leaderRecoveryState: version < LEADER_AND_ISR_WITH_RECOVERY ? LEADER_RECOVERED : state.leaderRecoveryState,
        })),
      }),
    ),
    liveLeaders: liveLeaders.flatMap(({ id, endpoints }) => {
      const endpoint = endpointOf(endpoints, listener);
      return endpoint === undefined ? [] : [{ brokerId: id, hostName: endpoint.host, port: endpoint.port }];
    }),
  };
}

export function leaderAndIsrCommand(request: LeaderAndIsrRequest): LeaderAndIsrCommand {
  const { controllerId, controllerEpoch, brokerEpoch } = request;
  const partitions = request.topicStates.flatMap(({ topicName: topic, topicId, partitionStates }) =>
    partitionStates.map(
      (state): ReplicaState => ({
        topic,
        topicId,
        partition: state.partitionIndex,
        controllerEpoch: state.controllerEpoch,
        leader: state.leader,
        leaderEpoch: state.leaderEpoch,
        isr: state.isr,
        partitionEpoch: state.partitionEpoch,
        replicas: state.replicas,
        addingReplicas: state.addingReplicas,
        removingReplicas: state.removingReplicas,
        leaderRecoveryState: state.leaderRecoveryState,
        isNew: state.isNew,
      }),
    ),
  );
  // Who leads is live: the image says where.
  return { controllerId, controllerEpoch, brokerEpoch, partitions, liveLeaders: [] };
}

export function leaderAndIsrResponse(outcome: CommandOutcome, version: number): LeaderAndIsrResponseInput {
  const { errorCode, partitions } = outcome;
  if (version < LEADER_AND_ISR_WITH_IDS) {
    const partitionErrors = partitions.map((each) => ({
      ...each,
      topicName: each.topic,
      partitionIndex: each.partition,
    }));
    return { errorCode, partitionErrors };
  }
  const topics = Array.from(
    Map.groupBy(partitions, ({ topicId }) => topicId),
    ([topicId, all]) => ({
      topicId,
      partitionErrors: all.map((each) => ({ partitionIndex: each.partition, errorCode: each.errorCode })),
    }),
  );
  return { errorCode, topics };
}

/** @param command What was answered, for the names behind the ids. */
export function leaderAndIsrOutcome(response: LeaderAndIsrResponse, command: LeaderAndIsrCommand): CommandOutcome {
  const names = new Map(command.partitions.map(({ topic, topicId }) => [topicId, topic]));
  const partitions: PartitionOutcome[] = [];
  for (const { topicId, partitionErrors } of response.topics) {
    for (const { partitionIndex, errorCode } of partitionErrors) {
      partitions.push({ topic: names.get(topicId) ?? '', topicId, partition: partitionIndex, errorCode });
    }
  }
  return { errorCode: response.errorCode, partitions };
}

export function updateMetadataRequest(command: UpdateMetadataCommand): UpdateMetadataRequestInput {
  const { controllerId, controllerEpoch, brokerEpoch, liveBrokers, partitions } = command;
  return {
    controllerId,
    controllerEpoch,
    brokerEpoch,
    topicStates: Array.from(
      Map.groupBy(partitions, ({ topic }) => topic),
      ([topicName, states]) => ({
        topicName,
        topicId: states[0]?.topicId ?? ZERO_UUID,
        partitionStates: states.map((state) => ({
          ...state,
          partitionIndex: state.partition,
          zkVersion: state.partitionEpoch,
        })),
      }),
    ),
    liveBrokers: liveBrokers.map(({ id, rack, endpoints }) => ({
      id,
      rack,
      endpoints: endpoints.map(({ host, port, listener, securityProtocol }) => ({
        host,
        port,
        listener,
        securityProtocol: SECURITY_PROTOCOLS.indexOf(securityProtocol),
      })),
    })),
  };
}

export function updateMetadataCommand(request: UpdateMetadataRequest): UpdateMetadataCommand {
  const { controllerId, controllerEpoch, brokerEpoch } = request;
  const partitions = request.topicStates.flatMap(({ topicName: topic, topicId, partitionStates }) =>
    partitionStates.map(
      (state): PartitionState => ({
        topic,
        topicId,
        partition: state.partitionIndex,
        controllerEpoch: state.controllerEpoch,
        leader: state.leader,
        leaderEpoch: state.leaderEpoch,
        isr: state.isr,
        partitionEpoch: state.zkVersion,
        replicas: state.replicas,
        offlineReplicas: state.offlineReplicas,
      }),
    ),
  );
  const liveBrokers = request.liveBrokers.map(
    ({ id, rack, endpoints }): LiveBroker => ({
      id,
      rack,
      endpoints: endpoints.map(({ host, port, listener, securityProtocol }) => ({
        host,
        port,
        listener,
        securityProtocol: SECURITY_PROTOCOLS[securityProtocol] ?? 'PLAINTEXT',
      })),
    }),
  );
  return { controllerId, controllerEpoch, brokerEpoch, partitions, liveBrokers };
}

export function stopReplicaRequest(command: StopReplicaCommand): StopReplicaRequestInput {
  const { controllerId, controllerEpoch, brokerEpoch, partitions } = command;
  return {
    controllerId,
    controllerEpoch,
    brokerEpoch,
    topicStates: Array.from(
      Map.groupBy(partitions, ({ topic }) => topic),
      ([topicName, stopped]) => ({
        topicName,
        partitionStates: stopped.map(({ partition, leaderEpoch, deletePartition }) => ({
          partitionIndex: partition,
          leaderEpoch,
          deletePartition,
        })),
      }),
    ),
  };
}

export function stopReplicaCommand(request: StopReplicaRequest, version: number): StopReplicaCommand {
  const { controllerId, controllerEpoch, brokerEpoch, deletePartitions } = request;
  const partitions =
    version < STOP_REPLICA_PER_PARTITION
      ? request.topics.flatMap(({ name: topic, partitionIndexes }) =>
          partitionIndexes.map(
            (partition): StoppedReplica => ({ topic, partition, leaderEpoch: -1, deletePartition: deletePartitions }),
          ),
        )
      : request.topicStates.flatMap(({ topicName: topic, partitionStates }) =>
          partitionStates.map(
            ({ partitionIndex, leaderEpoch, deletePartition }): StoppedReplica => ({
              topic,
              partition: partitionIndex,
              leaderEpoch,
              deletePartition,
            }),
          ),
        );
  return { controllerId, controllerEpoch, brokerEpoch, partitions };
}

export function stopReplicaResponse({ errorCode, partitions }: CommandOutcome): StopReplicaResponseInput {
  const partitionErrors = partitions.map((each) => ({
    topicName: each.topic,
    partitionIndex: each.partition,
    errorCode: each.errorCode,
  }));
  return { errorCode, partitionErrors };
}

export function stopReplicaOutcome({ errorCode, partitionErrors }: StopReplicaResponse): CommandOutcome {
  const partitions = partitionErrors.map(
    (each): PartitionOutcome => ({
      topic: each.topicName,
      topicId: ZERO_UUID,
      partition: each.partitionIndex,
      errorCode: each.errorCode,
    }),
  );
  return { errorCode, partitions };
}

/** The endpoint of a listener that brokers use among themselves; else the first, for a broker whose listeners have other names. */
export function endpointOf(endpoints: readonly BrokerEndpoint[], listener: string): BrokerEndpoint | undefined {
  return endpoints.find((endpoint) => endpoint.listener === listener) ?? endpoints[0];
}
