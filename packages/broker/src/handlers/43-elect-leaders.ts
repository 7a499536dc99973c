/**
 * ElectLeaders: the controller gives leaderships back to preferred replicas, or to any replica at the price of records (KIP-460).
 *
 * - v0 preferred only, no error for the whole; v1 unclean elections; v2 flexible.
 * - Waits until this broker tells clients of the new leaders, as Kafka does.
 * - Without a list all partitions are meant, and those that need no election are left out of the answer.
 */
import { ElectLeaders, ErrorCode } from '@millrace/protocol';
import { CLUSTER } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

const UNCLEAN = 1;

export const electLeaders = defineHandler(
  ElectLeaders,
  { minVersion: 0, maxVersion: 2 },
  async ({ electionType, topicPartitions, timeoutMs }, context) => {
    const { broker } = context;
    const asked = topicPartitions?.flatMap(({ topic, partitions }) =>
      partitions.map((partition) => ({ topic, partition })),
    );
    const type = electionType === UNCLEAN ? 'unclean' : 'preferred';
    // Version 0 has no error for the whole.
    const whole = (errorCode: number) => (context.version >= 1 ? { errorCode } : {});
    const refuse = (errorCode: number) => {
      const refused = (asked ?? []).map((each) => ({ ...each, errorCode, errorMessage: null }));
      return { ...whole(errorCode), replicaElectionResults: byTopic(refused) };
    };
    const refusal = context.authorize('Alter', CLUSTER);
    if (refusal !== undefined) return refuse(refusal.errorCode);
    const outcomes = await broker.controller.inTerm((term) => term.leaders.elect(type, asked, () => context.pause()));
    if (outcomes === undefined) return refuse(ErrorCode.NOT_CONTROLLER);
    context.releaseRequest();
    const seen = await broker.topicAdmin.whenLedBy(
      outcomes.flatMap(({ topic, partition, leader }) => (leader === undefined ? [] : [{ topic, partition, leader }])),
      timeoutMs,
    );
    const results = outcomes.map((outcome) => {
      const isLate = outcome.leader !== undefined && !seen;
      return isLate ? { ...outcome, errorCode: ErrorCode.REQUEST_TIMED_OUT, errorMessage: null } : outcome;
    });
    return { ...whole(ErrorCode.NONE), replicaElectionResults: byTopic(results) };
  },
);

interface PartitionOutcome {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

function byTopic(outcomes: readonly PartitionOutcome[]): {
  topic: string;
  partitionResult: { partitionId: number; errorCode: number; errorMessage: string | null }[];
}[] {
  const groups = Map.groupBy(outcomes, ({ topic }) => topic);
  return Array.from(groups, ([topic, all]) => ({
    topic,
    partitionResult: all.map(({ partition, errorCode, errorMessage }) => ({
      partitionId: partition,
      errorCode,
      errorMessage,
    })),
  }));
}
