/**
 * FindCoordinator: which broker answers for a group or a transactional id: the leader of its partition of `__consumer_offsets`, or of
 * `__transaction_state`, which are created when the first one asks.
 *
 * 0: groups only. 1: key type, error message, throttle time. 3: flexible. 4: several keys at once (KIP-699).
 * 5: a newer error code for transactions (KIP-890). 6: share groups, which this broker does not have (KIP-932).
 */
import { ErrorCode, FindCoordinator } from '@millrace/protocol';
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import type { ApiError } from '../shared/api-error.ts';
import { CLUSTER, groupResource, inWords, transactionalIdResource } from '../shared/authorization.ts';
import { partitionOf } from '../shared/java-hash.ts';
import { defineHandler, type RequestContext } from './handler.ts';

const KeyType = { GROUP: 0, TRANSACTION: 1, SHARE: 2 } as const;
const BATCHED_SINCE = 4;

interface Found {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export const findCoordinator = defineHandler(
  FindCoordinator,
  { minVersion: 0, maxVersion: 6 },
  async (request, context) => {
    if (context.version < BATCHED_SINCE) return find(request.key, request.keyType, context);
    const coordinators = [];
    for (const key of request.coordinatorKeys) {
      coordinators.push({ key, ...(await find(key, request.keyType, context)) });
      await context.pause();
    }
    return { coordinators };
  },
);

async function find(key: string, keyType: number, context: RequestContext): Promise<Found> {
  if (keyType === KeyType.SHARE) {
    const refusal = context.authorize('ClusterAction', CLUSTER);
    if (refusal !== undefined) return notAllowed(refusal, context);
  }
  if (keyType !== KeyType.GROUP && keyType !== KeyType.TRANSACTION) {
    return nobody(ErrorCode.INVALID_REQUEST, `This broker has no coordinators of type ${keyType}.`);
  }
  const isGroup = keyType === KeyType.GROUP;
  const refusal = context.authorize('Describe', isGroup ? groupResource(key) : transactionalIdResource(key));
  if (refusal !== undefined) return notAllowed(refusal, context);
  return leaderOf(key, isGroup ? OFFSETS_TOPIC : TRANSACTIONS_TOPIC, context);
}

/** The leader of the partition that holds a key, in a topic that is made when it is first needed. */
async function leaderOf(key: string, topic: string, context: RequestContext): Promise<Found> {
  const { cluster, topicAdmin, coordinatorTopics } = context.broker;
  if (cluster.topic(topic) === undefined) {
    const outcome = (await topicAdmin.autoCreate([topic])).get(topic) ?? ErrorCode.NONE;
    if (outcome !== ErrorCode.NONE && cluster.topic(topic) === undefined) {
      return nobody(ErrorCode.COORDINATOR_NOT_AVAILABLE, `The topic ${topic} could not be created (error ${outcome}).`);
    }
  }
  const count = await coordinatorTopics.find(topic);
  const leader = count === undefined ? -1 : (cluster.partition(topic, partitionOf(key, count))?.leader ?? -1);
  const endpoint = cluster.endpoint(leader, context.connection.listenerName);
  if (endpoint === undefined) return nobody(ErrorCode.COORDINATOR_NOT_AVAILABLE, 'The coordinator is not available.');
  return { errorCode: ErrorCode.NONE, errorMessage: null, nodeId: leader, host: endpoint.host, port: endpoint.port };
}

/** Answers for several keys have no words in Kafka. */
function notAllowed(refusal: ApiError, { version }: RequestContext): Found {
  return nobody(refusal.errorCode, version < BATCHED_SINCE ? inWords(refusal) : null);
}

function nobody(errorCode: number, errorMessage: string | null): Found {
  return { errorCode, errorMessage, nodeId: -1, host: '', port: -1 };
}
