import { ignoreNoNode } from '@millrace/metadata';
import { ErrorCode } from '@millrace/protocol';
import { TOLD_ONE_BY_ONE_MAX } from '../../shared/told.ts';
import { decodeBroker, MalformedNodeError, paths } from '../../store/znodes.ts';
import type { PartitionContext, RegisteredBroker, ReplicaRef } from '../controller-context.ts';
import { shutdownElection } from '../leader-election.ts';
import type { TopicDeletion } from './deletion.ts';
import type { Partitions } from './partitions.ts';
import type { Reassignments } from './reassignments.ts';
import type { Replicas } from './replicas.ts';
import type { TermTools } from './tools.ts';

/** What a broker that wants to stop is told. */
export interface ShutdownOutcome {
  readonly errorCode: number;
  /** Partitions that it leads still. */
  readonly remaining: readonly PartitionContext[];
}

/** The parts of a term that a broker's coming and going sets in motion. */
export interface BrokerChangeParts {
  readonly partitions: Partitions;
  readonly replicas: Replicas;
  readonly deletion: TopicDeletion;
  readonly reassignments: Reassignments;
}

/** Brokers that come, go, come back, lose log folders, or want to stop. */
export class BrokerChanges {
  readonly #tools: TermTools;
  readonly #parts: BrokerChangeParts;

  constructor(tools: TermTools, parts: BrokerChangeParts) {
    this.#tools = tools;
    this.#parts = parts;
  }

  /** Brokers that have come, with their registrations. */
  async come(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    const { context, commands: newCommands, send } = this.#tools;
    for (const id of ids) context.forgetFailedReplicas(id);
    const others = [...context.brokers.keys()].filter((id) => !ids.includes(id));
    const live = newCommands();
    live.updateMetadata(others, []);
    send(live);
    const everything = newCommands();
    everything.updateMetadata(ids, context.partitions());
    send(everything);
    const { partitions, replicas, deletion, reassignments } = this.#parts;
    const theirs = [...context.replicasOn(ids)];
    replicas.bringOnline(theirs.filter(({ partition }) => !context.isDeleting(partition)));
    await partitions.bringAllOnline();
    await reassignments.resumeFor(ids);
    const waiting = theirs.filter(({ partition }) => context.isDeleting(partition));
    await deletion.resumeFor(new Set(waiting.map(({ partition }) => partition.topic.name)));
  }

  /** Brokers that have gone; they are not among the context's any more. */
  async go(ids: readonly number[]): Promise<void> {
    if (ids.length === 0) return;
    for (const id of ids) this.#tools.context.shuttingDown.delete(id);
    await this.replicasGone([...this.#tools.context.replicasOn(ids)]);
  }

  /** Replicas that do not work any more: their brokers have gone, or their log folders have failed. */
  async replicasGone(gone: readonly ReplicaRef[]): Promise<void> {
    const { context, commands: newCommands, send } = this.#tools;
    const { partitions, replicas, deletion } = this.#parts;
    const staying = gone.filter(({ partition }) => !context.isDeleting(partition));
    const leaderless = staying.filter(({ partition, broker }) => partition.leader === broker);
    partitions.takeOffline(leaderless.map(({ partition }) => partition));
    await partitions.bringAllOnline();
    await replicas.takeOffline(staying);
    deletion.replicasLost(gone.filter(({ partition }) => context.isDeleting(partition)));
    if (staying.length > 0) return;
    // That a broker is gone all must know, even if it had no replica that they were told of (KAFKA-13225).
    const commands = newCommands();
    commands.updateMetadata(context.brokers.keys(), []);
    send(commands);
  }

  /** A broker has answered LeaderAndIsr: replicas whose log folder has failed, and those that work. */
  async answered(
    broker: number,
    failed: readonly PartitionContext[],
    working: readonly PartitionContext[],
  ): Promise<void> {
    const { context, logger } = this.#tools;
    const back = working.filter((partition) => context.replicaWorks({ broker, partition }));
    if (back.length > 0) await this.#replicasBack(broker, back);
    if (failed.length === 0) return;
    const gone = failed.map((partition): ReplicaRef => ({ partition, broker }));
    const news = gone.filter((replica) => context.replicaFailed(replica));
    const some = news.slice(0, TOLD_ONE_BY_ONE_MAX).map(({ partition }) => partition.name);
    const fields = { broker, partitions: news.length, some };
    // A folder has failed or is full, or one log could not be opened: which of it, the answer does not say.
    if (news.length > 0) {
      logger.warn(fields, 'Replicas are offline: their broker cannot use their logs; its own log says why');
    }
    // Whether one of a topic that goes can be deleted, its broker says when it is told to: an answer to what was said before does not count.
    await this.replicasGone(gone.filter(({ partition }) => !context.isDeleting(partition)));
  }

  /**
   * Replicas that could not be opened for a time, and can now. What they were told when they could not, to stop, may have come behind
   * what they have answered: so they are told once more to act on the state as it is.
   */
  async #replicasBack(broker: number, back: readonly PartitionContext[]): Promise<void> {
    const { context } = this.#tools;
    const staying = back.filter((partition) => !context.isDeleting(partition));
    this.#parts.replicas.bringOnline(staying.map((partition) => ({ partition, broker })));
    // One of them may be the only one that can lead.
    await this.#parts.partitions.bringAllOnline();
  }

  /** Log folders of a broker have failed: it is asked which of its replicas work. */
  askForFolders(broker: number): void {
    const { context, commands: newCommands, send } = this.#tools;
    const commands = newCommands();
    for (const { partition } of context.replicasOn([broker])) {
      if (!context.isDeleting(partition)) commands.leaderAndIsr([broker], partition, false);
    }
    send(commands);
  }

  /** Relieves a broker that wants to stop of all that others can lead (`KafkaController.doControlledShutdown`). */
  async controlledShutdown(id: number, brokerEpoch: number): Promise<ShutdownOutcome> {
    const { context, commands: newCommands, send, logger } = this.#tools;
    const registered = context.brokers.get(id);
    if (registered === undefined) {
      const errorCode = brokerEpoch === -1 ? ErrorCode.BROKER_NOT_AVAILABLE : ErrorCode.UNKNOWN_SERVER_ERROR;
      return { errorCode, remaining: [] };
    }
    if (brokerEpoch !== -1 && brokerEpoch < registered.epoch) {
      return { errorCode: ErrorCode.STALE_BROKER_EPOCH, remaining: [] };
    }
    context.shuttingDown.add(id);
    const movable = [...context.replicasOn([id])].filter(
      ({ partition }) =>
        partition.replicas.length > 1 && partition.state !== undefined && !context.isDeleting(partition),
    );
    const led = movable.filter(({ partition }) => partition.leader === id).map(({ partition }) => partition);
    const followed = movable.filter(({ partition }) => partition.leader !== id);
    logger.info({ broker: id, led: led.length, followed: followed.length }, 'A broker wants to stop');
    await this.#parts.partitions.bringOnline(led, shutdownElection);
    const commands = newCommands();
    for (const replica of followed) commands.stopReplica(replica, false);
    send(commands);
    await this.#parts.replicas.takeOffline(followed);
    return { errorCode: ErrorCode.NONE, remaining: led.filter(({ leader }) => leader === id) };
  }
}

/**
 * Reads a broker's registration; undefined when it has gone meanwhile. One that nobody can read, and that is the one which is known, stands:
 * the broker is there.
 */
export async function readBroker(
  { options, logger }: TermTools,
  id: number,
  watch: () => void,
  known: RegisteredBroker | undefined,
): Promise<RegisteredBroker | undefined> {
  const node = await options.store.get(paths.brokerId(id), { watch }).catch(ignoreNoNode);
  if (node === undefined) return undefined;
  const epoch = node.stat.czxid;
  try {
    return { broker: decodeBroker(id, node.data), epoch };
  } catch (err) {
    if (!(err instanceof MalformedNodeError)) throw err;
    const isKnown = known?.epoch === epoch;
    const taken = isKnown ? 'what it said before holds' : 'it is taken for gone until that is mended';
    logger.error({ err, broker: id }, `The registration of a broker cannot be read; ${taken}`);
    return isKnown ? known : undefined;
  }
}
