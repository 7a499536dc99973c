/**
 * ListPartitionReassignments: what is moving now (KIP-455).
 *
 * - Without a list all partitions are meant. Those that do not move, or do not exist, are left out.
 * - Not the controller: NOT_CONTROLLER for the whole.
 */
import { ErrorCode, ListPartitionReassignments } from '@millrace/protocol';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const listPartitionReassignments = defineHandler(
  ListPartitionReassignments,
  { minVersion: 0, maxVersion: 0 },
  async ({ topics }, context) => {
    const { broker } = context;
    const refusal = context.authorize('Describe', CLUSTER);
    if (refusal !== undefined) return { errorCode: refusal.errorCode, errorMessage: inWords(refusal), topics: [] };
    const asked = topics?.flatMap(({ name, partitionIndexes }) =>
      partitionIndexes.map((partition) => ({ topic: name, partition })),
    );
    const running = await broker.controller.inTerm(async (term) => term.reassignments.list(asked));
    if (running === undefined) return { errorCode: ErrorCode.NOT_CONTROLLER, errorMessage: null, topics: [] };
    const groups = Map.groupBy(running, ({ topic }) => topic);
    const found = Array.from(groups, ([name, all]) => ({
      name,
      partitions: all.map(({ partition, replicas, adding, removing }) => ({
        partitionIndex: partition,
        replicas,
        addingReplicas: adding,
        removingReplicas: removing,
      })),
    }));
    return { errorCode: ErrorCode.NONE, errorMessage: null, topics: found };
  },
);
