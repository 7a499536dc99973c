import {
  AbortedError,
  ApiTimedOutError,
  Backoff,
  BrokerError,
  brokerError,
  KafkaError,
  type Logger,
} from '@millrace/client';
import { byTopic, sleep } from '@millrace/client/internal';
import type { Clock, Random } from '@millrace/ports';
import { ErrorCode, errorInfo, OffsetCommit, type OffsetCommitResponse } from '@millrace/protocol';
import type { Coordinator } from '../cluster-port.ts';
import { commitChannel } from '../diagnostics.ts';
import { commitFenced, rebalanceInProgress } from '../errors.ts';
import type { MemberIdentity } from '../member-identity.ts';
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

/** A topic that is not there will not take offsets later either (Java's client takes it as final too). */
const GONE: ReadonlySet<number> = new Set([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID]);

/** Member and generation came with version 1, static members with 7. */
const VERSION_MIN = 1;

/**
 * Commits offsets, one request at a time: two at once could arrive in either order, or an older one that is sent again could
 * overwrite a newer.
 */
export class OffsetCommitter {
  readonly #context: OffsetCommitterContext;
  #last: Promise<unknown> = Promise.resolve();
  #limit = new CommitLimit();
  commits = 0;
  failedCommits = 0;

  constructor(context: OffsetCommitterContext) {
    this.#context = context;
  }

  /**
   * Commits after all commits that were asked for before. Tries again until `timeoutMs` after the call is over.
   * @throws ConsumerError `CONSUMER_COMMIT_FAILED`, `CONSUMER_REBALANCE_IN_PROGRESS`; BrokerError; ApiTimedOutError
   */
  commit(offsets: readonly OffsetToCommit[], timeoutMs: number = this.#context.settings.apiTimeoutMs): Promise<void> {
    if (offsets.length === 0) return Promise.resolve();
    const identity = this.#context.identity();
    const deadlineMs = this.#context.clock.monotonic() + timeoutMs;
    const commit = this.#last.then(() => this.#commit(offsets, identity, deadlineMs, timeoutMs));
    this.#last = commit.catch(() => {});
    return commit;
  }

  /** Has all commits that are under way, or are asked for from now on, end by then: who leaves the group waits no longer for them. */
  endBy(endMs: number): void {
    this.#limit.set(endMs, this.#context.clock);
  }

  /** Commits take their own time again. */
  goOn(): void {
    this.#limit = new CommitLimit();
  }

  async #commit(
    offsets: readonly OffsetToCommit[],
    identity: MemberIdentity,
    askedDeadlineMs: number,
    timeoutMs: number,
  ): Promise<void> {
    const { settings, clock, random, groupId, coordinator, logger } = this.#context;
    const { retryBackoffMs: backoffMs, retryBackoffMsMax: backoffMsMax } = settings;
    const backoff = new Backoff({ backoffMs, backoffMsMax }, random);
    const startedMs = clock.monotonic();
    for (;;) {
      const remainingMs = Math.min(askedDeadlineMs, this.#limit.endMs) - clock.monotonic();
      const failure = await this.#attempt(offsets, identity, remainingMs);
      if (failure === undefined || !(failure instanceof KafkaError) || !isWorthRetrying(failure)) {
        this.#publish(offsets, startedMs, failure);
        if (failure !== undefined) throw failure;
        return;
      }
      if (!(failure instanceof BrokerError) || coordinatorMoved(failure.errorCode)) coordinator.forget();
      const waitMs = backoff.next();
      if (clock.monotonic() + waitMs >= Math.min(askedDeadlineMs, this.#limit.endMs)) {
        this.#publish(offsets, startedMs, failure);
        const tookMs = Math.round(clock.monotonic() - askedDeadlineMs + timeoutMs);
        const what = `OffsetCommit of group "${groupId}" did not succeed in ${tookMs} ms, and no other attempt fits into its time (${timeoutMs} ms)`;
        throw new ApiTimedOutError(`${what}: ${failure.message}`, failure);
      }
      logger.debug({ groupId, err: failure, waitMs }, 'A commit failed; trying again');
      // Who leaves waits for no pause that began before.
      await sleep(clock, waitMs, this.#limit.hurry).catch(() => {});
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
      const signal = this.#limit.end;
      const options = { timeoutMs, versionMin: VERSION_MIN, signal };
      const response = await coordinator.send(OffsetCommit, request, 'coordinator', options);
      return this.#failureIn(response, identity);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** The first error; one of a topic that is gone only where there is no other, so that it says that all others were taken. */
  #failureIn({ topics }: OffsetCommitResponse, identity: MemberIdentity): Error | undefined {
    const refused = topics.flatMap(({ name, partitions }) =>
      partitions
        .filter(({ errorCode }) => errorCode !== ErrorCode.NONE)
        .map(({ partitionIndex, errorCode }) => ({ name, partitionIndex, errorCode })),
    );
    const told = refused.find(({ errorCode }) => !GONE.has(errorCode)) ?? refused[0];
    return told === undefined ? undefined : this.#errorOf(told.name, told.partitionIndex, told.errorCode, identity);
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

/** Until when commits may take, which a consumer that leaves its group sets. */
class CommitLimit {
  /** On the monotonic scale. */
  endMs = Number.POSITIVE_INFINITY;
  readonly #hurry = new AbortController();
  readonly #end = new AbortController();

  /** Interrupts pauses that began before there was a limit; undefined once there is. */
  get hurry(): AbortSignal | undefined {
    return this.#hurry.signal.aborted ? undefined : this.#hurry.signal;
  }

  /** Ends what is under way. */
  get end(): AbortSignal {
    return this.#end.signal;
  }

  set(endMs: number, clock: Clock): void {
    this.endMs = Math.min(this.endMs, endMs);
    this.#hurry.abort();
    clock.schedule(Math.max(endMs - clock.monotonic(), 0), () =>
      this.#end.abort(new AbortedError('The commit took longer than the consumer may take to leave', undefined)),
    );
  }
}

/** Whether a commit failed because a topic is gone: all other offsets of the same commit were taken. */
export function isOfGoneTopic(error: unknown): boolean {
  return error instanceof BrokerError && GONE.has(error.errorCode);
}

/** A commit during a rebalance has to be thought over by who asked for it: his partitions may be going. */
function isWorthRetrying(failure: KafkaError): boolean {
  if (failure.errorCode === ErrorCode.REBALANCE_IN_PROGRESS) return false;
  if (failure.errorCode !== undefined && GONE.has(failure.errorCode)) return false;
  return failure.retriable || (failure.errorCode !== undefined && errorInfo(failure.errorCode).retriable);
}
