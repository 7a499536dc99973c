import { NO_LEADER } from '../../cluster/broker-channel.ts';
import type { PartitionContext, ReplicaRef, StoredState } from '../controller-context.ts';
import type { ElectedState } from '../leader-election.ts';
import type { TermTools } from './tools.ts';

/** Takes replicas from one state into another, and tells brokers what follows from it (`ReplicaStateMachine`). */
export class Replicas {
  readonly #tools: TermTools;

  constructor(tools: TermTools) {
    this.#tools = tools;
  }

  /** Replicas that a reassignment adds: they begin to follow. */
  addNew(replicas: readonly ReplicaRef[]): void {
    // The LeaderAndIsr that raised the partition's epoch has told them already.
    for (const { partition, broker } of replicas) partition.replicaPhases.set(broker, 'new');
  }

  /**
   * Replicas whose broker is there: they act on the state as it is. Of `leaderless` partitions, whose leaders are yet to be elected, all hear
   * with the others of their topics: a broker that has just started would tell clients of a topic with fewer partitions.
   */
  bringOnline(replicas: readonly ReplicaRef[], leaderless: readonly PartitionContext[] = []): void {
    const commands = this.#tools.commands();
    for (const { partition, broker } of replicas) {
      const isNew = partition.replicaPhases.get(broker) === 'new';
      if (!isNew) commands.leaderAndIsr([broker], partition, false);
      partition.replicaPhases.set(broker, 'online');
    }
    if (leaderless.length > 0) commands.updateLeaderless(this.#tools.context.brokers.keys(), leaderless);
    this.#tools.send(commands);
  }

  /**
   * Replicas that are gone: they stop, and leave the in-sync replicas, but for the last, who alone have all records. Where the leader is
   * gone with nobody to follow, the partition has none from then on.
   */
  async takeOffline(replicas: readonly ReplicaRef[]): Promise<void> {
    const { context, commands: newCommands, send } = this.#tools;
    const commands = newCommands();
    for (const replica of replicas) commands.stopReplica(replica, false);
    for (const [broker, partitions] of byBroker(replicas)) {
      const changed = new Set(await this.#removeFromIsr(broker, partitions));
      for (const partition of partitions) {
        if (changed.has(partition) && !context.isDeleting(partition)) {
          const others = partition.replicas.filter((other) => other !== broker);
          commands.leaderAndIsr(others, partition, false);
        }
        // Whoever comes next may lead it.
        if (partition.phase === 'online' && partition.leader === NO_LEADER) partition.phase = 'offline';
        // That the replica is offline all shall know, whether it was in sync or not; of a topic that goes they have heard the last.
        if (!context.isDeleting(partition)) {
          const tell = this.#isAboutToLead(partition) ? 'updateLeaderless' : 'updateMetadata';
          commands[tell](context.brokers.keys(), [partition]);
        }
        partition.replicaPhases.set(broker, 'offline');
      }
    }
    send(commands);
  }

  startDeletion(replicas: readonly ReplicaRef[]): void {
    const commands = this.#tools.commands();
    for (const replica of replicas) {
      commands.stopReplica(replica, true);
      replica.partition.replicaPhases.set(replica.broker, 'deletion started');
    }
    this.#tools.send(commands);
  }

  mark(replicas: Iterable<ReplicaRef>, phase: 'deletion successful' | 'deletion ineligible'): void {
    for (const { partition, broker } of replicas) partition.replicaPhases.set(broker, phase);
  }

  forget(replicas: Iterable<ReplicaRef>): void {
    for (const { partition, broker } of replicas) partition.replicaPhases.delete(broker);
  }

  /**
   * Whether the leader that the state names is there and is about to be elected anew, as one that was away while nobody saw it. What the
   * state says now it has not been told, and must not hear of first as one of many.
   */
  #isAboutToLead(partition: PartitionContext): boolean {
    return partition.phase === 'offline' && this.#tools.context.isReplicaOnline(partition.leader, partition);
  }

  #removeFromIsr(broker: number, partitions: readonly PartitionContext[]): Promise<PartitionContext[]> {
    return this.#tools.states.change(partitions, (partition, state) => this.#withoutReplica(broker, partition, state));
  }

  /** Undefined where the state says so already. */
  #withoutReplica(
    broker: number,
    partition: PartitionContext,
    { leader, isr, leaderRecoveryState }: StoredState,
  ): ElectedState | undefined {
    const others = isr.filter((replica) => replica !== broker);
    const isSurvived = others.some((other) => this.#tools.context.isReplicaReachable(other, partition));
    // Those who died together all have every record, so each of them may lead again. Kafka keeps only the one it came to last.
    const remaining = isSurvived ? others : isr;
    const next = leader === broker ? NO_LEADER : leader;
    if (next === leader && remaining.length === isr.length) return undefined;
    return { leader: next, isr: remaining, leaderRecoveryState };
  }
}

function byBroker(replicas: readonly ReplicaRef[]): Map<number, PartitionContext[]> {
  const groups = Map.groupBy(replicas, ({ broker }) => broker);
  return new Map(Array.from(groups, ([broker, refs]) => [broker, refs.map(({ partition }) => partition)]));
}
