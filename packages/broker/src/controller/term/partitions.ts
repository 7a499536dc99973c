import { TOLD_ONE_BY_ONE_MAX, tellAll } from '../../shared/told.ts';
import type { ControllerContext, PartitionContext } from '../controller-context.ts';
import { type ElectedState, type ElectionStrategy, electForNew, offlineElection } from '../leader-election.ts';
import type { TermTools } from './tools.ts';

/** Brings partitions online and takes them offline (`PartitionStateMachine`). */
export class Partitions {
  readonly #tools: TermTools;
  readonly #offline: ElectionStrategy;
  /** What was told of partitions that nobody could lead, until they have a leader or something else is to be told. */
  readonly #toldOf = new WeakMap<PartitionContext, string>();

  constructor(tools: TermTools) {
    this.#tools = tools;
    const { allowingUncleanElection, hasRecoveryState = true } = tools.options;
    this.#offline = offlineElection(async (topics) => {
      // What is read behind a write is no older than that, whichever server of the store is asked. It writes nothing.
      await tools.states.writeAll([[]]);
      return allowingUncleanElection(topics);
    }, hasRecoveryState);
  }

  /** What the stored states make of them: online where the leader is live. */
  initialize(partitions: Iterable<PartitionContext>): void {
    for (const partition of partitions) {
      if (partition.state === undefined) partition.phase = 'new';
      else partition.phase = this.#hasLeader(partition) ? 'online' : 'offline';
    }
  }

  /** Elects leaders for all that have none, or all of some topics, but for those whose topic is going. */
  bringAllOnline(topics?: ReadonlySet<string>): Promise<PartitionContext[]> {
    const waiting: PartitionContext[] = [];
    for (const partition of this.#tools.context.partitions()) {
      const { phase, topic } = partition;
      if ((phase === 'new' || phase === 'offline') && topics?.has(topic.name) !== false) waiting.push(partition);
    }
    return this.bringOnline(waiting, this.#offline);
  }

  /** Elects leaders, and resolves with the partitions that have got one by it. */
  async bringOnline(
    partitions: readonly PartitionContext[],
    strategy: ElectionStrategy = this.#offline,
  ): Promise<PartitionContext[]> {
    if (partitions.length === 0) return [];
    const { commands: newCommands, send } = this.#tools;
    const commands = newCommands();
    const fresh = partitions.filter(({ phase }) => phase === 'new');
    const online = await this.#createStates(fresh);
    for (const partition of online) commands.leaderAndIsr(partition.replicas, partition, true);
    const elected = await this.#elect(
      partitions.filter(({ phase }) => phase === 'offline' || phase === 'online'),
      strategy,
    );
    const isOnline = new Set(online);
    for (const partition of elected) {
      if (isOnline.has(partition)) continue;
      commands.leaderAndIsr(strategy.recipients(partition, this.#tools.context), partition, false);
      online.push(partition);
    }
    for (const partition of online) partition.phase = 'online';
    send(commands);
    return online;
  }

  takeOffline(partitions: Iterable<PartitionContext>): void {
    for (const partition of partitions) partition.phase = 'offline';
  }

  forget(partitions: Iterable<PartitionContext>): void {
    for (const partition of partitions) partition.phase = 'nonexistent';
  }

  /** Writes the same leader and replicas with the next epoch, so that replicas take over a changed assignment. */
  async raiseEpoch(partition: PartitionContext): Promise<boolean> {
    return (await this.#raiseEpochs([partition])).length > 0;
  }

  /**
   * Has leaders go on in the next epoch. While nobody could read their partitions' nodes, they were told that there are no such partitions, and
   * propose no replicas in sync any more in this one.
   */
  async leadAnew(partitions: readonly PartitionContext[]): Promise<void> {
    if (partitions.length === 0) return;
    const commands = this.#tools.commands();
    for (const partition of await this.#raiseEpochs(partitions)) {
      commands.leaderAndIsr(partition.replicas, partition, false);
    }
    this.#tools.send(commands);
  }

  #raiseEpochs(partitions: readonly PartitionContext[]): Promise<PartitionContext[]> {
    return this.#tools.states.change(partitions, (_, { leader, isr, leaderRecoveryState }) => ({
      leader,
      isr,
      leaderRecoveryState,
    }));
  }

  #hasLeader(partition: PartitionContext): boolean {
    return this.#tools.context.isReplicaOnline(partition.leader, partition);
  }

  async #createStates(partitions: readonly PartitionContext[]): Promise<PartitionContext[]> {
    const { context, states, logger } = this.#tools;
    const waiting: PartitionContext[] = [];
    const electable = partitions.flatMap((partition): [PartitionContext, ElectedState][] => {
      const elected = electForNew(partition, context);
      if (elected === undefined) waiting.push(partition);
      return elected === undefined ? [] : [[partition, elected]];
    });
    tellAll(this.#untold(waiting, 'new'), {
      tell: (fields, message) => logger.warn(fields, message),
      fieldsOf: ({ name: partition, replicas }) => ({ partition, replicas }),
      one: 'A new partition has no live replica that could lead it; it waits for one',
      nameOf: ({ name }) => name,
      many: 'Many new partitions have no live replica that could lead them; they wait for one',
    });
    return electable.length === 0 ? [] : states.create(electable, newestEpoch(context));
  }

  async #elect(partitions: readonly PartitionContext[], strategy: ElectionStrategy): Promise<PartitionContext[]> {
    const { context, states, logger } = this.#tools;
    const unclean = new Set<PartitionContext>();
    const decide = (partition: PartitionContext): ElectedState | undefined => {
      const chosen = strategy.elect(partition, context);
      if (chosen === undefined || partition.state?.isr.includes(chosen.leader) === true) unclean.delete(partition);
      else unclean.add(partition);
      return chosen;
    };
    const changed = await states.change(partitions, decide, async (open) => strategy.prepare?.(open, context));
    const hasChanged = new Set(changed);
    const elected: PartitionContext[] = [];
    for (const partition of changed) this.#toldOf.delete(partition);
    this.#tellLeaderless(
      partitions.filter((partition) => !hasChanged.has(partition)),
      strategy,
    );
    for (const partition of partitions) {
      const { state, name } = partition;
      if (!hasChanged.has(partition)) continue;
      if (unclean.has(partition)) {
        this.#tools.options.onElection?.(false);
        logger.warn(
          { partition: name, leader: state?.leader },
          'Elected a leader that was not in sync; records may be lost',
        );
      } else {
        this.#tools.options.onElection?.(true);
        elected.push(partition);
      }
    }
    this.#tellElected(elected, strategy);
    return changed;
  }

  #tellLeaderless(leaderless: readonly PartitionContext[], { name: strategy }: ElectionStrategy): void {
    tellAll(this.#untold(leaderless, strategy), {
      tell: (fields, message) => this.#tools.logger.warn(fields, message),
      fieldsOf: ({ name: partition, state, replicas }) => ({ partition, strategy, isr: state?.isr, replicas }),
      one: 'Nobody could be elected leader',
      common: { strategy },
      nameOf: ({ name }) => name,
      many: 'Nobody could be elected leader of many partitions',
    });
  }

  /** Those of which this has not been told yet: whenever a broker comes, or one that stops asks again, all are tried once more. */
  #untold(partitions: readonly PartitionContext[], attempt: string): PartitionContext[] {
    return partitions.filter((partition) => {
      const toTell = `${attempt}: ${partition.state?.isr.join() ?? ''}`;
      const isUntold = this.#toldOf.get(partition) !== toTell;
      this.#toldOf.set(partition, toTell);
      return isUntold;
    });
  }

  /** A line for each, as long as somebody reads them; who leads how many where a broker takes over many at once. */
  #tellElected(elected: readonly PartitionContext[], { name: strategy }: ElectionStrategy): void {
    const { logger } = this.#tools;
    const isMany = elected.length > TOLD_ONE_BY_ONE_MAX;
    for (const { name: partition, state } of elected) {
      const fields = { partition, strategy, leader: state?.leader, leaderEpoch: state?.leaderEpoch };
      if (isMany) logger.debug(fields, 'Elected a leader');
      else logger.info(fields, 'Elected a leader');
    }
    if (!isMany) return;
    const byLeader: Record<string, number> = {};
    for (const { state } of elected) byLeader[String(state?.leader)] = (byLeader[String(state?.leader)] ?? 0) + 1;
    logger.info({ strategy, partitions: elected.length, byLeader }, 'Elected leaders of many partitions');
  }
}

/** The epoch of the broker that registered last: what is written now is younger. */
function newestEpoch({ brokers }: ControllerContext): number {
  let newest = 0;
  for (const { epoch } of brokers.values()) newest = Math.max(newest, epoch);
  return newest;
}
