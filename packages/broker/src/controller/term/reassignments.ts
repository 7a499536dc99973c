import { ignoreNoNode, type Operation } from '@millrace/metadata';
import { ErrorCode } from '@millrace/protocol';
import { noSuchTopic } from '../../cluster/topic-name.ts';
import { type ApiError, apiError, NO_ERROR } from '../../shared/api-error.ts';
import { neverPause, type Pause } from '../../shared/turns.ts';
import {
  decodeReassignments,
  decodeTopic,
  encodeReassignments,
  encodeTopic,
  MalformedNodeError,
  type PartitionName,
  type PartitionTarget,
  paths,
  type ReplicaAssignment,
  settledAssignment,
  type TopicAssignment,
} from '../../store/znodes.ts';
import type { PartitionContext, ReplicaRef } from '../controller-context.ts';
import { isElectable, reassignmentElection } from '../leader-election.ts';
import type { TopicDeletion } from './deletion.ts';
import type { Partitions } from './partitions.ts';
import type { Replicas } from './replicas.ts';
import type { TermTools } from './tools.ts';

/** A reassignment that runs. */
export interface OngoingReassignment extends ReplicaAssignment, PartitionName {}

/** A new target for a partition; null cancels what runs. */
export interface ReassignmentRequest extends PartitionName {
  readonly replicas: readonly number[] | null;
}

/**
 * Moves partitions to other brokers (KIP-455, `KafkaController.onPartitionReassignment`): those that come follow until they are in sync,
 * then the leader moves if it must, and those that leave are deleted. Every step is in the store before it is acted on, so that the next
 * controller goes on where this one has stopped.
 */
export class Reassignments {
  readonly #tools: TermTools;
  readonly #partitions: Partitions;
  readonly #replicas: Replicas;
  readonly #deletion: TopicDeletion;
  /** Topics of which a reassignment stands still until somebody mends their nodes. */
  readonly #heldUp = new Set<string>();
  /** By broker that was not there, partitions whose replica it was to delete: it is told when it comes back in this term. */
  readonly #owed = new Map<number, Set<PartitionContext>>();

  constructor(tools: TermTools, partitions: Partitions, replicas: Replicas, deletion: TopicDeletion) {
    this.#tools = tools;
    this.#partitions = partitions;
    this.#replicas = replicas;
    this.#deletion = deletion;
  }

  /** All that run, or those among `asked`. */
  list(asked: readonly PartitionName[] | undefined): OngoingReassignment[] {
    const { context } = this.#tools;
    const all =
      asked === undefined
        ? [...context.partitions()]
        : asked.flatMap(({ topic, partition }) => context.partition(topic, partition) ?? []);
    return all
      .filter(({ isReassigning }) => isReassigning)
      .map(({ topic, index, assignment, leaving }) => ({
        topic: topic.name,
        partition: index,
        replicas: [...assignment.replicas, ...leaving],
        adding: assignment.adding,
        removing: [...assignment.removing, ...leaving],
      }));
  }

  /** Begins, changes or cancels reassignments; the outcomes stand in the order of the requests. */
  async alter(requests: readonly ReassignmentRequest[], pause: Pause = neverPause): Promise<ApiError[]> {
    const outcomes: ApiError[] = [];
    for (const request of requests) {
      outcomes.push(await this.#alterOne(request));
      const rest = pause();
      if (rest !== undefined) await rest;
    }
    return outcomes;
  }

  /** Goes on with all that run, after a controller has taken office. */
  async resumeAll(): Promise<void> {
    const running = [...this.#tools.context.partitions()].filter(({ isReassigning }) => isReassigning);
    for (const partition of running) await this.#tryToAdvance(partition, partition.assignment);
  }

  /** Goes on with those that wait for a broker that has come, and has it delete what has been taken away from it meanwhile. */
  async resumeFor(brokers: readonly number[]): Promise<void> {
    this.#stopOwed(brokers);
    const running = [...this.#tools.context.partitions()].filter(isUnderWay);
    for (const partition of running) {
      if (partition.targetReplicas.some((replica) => brokers.includes(replica))) {
        await this.#tryToAdvance(partition, partition.assignment);
      }
    }
  }

  /** Completes those of which all replicas have come into sync. */
  async maybeComplete(partitions: Iterable<PartitionContext>): Promise<void> {
    for (const partition of partitions) {
      if (isUnderWay(partition) && this.#canComplete(partition)) {
        await this.#tryToAdvance(partition, partition.assignment);
      }
    }
  }

  /** A broker has answered that replicas of it have gone, files and all; or it has gone itself, and is not waited for. */
  async left(broker: number, partitions: Iterable<PartitionContext>, hasAnswered: boolean): Promise<void> {
    const { context } = this.#tools;
    for (const partition of partitions) {
      if (!hasAnswered) this.#owe(broker, partition);
      // It may have been settled meanwhile, or be gone.
      if (
        !partition.leaving.includes(broker) ||
        context.partition(partition.topic.name, partition.index) !== partition
      ) {
        continue;
      }
      const others = partition.leaving.filter((other) => other !== broker);
      if (others.length > 0) partition.leaving = others;
      else await this.#unlessUnreadable(partition, () => this.#settle(partition));
    }
  }

  /** What older tools ask for through `/admin/reassign_partitions`. It overrides what runs. */
  async requestedByNode(): Promise<void> {
    const { context, logger } = this.#tools;
    for (const { topic, partition, replicas } of (await this.#requests())?.targets ?? []) {
      const found = context.partition(topic, partition);
      const isThere = found !== undefined && same(found.replicas, replicas) && !found.isReassigning;
      const outcome = isThere ? NO_ERROR : await this.#alterOne({ topic, partition, replicas });
      if (outcome.errorCode !== ErrorCode.NONE) {
        logger.warn({ topic, partition, replicas, error: outcome.errorMessage }, 'A reassignment cannot be done');
      }
      if (outcome.errorCode !== ErrorCode.NONE || isThere) await this.#dropFromNode({ topic, partition });
    }
  }

  async #alterOne(request: ReassignmentRequest): Promise<ApiError> {
    const { context } = this.#tools;
    const partition = context.partition(request.topic, request.partition);
    if (partition === undefined || context.isDeleting(partition)) {
      return apiError(noSuchTopic(request.topic), 'The partition does not exist.');
    }
    if (partition.leaving.length > 0) {
      const settled = await this.#unlessUnreadable(partition, () => this.#settle(partition));
      if (settled !== NO_ERROR) return settled;
    }
    if (request.replicas === null) {
      if (!partition.isReassigning) {
        return apiError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, 'No partition reassignment is in progress.');
      }
      const unreachable = partition.originReplicas.filter((replica) => !context.isLive(replica));
      if (unreachable.length === partition.originReplicas.length) {
        return apiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, 'None of the replicas to go back to is live.');
      }
      return this.#moveTo(partition, partition.originReplicas);
    }
    const fault = this.#targetFault(partition, request.replicas);
    if (fault !== undefined) return apiError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, fault);
    return this.#moveTo(partition, request.replicas);
  }

  #targetFault(partition: PartitionContext, replicas: readonly number[]): string | undefined {
    if (replicas.length === 0) return 'Empty replica list specified in partition reassignment.';
    if (new Set(replicas).size !== replicas.length) {
      return `Duplicate replica ids in partition reassignment replica list: ${replicas.join(', ')}.`;
    }
    if (replicas.some((replica) => replica < 0)) return `Invalid broker id in replica list: ${replicas.join(', ')}.`;
    // Who is there already may be down; who comes must be live to become in sync.
    const origin = partition.originReplicas;
    const dead = replicas.filter((replica) => !origin.includes(replica) && !this.#tools.context.isLive(replica));
    return dead.length === 0
      ? undefined
      : `Replica assignment has brokers that are not alive. Replica list: ${replicas.join(', ')}, dead: ${dead.join(', ')}.`;
  }

  async #moveTo(partition: PartitionContext, target: readonly number[]): Promise<ApiError> {
    const origin = partition.originReplicas;
    const staying = [...target, ...origin.filter((replica) => !target.includes(replica))];
    const replicas = [...staying, ...(await this.#indispensable(partition, staying))];
    return this.#tryToAdvance(partition, {
      replicas,
      adding: target.filter((replica) => !origin.includes(replica)),
      removing: replicas.filter((replica) => !target.includes(replica)),
    });
  }

  /**
   * Those who came by a former target and are not needed now may go at once, unless they have what nobody else has: the one that leads is
   * relieved, and where nobody can take over, those in sync leave no earlier than the others have come into sync.
   */
  async #indispensable(partition: PartitionContext, staying: readonly number[]): Promise<readonly number[]> {
    const leaving = partition.replicas.filter((replica) => !staying.includes(replica));
    const isLed = leaving.includes(partition.leader);
    if (isLed) {
      const moved = await this.#partitions.bringOnline([partition], reassignmentElection(staying));
      if (moved.length > 0) return [];
    }
    const inSync = partition.state?.isr ?? [];
    if (!isLed && inSync.some((replica) => staying.includes(replica))) return [];
    return leaving.filter((replica) => inSync.includes(replica));
  }

  /** Goes on with those of a topic whose node nobody could read. */
  async resumeHeldUp(topic: string): Promise<void> {
    if (!this.#heldUp.delete(topic)) return;
    const partitions = this.#tools.context.topics.get(topic)?.partitions ?? [];
    for (const each of partitions) {
      if (each.leaving.length > 0) await this.#unlessUnreadable(each, () => this.#settle(each));
      else if (each.isReassigning) await this.#tryToAdvance(each, each.assignment);
    }
  }

  #tryToAdvance(partition: PartitionContext, assignment: ReplicaAssignment): Promise<ApiError> {
    return this.#unlessUnreadable(partition, () => this.#advance(partition, assignment));
  }

  /** Takes a step; where nobody can read the topic's node all stands still until that is mended, and the others go on. */
  async #unlessUnreadable(partition: PartitionContext, step: () => Promise<void>): Promise<ApiError> {
    try {
      await step();
      return NO_ERROR;
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      this.#tools.logger.error({ err, partition: partition.name }, 'A reassignment stands still');
      this.#heldUp.add(partition.topic.name);
      return apiError(ErrorCode.UNKNOWN_SERVER_ERROR, err.message);
    }
  }

  /** Takes the next steps towards an assignment, as far as they can be taken now. */
  async #advance(partition: PartitionContext, assignment: ReplicaAssignment): Promise<void> {
    const { topic } = partition;
    this.#deletion.postpone(topic.name);
    await this.#noteTarget(partition, assignment);
    if (!this.#canComplete(partition)) {
      await this.#tellWidened(partition);
      this.#replicas.addNew(partition.assignment.adding.map((broker) => ({ partition, broker })));
      return;
    }
    await this.#complete(partition);
  }

  /** Puts a new or changed target into the store, and stops who was to come by a former one and is not needed now. */
  async #noteTarget(partition: PartitionContext, next: ReplicaAssignment): Promise<void> {
    const { assignment: before, name } = partition;
    if (
      same(before.replicas, next.replicas) &&
      same(before.adding, next.adding) &&
      same(before.removing, next.removing)
    ) {
      return;
    }
    const { adding, removing } = next;
    this.#tools.logger.info(
      { partition: name, from: before.replicas, to: partition.targetReplicas, adding, removing },
      'A partition is being reassigned',
    );
    await this.#writeAssignment(partition, next);
    partition.assignment = next;
    const unneeded = before.replicas.filter((replica) => !next.replicas.includes(replica));
    await this.#removeReplicas(partition, unneeded);
  }

  /** Those who come begin to follow; the leader knows them from here on. */
  async #tellWidened(partition: PartitionContext): Promise<void> {
    if (!(await this.#partitions.raiseEpoch(partition))) return;
    const commands = this.#tools.commands();
    commands.leaderAndIsr(partition.originReplicas, partition, false);
    commands.leaderAndIsr(partition.assignment.adding, partition, true);
    this.#tools.send(commands);
  }

  /** Whether all are in sync who shall stay, and one of them can lead. */
  #canComplete(partition: PartitionContext): boolean {
    const { state, targetReplicas } = partition;
    const { context } = this.#tools;
    return (
      targetReplicas.every((replica) => state?.isr.includes(replica) === true) &&
      targetReplicas.some((replica) => isElectable(replica, partition, context))
    );
  }

  async #complete(partition: PartitionContext): Promise<void> {
    const { adding, removing } = partition.assignment;
    // What cannot be noted in the end is not begun.
    await this.#readTopic(partition);
    this.#replicas.bringOnline(adding.map((broker) => ({ partition, broker })));
    const settled = settledAssignment(partition.targetReplicas);
    // The leader forgets the leavers before these stop; the store keeps them until they have.
    partition.assignment = settled;
    await this.#moveLeader(partition);
    const { context } = this.#tools;
    // One who is gone is not waited for: it may never come back.
    partition.leaving = removing.filter((broker) => context.brokers.has(broker));
    for (const broker of removing) if (!context.brokers.has(broker)) this.#owe(broker, partition);
    await this.#removeReplicas(partition, removing);
    if (partition.leaving.length === 0) await this.#settle(partition);
  }

  /**
   * Nothing is left to be done but to say so. Until then the store names those that leave, so that they are told by the next controller if
   * this one ends before they have heard of it; Kafka's writes before they have, and leaves their files behind in that case.
   */
  async #settle(partition: PartitionContext): Promise<void> {
    await this.#writeAssignment(partition, partition.assignment);
    partition.leaving = [];
    await this.#dropFromNode({ topic: partition.topic.name, partition: partition.index });
    const { context, commands: newCommands, send, logger } = this.#tools;
    const commands = newCommands();
    commands.updateMetadata(context.brokers.keys(), [partition]);
    send(commands);
    logger.info({ partition: partition.name, replicas: partition.replicas }, 'A partition has been reassigned');
    const { topic } = partition;
    if (!topic.partitions.some(({ isReassigning }) => isReassigning)) await this.#deletion.resumeFor([topic.name]);
  }

  async #moveLeader(partition: PartitionContext): Promise<void> {
    const { context, commands: newCommands, send } = this.#tools;
    const { leader } = partition;
    if (!partition.replicas.includes(leader) || !context.isReplicaOnline(leader, partition)) {
      await this.#partitions.bringOnline([partition], reassignmentElection(partition.targetReplicas));
      return;
    }
    if (!(await this.#partitions.raiseEpoch(partition))) return;
    const commands = newCommands();
    commands.leaderAndIsr(partition.replicas, partition, false);
    send(commands);
  }

  async #removeReplicas(partition: PartitionContext, brokers: readonly number[]): Promise<void> {
    if (brokers.length === 0) return;
    const leaving = brokers.map((broker): ReplicaRef => ({ partition, broker }));
    await this.#replicas.takeOffline(leaving);
    this.#replicas.startDeletion(leaving);
    this.#replicas.forget(leaving);
  }

  #owe(broker: number, partition: PartitionContext): void {
    const owed = this.#owed.get(broker) ?? new Set();
    this.#owed.set(broker, owed.add(partition));
  }

  #stopOwed(brokers: readonly number[]): void {
    const { context, commands: newCommands, send } = this.#tools;
    const commands = newCommands();
    for (const broker of brokers) {
      for (const partition of this.#owed.get(broker) ?? []) {
        const now = context.partition(partition.topic.name, partition.index);
        // Of a topic that was deleted meanwhile it goes as well; another topic of that name is no concern of this.
        const isOwed = now === undefined || (now === partition && !now.replicas.includes(broker));
        if (isOwed) commands.stopReplica({ partition, broker }, true);
      }
      this.#owed.delete(broker);
    }
    send(commands);
  }

  /** @throws MetadataError when the topic's node is gone, or changed by somebody else again and again; MalformedNodeError */
  async #writeAssignment(partition: PartitionContext, assignment: ReplicaAssignment): Promise<void> {
    const { topicId, partitions: present, version } = await this.#readTopic(partition);
    const partitions = present.map((each, at) => (at === partition.index ? assignment : each));
    const data = encodeTopic(topicId ?? partition.topic.id, partitions);
    const path = paths.topic(partition.topic.name);
    await this.#tools.states.writeAll([[{ type: 'set', path, data, expected: { exactly: version } }]]);
  }

  async #readTopic({ topic: { name } }: PartitionContext): Promise<TopicAssignment & { readonly version: number }> {
    const { data, stat } = await this.#tools.options.store.get(paths.topic(name));
    return { ...decodeTopic(name, data), version: stat.version };
  }

  async #dropFromNode({ topic, partition }: PartitionName): Promise<void> {
    const requests = await this.#requests();
    if (requests === undefined) return;
    const isOther = (each: PartitionTarget): boolean => each.topic !== topic || each.partition !== partition;
    const remaining = requests.targets.filter(isOther);
    const expected = { exactly: requests.version };
    const path = paths.reassignPartitions;
    const operation: Operation =
      remaining.length === 0
        ? { type: 'delete', path, expected }
        : { type: 'set', path, data: encodeReassignments(remaining), expected };
    await this.#tools.states.writeAll([[operation]]);
  }

  /** What stands in `/admin/reassign_partitions`; undefined where it is missing, or nobody can read it, as in Kafka. */
  async #requests(): Promise<{ targets: PartitionTarget[]; version: number } | undefined> {
    const { options, logger } = this.#tools;
    const node = await options.store.get(paths.reassignPartitions).catch(ignoreNoNode);
    try {
      return node && { targets: decodeReassignments(node.data), version: node.stat.version };
    } catch (err) {
      if (!(err instanceof MalformedNodeError)) throw err;
      logger.warn({ err }, 'A request for reassignments cannot be read, and is passed over');
      return undefined;
    }
  }
}

/** Whether replicas have yet to come into sync, or to be told that they leave. */
function isUnderWay({ isReassigning, leaving }: PartitionContext): boolean {
  return isReassigning && leaving.length === 0;
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}
