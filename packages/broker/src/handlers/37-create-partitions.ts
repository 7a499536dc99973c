/**
 * CreatePartitions: adds partitions to topics and answers when this broker knows them, or the time is up.
 *
 * - v1 nothing we use; v2 flexible; v3 THROTTLING_QUOTA_EXCEEDED. Partitions are never taken away.
 */
import { CreatePartitions, ErrorCode } from '@millrace/protocol';
import { type ApiError, apiError } from '../shared/api-error.ts';
import { topicResource } from '../shared/authorization.ts';
import { eachInTurns } from '../shared/turns.ts';
import { NOT_CONTROLLER } from './admin-errors.ts';
import { defineHandler } from './handler.ts';

/** The first version whose clients know THROTTLING_QUOTA_EXCEEDED (KIP-599). */
const TOLD_OF_QUOTAS_SINCE = 3;

export const createPartitions = defineHandler(
  CreatePartitions,
  { minVersion: 0, maxVersion: 3 },
  async (request, context) => {
    const { broker } = context;
    const counts = new Map<string, number>();
    const pause = (): ReturnType<typeof context.pause> => context.pause();
    await eachInTurns(request.topics, ({ name }) => void counts.set(name, (counts.get(name) ?? 0) + 1), pause);
    if (!broker.controller.isActive) {
      return { results: Array.from(counts.keys(), (name) => ({ name, ...NOT_CONTROLLER })) };
    }
    context.releaseRequest();
    const refusals = new Map<string, ApiError>();
    const authorize = (name: string): void => {
      const refusal = context.authorize('Alter', topicResource(name));
      if (refusal !== undefined) refusals.set(name, apiError(refusal.errorCode, 'The topic authorization is failed.'));
    };
    await eachInTurns(counts.keys(), authorize, pause);
    const distinct = request.topics.filter(({ name }) => counts.get(name) === 1 && !refusals.has(name));
    const { timeoutMs, validateOnly } = request;
    const mutations = context.quota.mutations(context.version >= TOLD_OF_QUOTAS_SINCE);
    const options = { timeoutMs, validateOnly, mutations, pause };
    const outcomes = await broker.topicAdmin.createPartitions(distinct, options);
    const results = new Map(distinct.map(({ name }, index) => [name, outcomes[index] as ApiError]));
    const repeated = apiError(ErrorCode.INVALID_REQUEST, 'Duplicate topic name.');
    return {
      results: Array.from(counts.keys(), (name) => ({
        name,
        ...(refusals.get(name) ?? results.get(name) ?? repeated),
      })),
    };
  },
);
