import { ApiTimedOutError, Backoff, BrokerError, brokerError, KafkaError, type Logger } from '@millrace/client';
import { byTopic, sleep } from '@millrace/client/internal';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode, errorInfo, OffsetCommit } from '@millrace/protocol';
import type { Coordinator } from '../cluster-port.ts';
import { commitChannel } from '../diagnostics.ts';
import { commitFenced, rebalanceInProgress } from '../errors.ts';
import type { ConsumerSettings, TopicPartition } from '../options.ts';
import { coordinatorMoved } from './offset-queries.ts';

/** An offset to be committed: that of the next record to be processed. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number;
  /** The epoch of the record before; lets the next reader notice a truncated log. -1 by default. */
  readonly leaderEpoch?: number | undefined;
  /** A note that is kept with the offset. */
  readonly metadata?: string | undefined;
}

/** As whom a member commits. Outside of a group's generations: generation -1 and no member. */
export interface MemberIdentity {
  readonly memberId: string;
  readonly generationId: number;
}

/** What the committer works with. */
export interface OffsetCommitterContext {
  readonly coordinator: Coordinator;
  readonly groupId: string;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  identity(): MemberIdentity;
  /** The coordinator has refused this identity. False when it belongs to a generation that has just ended, or is about to. */
  fenced(errorCode: number, identity: MemberIdentity): boolean;
}

/** Errors after which a member's offsets are not its own any more. */
const FENCING: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.FENCED_INSTANCE_ID,
]);

/** Member and generation came with version 1, static members with 7. */
const VERSION_MIN = 1;

/**
 * Commits offsets, one request at a time: two at once could arrive in either order, or an older one that is sent again could
 * overwrite a newer.
 */
export class OffsetCommitter {
  readonly #context: OffsetCommitterContext;
  #last: Promise<unknown> = Promise.resolve();
  commits = 0;
  failedCommits = 0;

  constructor(context: OffsetCommitterContext) {
    this.#context = context;
  }

  /**
   * Commits after all commits that were asked for before. Tries again until `timeoutMs` is over.
   * @throws ConsumerError `CONSUMER_COMMIT_FAILED`, `CONSUMER_REBALANCE_IN_PROGRESS`; BrokerError; ApiTimedOutError
   */
  commit(offsets: readonly OffsetToCommit[], timeoutMs: number = this.#context.settings.apiTimeoutMs): Promise<void> {
    if (offsets.length === 0) return Promise.resolve();
    const identity = this.#context.identity();
    const commit = this.#last.then(() => this.#commit(offsets, identity, timeoutMs));
    this.#last = commit.catch(() => {});
    return commit;
  }

  async #commit(offsets: readonly OffsetToCommit[], identity: MemberIdentity, timeoutMs: number): Promise<void> {
    const { settings, clock, random, groupId, coordinator, logger } = this.#context;
    const { retryBackoffMs: backoffMs, retryBackoffMsMax: backoffMsMax } = settings;
    const backoff = new Backoff({ backoffMs, backoffMsMax }, random);
    const startedMs = clock.monotonic();
    for (;;) {
      const failure = await this.#attempt(offsets, identity, timeoutMs - (clock.monotonic() - startedMs));
      if (failure === undefined || !(failure instanceof KafkaError) || !isWorthRetrying(failure)) {
        this.#publish(offsets, startedMs, failure);
        if (failure !== undefined) throw failure;
        return;
      }
      if (!(failure instanceof BrokerError) || coordinatorMoved(failure.errorCode)) coordinator.forget();
      const waitMs = backoff.next();
      if (clock.monotonic() - startedMs + waitMs >= timeoutMs) {
        this.#publish(offsets, startedMs, failure);
        const what = `OffsetCommit of group "${groupId}" did not succeed within ${timeoutMs} ms: ${failure.message}`;
        throw new ApiTimedOutError(what, failure);
      }
      logger.debug({ groupId, err: failure, waitMs }, 'A commit failed; trying again');
      await sleep(clock, waitMs);
    }
  }

  /** What went wrong; undefined when nothing did. */
  async #attempt(
    offsets: readonly OffsetToCommit[],
    identity: MemberIdentity,
    remainingMs: number,
  ): Promise<Error | undefined> {
    const { coordinator, groupId, settings } = this.#context;
    const { groupInstanceId } = settings;
    const topics = [...byTopic(offsets)].map(([name, list]) => ({
      name,
      partitions: list.map(({ partition, offset, leaderEpoch = -1, metadata = '' }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      })),
    }));
    const request = {
      groupId,
      generationIdOrMemberEpoch: identity.generationId,
      memberId: identity.memberId,
      groupInstanceId: identity.memberId === '' ? null : groupInstanceId,
      topics,
    };
    try {
      const timeoutMs = Math.max(Math.min(settings.requestTimeoutMs, remainingMs), 1);
      const response = await coordinator.send(OffsetCommit, request, 'coordinator', {
        timeoutMs,
        versionMin: VERSION_MIN,
      });
      for (const topic of response.topics) {
        for (const { partitionIndex, errorCode } of topic.partitions) {
          if (errorCode !== ErrorCode.NONE) return this.#errorOf(topic.name, partitionIndex, errorCode, identity);
        }
      }
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #errorOf(topic: string, partition: number, errorCode: number, identity: MemberIdentity): Error {
    const { groupId } = this.#context;
    if (FENCING.has(errorCode)) {
      // In the middle of a rebalance the member may well keep its partitions, and commit as what it will be then.
      return this.#context.fenced(errorCode, identity)
        ? commitFenced(groupId, errorCode)
        : rebalanceInProgress(groupId);
    }
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS) return rebalanceInProgress(groupId);
    return brokerError(errorCode, `OffsetCommit of partition ${partition} of "${topic}" for group "${groupId}"`);
  }

  #publish(offsets: readonly OffsetToCommit[], startedMs: number, error: unknown): void {
    if (error === undefined) this.commits += 1;
    else this.failedCommits += 1;
    if (!commitChannel.hasSubscribers) return;
    const durationMs = this.#context.clock.monotonic() - startedMs;
    const event = { groupId: this.#context.groupId, partitions: offsets.length, durationMs };
    commitChannel.publish(error === undefined ? event : { ...event, error });
  }
}

/** A commit during a rebalance has to be thought over by who asked for it: his partitions may be going. */
function isWorthRetrying(failure: KafkaError): boolean {
  if (failure.errorCode === ErrorCode.REBALANCE_IN_PROGRESS) return false;
  return failure.retriable || (failure.errorCode !== undefined && errorInfo(failure.errorCode).retriable);
}
