/**
 * ElectLeaders: the controller gives leaderships back to preferred replicas, or to any replica at the price of records (KIP-460).
 *
 * - v0 preferred only, no error for the whole; v1 unclean elections; v2 flexible.
 * - Waits until this broker tells clients of the new leaders, as Kafka does.
 * - Without a list all partitions are meant, and those that need no election are left out of the answer.
 */
import { ElectLeaders, ErrorCode } from '@millrace/protocol';
import type { TopicPartition } from '../groups/group-offsets.ts';
import { CLUSTER } from '../shared/authorization.ts';
import { eachInTurns, type Pause } from '../shared/turns.ts';
import { defineHandler } from './handler.ts';

const UNCLEAN = 1;

export const electLeaders = defineHandler(
  ElectLeaders,
  { minVersion: 0, maxVersion: 2 },
  async ({ electionType, topicPartitions, timeoutMs }, context) => {
    const { broker } = context;
    const pause = () => context.pause();
    const asked = topicPartitions === null ? undefined : await partitionsIn(topicPartitions, pause);
    const type = electionType === UNCLEAN ? 'unclean' : 'preferred';
    // Version 0 has no error for the whole.
    const whole = (errorCode: number) => (context.version >= 1 ? { errorCode } : {});
    const refuse = async (errorCode: number) => {
      const refused = (each: TopicPartition) => ({ ...each, errorCode, errorMessage: null });
      return { ...whole(errorCode), replicaElectionResults: await byTopic(asked ?? [], refused, pause) };
    };
    const refusal = context.authorize('Alter', CLUSTER);
    if (refusal !== undefined) return refuse(refusal.errorCode);
    const outcomes = await broker.controller.inTerm((term) => term.leaders.elect(type, asked, pause));
    if (outcomes === undefined) return refuse(ErrorCode.NOT_CONTROLLER);
    context.releaseRequest();
    const led: { topic: string; partition: number; leader: number }[] = [];
    const note = ({ topic, partition, leader }: (typeof outcomes)[number]): void => {
      if (leader !== undefined) led.push({ topic, partition, leader });
    };
    await eachInTurns(outcomes, note, pause);
    const seen = await broker.topicAdmin.whenLedBy(led, timeoutMs);
    const told = (outcome: (typeof outcomes)[number]) => {
      const isLate = outcome.leader !== undefined && !seen;
      return isLate ? { ...outcome, errorCode: ErrorCode.REQUEST_TIMED_OUT, errorMessage: null } : outcome;
    };
    return { ...whole(ErrorCode.NONE), replicaElectionResults: await byTopic(outcomes, told, pause) };
  },
);

async function partitionsIn(
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
  pause: Pause,
): Promise<TopicPartition[]> {
  const all: TopicPartition[] = [];
  for (const { topic, partitions } of topics) {
    for (const partition of partitions) {
      all.push({ topic, partition });
      const rest = pause();
      if (rest !== undefined) await rest;
    }
    // Topics without partitions may be many, too.
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  return all;
}

interface PartitionOutcome {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

interface TopicOutcomes {
  readonly topic: string;
  readonly partitionResult: { partitionId: number; errorCode: number; errorMessage: string | null }[];
}

async function byTopic<Each>(
  all: readonly Each[],
  outcomeOf: (each: Each) => PartitionOutcome,
  pause: Pause,
): Promise<TopicOutcomes[]> {
  const topics = new Map<string, TopicOutcomes>();
  const add = (each: Each): void => {
    const { topic, partition, errorCode, errorMessage } = outcomeOf(each);
    const result = { partitionId: partition, errorCode, errorMessage };
    const found = topics.get(topic);
    if (found === undefined) topics.set(topic, { topic, partitionResult: [result] });
    else found.partitionResult.push(result);
  };
  await eachInTurns(all, add, pause);
  return [...topics.values()];
}
