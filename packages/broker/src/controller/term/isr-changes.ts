import { ErrorCode } from '@millrace/protocol';
import type { LeaderAndIsr } from '../../store/znodes.ts';
import type { PartitionContext, StoredState } from '../controller-context.ts';
import type { Partitions } from './partitions.ts';
import type { TermTools } from './tools.ts';

/** A partition's state as its leader wants it (AlterPartition). */
export interface IsrChange {
  readonly partition: PartitionContext | undefined;
  /** Answered where `partition` is undefined. */
  readonly unknownError: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  readonly leaderRecoveryState: number;
  readonly partitionEpoch: number;
}

/** What became of it: the state as it is now, or why it is not changed. */
export type IsrOutcome = { readonly errorCode: number } | { readonly errorCode: 0; readonly state: StoredState };

/** In-sync replicas come and go as the leaders say (`KafkaController.processAlterPartition`, KIP-497). */
export class IsrChanges {
  readonly #tools: TermTools;
  readonly #partitions: Partitions;

  constructor(tools: TermTools, partitions: Partitions) {
    this.#tools = tools;
    this.#partitions = partitions;
  }

  /**
   * Carries out changes; the outcomes stand in their order.
   * @param ineligibleError What a member that is not live is refused with, which depends on the request's version.
   */
  async alter(
    changes: readonly IsrChange[],
    ineligibleError: number,
  ): Promise<{ outcomes: IsrOutcome[]; changed: PartitionContext[] }> {
    const { states, context, commands: newCommands, send } = this.#tools;
    const outcomes = changes.map((change) => this.#judge(change, ineligibleError));
    const accepted = [...changes.entries()].filter(([index]) => outcomes[index] === undefined);
    const writes = accepted.map(([, change]): [PartitionContext, LeaderAndIsr, StoredState] => {
      const partition = change.partition as PartitionContext;
      const state = partition.state as StoredState;
      const { isr, leaderRecoveryState } = change;
      return [partition, { ...state, isr, leaderRecoveryState, controllerEpoch: this.#tools.epoch }, state];
    });
    const { written, stale } = await states.write(writes);
    // Somebody else has written the state: it is read anew.
    await states.read(stale);
    for (const [index, { partition }] of accepted) {
      const isWritten = partition !== undefined && written.includes(partition) && partition.state !== undefined;
      outcomes[index] = isWritten ? { errorCode: 0, state: partition.state as StoredState } : staleOutcome(partition);
    }
    if (written.length > 0 || stale.length > 0) {
      const commands = newCommands();
      commands.updateMetadata(context.brokers.keys(), [...written, ...stale]);
      send(commands);
    }
    const outdated = changes.flatMap(({ partition }, index) => {
      const isOutdated = outcomes[index]?.errorCode === ErrorCode.INVALID_UPDATE_VERSION;
      return partition !== undefined && isOutdated && states.isFound(partition) ? [partition] : [];
    });
    // Whoever has written it has not told the leader, and no further attempt in its epoch would succeed. In the next it is told.
    await this.#partitions.leadAnew(outdated);
    return { outcomes: outcomes as IsrOutcome[], changed: written };
  }

  /** Why a change is refused, or that it is made already; undefined when it is to be written. */
  #judge(change: IsrChange, ineligibleError: number): IsrOutcome | undefined {
    const { partition, leaderEpoch, partitionEpoch, isr, leaderRecoveryState } = change;
    const state = partition?.state;
    if (partition === undefined) return { errorCode: change.unknownError };
    if (state === undefined) {
      return this.#tools.context.isDeleting(partition) ? { errorCode: change.unknownError } : UNREADABLE;
    }
    // Who knows more than this controller has been told by a later one (KAFKA-14154).
    if (leaderEpoch > state.leaderEpoch || partitionEpoch > state.version) {
      return { errorCode: ErrorCode.NOT_CONTROLLER };
    }
    if (leaderEpoch < state.leaderEpoch) return { errorCode: ErrorCode.FENCED_LEADER_EPOCH };
    // A change that was made and whose answer was lost is made (KAFKA-14144).
    if (same(isr, state.isr) && leaderRecoveryState === state.leaderRecoveryState) return { errorCode: 0, state };
    if (partitionEpoch < state.version) return { errorCode: ErrorCode.INVALID_UPDATE_VERSION };
    const isRelapse = leaderRecoveryState === 1 && state.leaderRecoveryState === 0;
    if ((leaderRecoveryState === 1 && isr.length > 1) || isRelapse || isr.length === 0) {
      return { errorCode: ErrorCode.INVALID_REQUEST };
    }
    const { context } = this.#tools;
    // A broker on its way out, or one that nobody assigned, must not come into sync.
    const isEligible = (replica: number): boolean => context.isLive(replica) && partition.replicas.includes(replica);
    return isr.every(isEligible) ? undefined : { errorCode: ineligibleError };
  }
}

/** What a leader hears whose partition has no state that anybody can read: it asks again, until that has been mended. */
const UNREADABLE: IsrOutcome = { errorCode: ErrorCode.NOT_CONTROLLER };

function staleOutcome(partition: PartitionContext | undefined): IsrOutcome {
  return partition?.state === undefined ? UNREADABLE : { errorCode: ErrorCode.INVALID_UPDATE_VERSION };
}

function same(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}
