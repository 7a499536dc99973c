import { ignoreNoNode } from '@millrace/metadata';
import { ErrorCode } from '@millrace/protocol';
import { noSuchTopic } from '../../cluster/topic-name.ts';
import { type ApiError, apiError, NO_ERROR } from '../../shared/api-error.ts';
import { eachInTurns, neverPause, type Pause } from '../../shared/turns.ts';
import { decodePreferredElection, MalformedNodeError, type PartitionName, paths } from '../../store/znodes.ts';
import type { PartitionContext } from '../controller-context.ts';
import { type ElectionStrategy, offlineElection, preferredElection } from '../leader-election.ts';
import type { Partitions } from './partitions.ts';
import type { TermTools } from './tools.ts';

/** Which election a client asks for (ElectLeaders). */
export type ElectionType = 'preferred' | 'unclean';

/** What became of the election of one partition. */
export interface ElectionOutcome extends ApiError, PartitionName {
  /** The leader that clients must see before the election is over for them; undefined where nothing has changed. */
  readonly leader: number | undefined;
}

/** Moves leaderships on demand and, now and then, by itself (`KafkaController.onReplicaElection`, KIP-460). */
export class Leaders {
  readonly #tools: TermTools;
  readonly #partitions: Partitions;

  constructor(tools: TermTools, partitions: Partitions) {
    this.#tools = tools;
    this.#partitions = partitions;
  }

  /**
   * Elects leaders of partitions, of all with undefined; then those that need no election are left out. One that is named twice is elected,
   * and told of, once.
   */
  async elect(
    type: ElectionType,
    asked: readonly PartitionName[] | undefined,
    pause: Pause = neverPause,
  ): Promise<ElectionOutcome[]> {
    const { context } = this.#tools;
    const names =
      asked === undefined
        ? Array.from(context.partitions(), ({ topic, index }) => ({ topic: topic.name, partition: index }))
        : await withoutRepeated(asked, pause);
    const outcomes: ElectionOutcome[] = new Array(names.length);
    const electable: { readonly at: number; readonly partition: PartitionContext }[] = [];
    const look = (name: PartitionName, at: number): void => {
      const partition = context.partition(name.topic, name.partition);
      const refusal = this.#refusal(type, name, partition);
      // What is not refused is there.
      if (refusal === undefined) electable.push({ at, partition: partition as PartitionContext });
      else outcomes[at] = outcomeOf(name, refusal, undefined);
    };
    let next = 0;
    await eachInTurns(names, (name) => look(name, next++), pause);
    const { hasRecoveryState = true } = this.#tools.options;
    const strategy: ElectionStrategy =
      type === 'preferred' ? preferredElection : offlineElection(async (topics) => topics, hasRecoveryState);
    const elected = new Set(
      await this.#partitions.bringOnline(
        electable.map(({ partition }) => partition),
        strategy,
      ),
    );
    for (const { at, partition } of electable) {
      const isElected = elected.has(partition);
      const error = isElected ? NO_ERROR : nobodyElectable(type, partition);
      outcomes[at] = outcomeOf(names[at]!, error, isElected ? partition.leader : undefined);
    }
    if (asked !== undefined) return outcomes;
    return outcomes.filter(({ errorCode }) => errorCode !== ErrorCode.ELECTION_NOT_NEEDED);
  }

  /** What older tools ask for through `/admin/preferred_replica_election`. */
  async requestedByNode(): Promise<void> {
    const { options, states } = this.#tools;
    const node = await options.store.get(paths.preferredElection).catch(ignoreNoNode);
    if (node === undefined) return;
    try {
      await this.elect('preferred', decodePreferredElection(node.data));
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      this.#tools.logger.warn({ err }, 'A request for elections cannot be read, and is removed');
    }
    await states.writeAll([[{ type: 'delete', path: paths.preferredElection, expected: 'any' }]]);
  }

  /** Gives brokers back what they should lead, where too much of it is led by others. */
  async rebalance(imbalancePercentMax: number): Promise<void> {
    const { context } = this.#tools;
    const byPreferred = Map.groupBy(context.partitions(), ({ replicas }) => replicas[0] ?? -1);
    for (const [broker, partitions] of byPreferred) {
      if (!context.isLive(broker)) continue;
      const led = partitions.filter(({ leader }) => leader !== broker && leader >= 0);
      if ((100 * led.length) / partitions.length <= imbalancePercentMax) continue;
      const movable = led.filter(
        (partition) =>
          !partition.isReassigning &&
          partition.state?.isr.includes(broker) === true &&
          context.isReplicaOnline(broker, partition),
      );
      await this.#partitions.bringOnline(movable, preferredElection);
    }
  }

  #refusal(type: ElectionType, { topic }: PartitionName, partition?: PartitionContext): ApiError | undefined {
    const { context } = this.#tools;
    if (partition === undefined) return apiError(noSuchTopic(topic), 'The partition does not exist.');
    if (context.isDeleting(partition)) {
      return apiError(ErrorCode.INVALID_TOPIC_EXCEPTION, 'The topic is being deleted.');
    }
    const { leader } = partition;
    const isNotNeeded =
      type === 'preferred' ? leader === partition.replicas[0] : context.isReplicaOnline(leader, partition);
    return isNotNeeded
      ? apiError(ErrorCode.ELECTION_NOT_NEEDED, 'Leader election not needed for topic partition.')
      : undefined;
  }
}

function outcomeOf(
  { topic, partition }: PartitionName,
  { errorCode, errorMessage }: ApiError,
  leader: number | undefined,
): ElectionOutcome {
  return { topic, partition, errorCode, errorMessage, leader };
}

async function withoutRepeated(names: readonly PartitionName[], pause: Pause): Promise<PartitionName[]> {
  const seen = new Map<string, Set<number>>();
  const once: PartitionName[] = [];
  const add = (name: PartitionName): void => {
    const partitions = seen.get(name.topic) ?? new Set();
    if (partitions.has(name.partition)) return;
    if (partitions.size === 0) seen.set(name.topic, partitions);
    partitions.add(name.partition);
    once.push(name);
  };
  await eachInTurns(names, add, pause);
  return once;
}

function nobodyElectable(type: ElectionType, { name, state, replicas }: PartitionContext): ApiError {
  if (type === 'preferred') {
    const message = `The preferred leader ${replicas[0]} of ${name} is not live or not in sync (in sync: ${state?.isr.join(', ')}).`;
    return apiError(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, message);
  }
  return apiError(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, `No replica of ${name} is live (${replicas.join(', ')}).`);
}
