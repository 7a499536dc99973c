import {
  type AlterPartitionRequest,
  type AlterPartitionResponseInput,
  type AlterPartitionResponseTopicPartitionInput,
  type ControlledShutdownRequest,
  type ControlledShutdownResponseInput,
  ErrorCode,
} from '@millrace/protocol';
import { noSuchTopic } from '../cluster/topic-name.ts';
import type { Controller } from './controller.ts';
import type { ControllerContext, TopicContext } from './controller-context.ts';
import type { ControllerTerm } from './controller-term.ts';
import type { IsrChange, IsrOutcome } from './term/isr-changes.ts';

/** From this version on topics are named by their ids. */
const FIRST_VERSION_WITH_IDS = 2;
/** From this version on members of the in-sync replicas come with their epochs. */
const FIRST_VERSION_WITH_EPOCHS = 3;

/** Whether a broker asks in the registration that it has; the error when not. */
export function registrationError({ brokers }: ControllerContext, brokerId: number, brokerEpoch: number): number {
  return brokers.get(brokerId)?.epoch === brokerEpoch ? ErrorCode.NONE : ErrorCode.STALE_BROKER_EPOCH;
}

/** A leader wants other in-sync replicas (KIP-497). Serves brokers that ask over the network, and the controller's own. */
export async function alterPartition(
  controller: Controller,
  request: AlterPartitionRequest,
  version: number,
): Promise<AlterPartitionResponseInput> {
  const altered = await controller.inTerm(async (term) => {
    const errorCode = registrationError(term.context, request.brokerId, request.brokerEpoch);
    return errorCode === ErrorCode.NONE ? alterInTerm(term, request, version) : { errorCode, topics: [] };
  });
  return altered ?? { errorCode: ErrorCode.NOT_CONTROLLER, topics: [] };
}

async function alterInTerm(
  term: ControllerTerm,
  request: AlterPartitionRequest,
  version: number,
): Promise<AlterPartitionResponseInput> {
  const changes = request.topics.map((topic) => changesOf(term.context, topic, version));
  const ineligible =
    version < FIRST_VERSION_WITH_IDS ? ErrorCode.OPERATION_NOT_ATTEMPTED : ErrorCode.INELIGIBLE_REPLICA;
  const { outcomes, changed } = await term.isr.alter(changes.flat(), ineligible);
  let next = 0;
  const topics = request.topics.map(({ topicName, topicId, partitions }) => ({
    topicName,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => {
      const outcome = outcomes[next] as IsrOutcome;
      next += 1;
      return outcomeOf(partitionIndex, outcome);
    }),
  }));
  await term.reassignments.maybeComplete(changed);
  return { errorCode: ErrorCode.NONE, topics };
}

function changesOf(
  context: ControllerContext,
  { topicName, topicId, partitions }: AlterPartitionRequest['topics'][number],
  version: number,
): IsrChange[] {
  const byId = version >= FIRST_VERSION_WITH_IDS;
  const topic: TopicContext | undefined = byId ? context.topicById(topicId) : context.topics.get(topicName);
  const unknownError = byId && topic === undefined ? ErrorCode.UNKNOWN_TOPIC_ID : noSuchTopic(topic?.name ?? topicName);
  return partitions.map((partition) => ({
    partition: topic?.partitions[partition.partitionIndex],
    unknownError,
    leaderEpoch: partition.leaderEpoch,
    partitionEpoch: partition.partitionEpoch,
    leaderRecoveryState: partition.leaderRecoveryState,
    isr:
      version >= FIRST_VERSION_WITH_EPOCHS
        ? partition.newIsrWithEpochs.map(({ brokerId }) => brokerId)
        : partition.newIsr,
  }));
}

function outcomeOf(partitionIndex: number, outcome: IsrOutcome): AlterPartitionResponseTopicPartitionInput {
  if (!('state' in outcome)) {
    return { partitionIndex, errorCode: outcome.errorCode, leaderId: 0, leaderEpoch: 0, isr: [], partitionEpoch: 0 };
  }
  const { leader, leaderEpoch, isr, leaderRecoveryState, version } = outcome.state;
  return {
    partitionIndex,
    errorCode: ErrorCode.NONE,
    leaderId: leader,
    leaderEpoch,
    isr,
    leaderRecoveryState,
    partitionEpoch: version,
  };
}

/**
 * A broker wants to stop, and its leaderships moved before. Serves brokers that ask over the network, and the controller's own.
 *
 * It is answered when all brokers have been told who leads now: once the answer is there it closes, and its clients ask the others.
 */
export async function controlledShutdown(
  controller: Controller,
  { brokerId, brokerEpoch }: ControlledShutdownRequest,
): Promise<ControlledShutdownResponseInput> {
  let told: Promise<void> | undefined;
  const outcome = await controller.inTerm(async (term) => {
    const relieved = await term.brokers.controlledShutdown(brokerId, brokerEpoch);
    told = term.told();
    return relieved;
  });
  await told;
  if (outcome === undefined) return { errorCode: ErrorCode.STALE_CONTROLLER_EPOCH, remainingPartitions: [] };
  const remainingPartitions = outcome.remaining.map(({ topic, index }) => ({
    topicName: topic.name,
    partitionIndex: index,
  }));
  return { errorCode: outcome.errorCode, remainingPartitions };
}
