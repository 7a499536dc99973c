/**
 * AlterPartitionReassignments: partitions move to other brokers, or go back to where they were (KIP-455).
 *
 * - The answer comes when the move has been noted, not when it is done; ListPartitionReassignments tells what still moves.
 * - Not the controller: NOT_CONTROLLER for the whole.
 */
import { AlterPartitionReassignments, ErrorCode } from '@millrace/protocol';
import { CLUSTER, inWords } from '../shared/authorization.ts';
import { defineHandler } from './handler.ts';

export const alterPartitionReassignments = defineHandler(
  AlterPartitionReassignments,
  { minVersion: 0, maxVersion: 0 },
  async ({ topics }, context) => {
    const { broker } = context;
    const refusal = context.authorize('Alter', CLUSTER);
    if (refusal !== undefined) {
      const error = { errorCode: refusal.errorCode, errorMessage: inWords(refusal) };
      const refused = topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, ...error })),
      }));
      return { ...error, responses: refused };
    }
    const requests = topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, replicas }) => ({ topic: name, partition: partitionIndex, replicas })),
    );
    const outcomes = await broker.controller.inTerm((term) =>
      term.reassignments.alter(requests, () => context.pause()),
    );
    if (outcomes === undefined) return { errorCode: ErrorCode.NOT_CONTROLLER, errorMessage: null, responses: [] };
    let next = 0;
    const responses = topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const outcome = outcomes[next];
        next += 1;
        const { errorCode = ErrorCode.UNKNOWN_SERVER_ERROR, errorMessage = null } = outcome ?? {};
        return { partitionIndex, errorCode, errorMessage };
      }),
    }));
    return { errorCode: ErrorCode.NONE, errorMessage: null, responses };
  },
);
