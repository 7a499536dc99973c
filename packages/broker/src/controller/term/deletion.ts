import type { CommandOutcome } from '../../cluster/broker-channel.ts';
import { paths } from '../../store/znodes.ts';
import type { PartitionContext, ReplicaRef, TopicContext } from '../controller-context.ts';
import { deletionOperations } from '../topic-removal.ts';
import type { Partitions } from './partitions.ts';
import type { Replicas } from './replicas.ts';
import type { TermTools } from './tools.ts';

/** How long until replicas are asked again that could not be deleted though their broker is there; twice as long each time. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 60_000;

/**
 * Deletes topics (`TopicDeletionManager`): partitions go offline, brokers are told that the topic is going, replicas stop and lose their
 * files, and when all have, the nodes go. A topic with a replica on a broker that is down waits for it, and one of which files could not be
 * deleted is tried again: the disk may have been full, or not all of them may have been opened.
 */
export class TopicDeletion {
  readonly #tools: TermTools;
  readonly #partitions: Partitions;
  readonly #replicas: Replicas;
  readonly #retryLater: (delayMs: number) => void;
  #retryMs = RETRY_MS_MIN;

  /** @param retryLater Has {@link retry} called once after a time, however often it is asked for until then. */
  constructor(tools: TermTools, partitions: Partitions, replicas: Replicas, retryLater: (delayMs: number) => void) {
    this.#tools = tools;
    this.#retryLater = retryLater;
    this.#partitions = partitions;
    this.#replicas = replicas;
  }

  /** Takes up requests for deletion that stand in the store. */
  async requested(names: readonly string[]): Promise<void> {
    const { context, options, states } = this.#tools;
    const unknown = names.filter((name) => !context.topics.has(name));
    const refused = options.isDeletionEnabled() ? unknown : names;
    if (refused.length > 0) await states.writeAll(refused.map((name) => [requestRemoval(name)]));
    for (const name of names) {
      if (refused.includes(name)) continue;
      context.deletions.add(name);
      const isReassigning = context.topics.get(name)?.partitions.some((each) => each.isReassigning);
      if (isReassigning === true) context.ineligibleDeletions.add(name);
    }
    await this.resume();
  }

  /** Topics whose deletion waited for something that has happened. */
  async resumeFor(names: Iterable<string>): Promise<void> {
    const { deletions, ineligibleDeletions } = this.#tools.context;
    let isAny = false;
    for (const name of names) {
      if (!deletions.has(name)) continue;
      ineligibleDeletions.delete(name);
      isAny = true;
    }
    if (isAny) await this.resume();
  }

  /** Goes on with topics of which files could not be deleted on brokers that are there. */
  async retry(): Promise<void> {
    const { context } = this.#tools;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
    const isWaiting = (name: string): boolean => {
      const topic = context.topics.get(name);
      if (topic === undefined || topic.partitions.some(({ isReassigning }) => isReassigning)) return false;
      return replicasOf(topic).some((each) => phaseOf(each) === 'deletion ineligible' && context.isLive(each.broker));
    };
    await this.resumeFor([...context.ineligibleDeletions].filter(isWaiting));
  }

  /** A topic that something else is done with first. */
  postpone(name: string): void {
    if (this.#tools.context.deletions.has(name)) this.#tools.context.ineligibleDeletions.add(name);
  }

  /** Goes on with every deletion as far as it can. */
  async resume(): Promise<void> {
    const { context } = this.#tools;
    const topics = [...context.deletions].flatMap((name) => context.topics.get(name) ?? []);
    const done = topics.filter((topic) => this.#all(topic, 'deletion successful'));
    if (done.length > 0) await this.#complete(done);
    const open = topics.filter((topic) => !done.includes(topic) && !this.#some(topic, 'deletion started'));
    for (const topic of open) {
      if (context.ineligibleDeletions.has(topic.name)) continue;
      const failed = replicasOf(topic).filter((each) => phaseOf(each) === 'deletion ineligible');
      for (const { partition, broker } of failed) partition.replicaPhases.set(broker, 'offline');
    }
    const eligible = open.filter(({ name }) => !context.ineligibleDeletions.has(name));
    if (eligible.length > 0) await this.#begin(eligible);
  }

  /** Replicas of brokers that have gone cannot be deleted now. */
  replicasLost(replicas: readonly ReplicaRef[]): void {
    this.#replicas.mark(replicas, 'deletion ineligible');
    for (const { partition } of replicas) this.#tools.context.ineligibleDeletions.add(partition.topic.name);
  }

  /** A broker has answered a StopReplica that deletes files. */
  async stopped(
    broker: number,
    partitions: ReadonlySet<PartitionContext>,
    { errorCode, partitions: outcomes }: CommandOutcome,
  ): Promise<void> {
    const { context, logger } = this.#tools;
    const failed = new Set(
      outcomes.filter((each) => each.errorCode !== 0).map((each) => `${each.topic}-${each.partition}`),
    );
    const waiting = [...partitions]
      .filter((partition) => context.isDeleting(partition))
      .map((partition): ReplicaRef => ({ partition, broker }))
      .filter((replica) => phaseOf(replica) === 'deletion started');
    const isFailed = ({ partition }: ReplicaRef): boolean => errorCode !== 0 || failed.has(partition.name);
    const lost = waiting.filter(isFailed);
    if (lost.length > 0) {
      logger.warn(
        { broker, partitions: lost.map(({ partition }) => partition.name) },
        'Replicas could not be deleted yet',
      );
      this.replicasLost(lost);
      this.#retryLater(this.#retryMs);
    } else {
      this.#retryMs = RETRY_MS_MIN;
    }
    this.#replicas.mark(
      waiting.filter((replica) => !isFailed(replica)),
      'deletion successful',
    );
    await this.resume();
  }

  async #begin(topics: readonly TopicContext[]): Promise<void> {
    const { context, commands: newCommands, send } = this.#tools;
    for (const { name, partitions } of topics) {
      if (context.startedDeletions.has(name)) continue;
      context.startedDeletions.add(name);
      this.#partitions.takeOffline(partitions);
      this.#partitions.forget(partitions);
    }
    const commands = newCommands();
    commands.updateMetadata(
      context.brokers.keys(),
      topics.flatMap(({ partitions }) => partitions),
    );
    send(commands);
    await this.#stopReplicas(topics.flatMap((topic) => replicasOf(topic)));
  }

  async #stopReplicas(replicas: readonly ReplicaRef[]): Promise<void> {
    const { context } = this.#tools;
    // One whose log could not be opened is asked as well: its broker knows whether the files can go.
    const isThere = ({ broker }: ReplicaRef): boolean => context.isLive(broker);
    const live = replicas.filter((each) => isThere(each) && phaseOf(each) !== 'deletion successful');
    const dead = replicas.filter((each) => !isThere(each));
    this.#replicas.mark(dead, 'deletion ineligible');
    await this.#replicas.takeOffline(live);
    this.#replicas.startDeletion(live);
    for (const { partition } of dead) context.ineligibleDeletions.add(partition.topic.name);
  }

  async #complete(topics: readonly TopicContext[]): Promise<void> {
    const { context, options, states, logger } = this.#tools;
    for (const topic of topics) {
      await states.writeAll(await deletionOperations(options.store, topic.name));
      this.#replicas.forget(replicasOf(topic));
      context.topics.delete(topic.name);
      for (const set of [context.deletions, context.ineligibleDeletions, context.startedDeletions]) {
        set.delete(topic.name);
      }
    }
    logger.info({ topics: topics.map(({ name }) => name) }, 'Deleted topics');
  }

  #all(topic: TopicContext, phase: string): boolean {
    return replicasOf(topic).every((replica) => phaseOf(replica) === phase);
  }

  #some(topic: TopicContext, phase: string): boolean {
    return replicasOf(topic).some((replica) => phaseOf(replica) === phase);
  }
}

function replicasOf({ partitions }: TopicContext): ReplicaRef[] {
  return partitions.flatMap((partition) => partition.replicas.map((broker) => ({ partition, broker })));
}

function phaseOf({ partition, broker }: ReplicaRef): string | undefined {
  return partition.replicaPhases.get(broker);
}

/** Whatever the request's name is: somebody may have asked for what no topic may be called. */
function requestRemoval(name: string): { type: 'delete'; path: string; expected: 'any' } {
  return { type: 'delete', path: `${paths.deleteTopics}/${name}`, expected: 'any' };
}
