import { AbortedError, Backoff, BrokerError, brokerError, KafkaError, type Logger } from '@millrace/client';
import { sleep } from '@millrace/client/internal';
import type { Clock, Random } from '@millrace/ports';
import {
  ErrorCode,
  JoinGroup,
  type JoinGroupResponse,
  LeaveGroup,
  ProtocolError,
  SyncGroup,
  type SyncGroupResponse,
} from '@millrace/protocol';
import type { Assignor, TopicPartitionMap } from '../assignors/assignor.ts';
import { withoutPartitionsInMotion } from '../assignors/sticky.ts';
import type { Coordinator } from '../cluster-port.ts';
import { ConsumerError, messageOf } from '../errors.ts';
import { type MemberIdentity, NOBODY } from '../member-identity.ts';
import { coordinatorMoved } from '../offsets/offset-queries.ts';
import type { ConsumerSettings, TopicPartition } from '../options.ts';
import { Heartbeats } from './heartbeats.ts';
import { difference, flatten } from './partition-sets.ts';
import {
  decodeAssignment,
  decodeMembers,
  encodeAssignment,
  encodeSubscriptions,
  PROTOCOL_TYPE,
} from './subscription-protocol.ts';

/** Where a member stands. */
export type MembershipState = 'out' | 'preparing' | 'joining' | 'syncing' | 'stable' | 'left' | 'failed';

/** What a membership moves: the consumer's partitions. All that is returned is awaited. */
export interface MembershipHooks {
  /** The topics that are subscribed now. */
  topics(): readonly string[];
  owned(): TopicPartitionMap;
  /**
   * Gives partitions up while they are still this member's: handlers finish, offsets are committed. The signal fires when they are
   * lost before that is done.
   */
  revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>;
  /** Drops partitions that are somebody else's already. */
  lose(partitions: readonly TopicPartition[]): Promise<void>;
  /** A rebalance has ended; these are new. */
  assigned(partitions: readonly TopicPartition[]): Promise<void>;
  /** Learns how many partitions the topics have; those that do not exist are left out. */
  partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** The same from what is known, without asking. */
  knownPartitionCounts(topics: Iterable<string>): ReadonlyMap<string, number>;
  /** The membership has ended for good. */
  failed(error: Error): void;
}

/** What a membership works with. */
export interface MembershipContext {
  readonly coordinator: Coordinator;
  readonly groupId: string;
  readonly settings: ConsumerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly hooks: MembershipHooks;
}

/** The coordinator answers a JoinGroup when all members have joined, or the rebalance timeout is over; and then some (Java). */
const JOIN_MARGIN_MS = 5_000;

/** Every so many failures in a row to join, somebody is told. */
const TOLD_FAILURES = 10;

/** A coordinator that can answer for its group and not write it says the same as one that coordinates it no more. */
const NOT_KEPT =
  'the coordinator took the members in and could not keep what they are assigned. It has moved, or it cannot write: if this goes on, its ' +
  'log says why, such as a disk that is full';

/** Errors that no further attempt mends. */
const FATAL: ReadonlySet<number> = new Set([
  ErrorCode.FENCED_INSTANCE_ID,
  ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
  ErrorCode.INVALID_SESSION_TIMEOUT,
  ErrorCode.INVALID_GROUP_ID,
  ErrorCode.GROUP_AUTHORIZATION_FAILED,
  ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  ErrorCode.GROUP_MAX_SIZE_REACHED,
  ErrorCode.UNSUPPORTED_VERSION,
]);

/** Something made the attempt pointless; the loop looks at what that was. */
class Superseded extends Error {}

/**
 * This consumer's membership in its group: joins, syncs, keeps alive, and joins again whenever the group changes. A loop does one
 * step after the other; what happens meanwhile (a heartbeat's answer, a new subscription) only leaves a note for it.
 *
 * Eager members give up everything before they join again, cooperative ones only what they are told to, after (KIP-429). Which of
 * the two holds is what the group's last assignor says.
 */
export class GroupMembership {
  readonly #context: MembershipContext;
  readonly #heartbeats: Heartbeats;
  readonly #backoff: Backoff;
  #state: MembershipState = 'out';
  #memberId = '';
  #generationId = -1;
  #joinedAs: MemberIdentity | undefined;
  #assignor: Assignor | undefined;
  /** Set to have the member join again. */
  #rejoinReason: string | undefined;
  /** The generation is lost: what the coordinator said. */
  #lost: number | undefined;
  /** Set to have the member leave until `resume`. */
  #pauseReason: string | undefined;
  /** As leader: what the topics of all members looked like when they were divided. */
  #divided: ReadonlyMap<string, number> | undefined;
  #loop: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  /** Fires when the generation that partitions are held in is lost. */
  #held = new AbortController();
  readonly #stop = new AbortController();

  constructor(context: MembershipContext) {
    this.#context = context;
    this.#heartbeats = new Heartbeats({ ...context, refused: (code, identity) => void this.refused(code, identity) });
    const { retryBackoffMs: backoffMs, retryBackoffMsMax: backoffMsMax } = context.settings;
    this.#backoff = new Backoff({ backoffMs, backoffMsMax }, context.random);
  }

  get state(): MembershipState {
    return this.#state;
  }

  get memberId(): string {
    return this.#memberId;
  }

  get generationId(): number {
    return this.#generationId;
  }

  /** The name of the assignor that the group has chosen. */
  get assignorName(): string | undefined {
    return this.#assignor?.name;
  }

  /** As whom it last was in a generation of the group, whether it still is; undefined before it has been. */
  get joinedAs(): MemberIdentity | undefined {
    return this.#joinedAs;
  }

  /**
   * As whom to commit. One that is out commits as what it was, and is refused: offsets of nobody are taken from anybody where the group
   * has no member, and in a transaction wherever (Java's `ConsumerCoordinator.groupMetadata` stays as it was, too).
   */
  identity(): MemberIdentity {
    return this.#joinedAs ?? NOBODY;
  }

  /** Joins the group, and stays in it until {@link stop}. */
  start(): void {
    this.#rejoinReason ??= 'the consumer starts';
    this.#loop ??= this.#run();
  }

  /** Joins again, because what the member wants has changed. */
  rejoin(reason: string): void {
    this.#rejoinReason ??= reason;
    this.#wake?.();
  }

  /** Leaves until {@link resume}: a handler is stuck, and others can do its partitions' work. */
  pause(reason: string): void {
    this.#pauseReason = reason;
    this.#held.abort();
    this.#wake?.();
  }

  resume(): void {
    if (this.#pauseReason === undefined) return;
    this.#pauseReason = undefined;
    this.#rejoinReason ??= 'the consumer reads again';
    this.#wake?.();
  }

  get isPaused(): boolean {
    return this.#pauseReason !== undefined;
  }

  /** Topics may have got partitions: as leader, divides them anew. */
  metadataChanged(): void {
    const divided = this.#divided;
    if (divided === undefined || this.#state !== 'stable') return;
    const now = this.#context.hooks.knownPartitionCounts(divided.keys());
    for (const [topic, count] of divided) {
      if ((now.get(topic) ?? 0) !== count) {
        this.rejoin(`topic ${topic} has ${now.get(topic) ?? 0} partitions instead of ${count}`);
        return;
      }
    }
  }

  /**
   * The coordinator has refused something that this member asked for in `identity`. True when that says that the member is out;
   * false when its generation was just about to end anyway, or has ended.
   */
  refused(errorCode: number, identity: MemberIdentity): boolean {
    // It is out already, and comes back as somebody else.
    if (this.#generationId < 0 && isSame(identity, this.#joinedAs)) return true;
    if (identity.generationId !== this.#generationId || identity.memberId !== this.#memberId) return false;
    // The answer to the JoinGroup that is under way tells more.
    if (this.#state === 'joining') return false;
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS) {
      this.rejoin('the group rebalances');
      return false;
    }
    if (this.#lost !== undefined) return true;
    this.#lost = errorCode;
    this.#heartbeats.stop();
    this.#held.abort();
    this.#wake?.();
    return true;
  }

  /** Ends the loop: no more rebalances. The member stays alive for the coordinator until {@link leave}. */
  async stop(): Promise<void> {
    this.#stop.abort(new AbortedError('The membership ends', undefined));
    this.#wake?.();
    await this.#loop;
  }

  /** Leaves for good. A static member stays: its successor takes its place without a rebalance (KIP-345). */
  async leave(reason: string, timeoutMs: number): Promise<void> {
    this.#heartbeats.stop();
    await this.#sendLeave(reason, timeoutMs);
    this.#state = 'left';
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#step();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof Superseded) continue;
        if (isFatal(error)) {
          this.#fail(error as Error);
          return;
        }
        const waitMs = this.#backoff.next();
        const { groupId, logger } = this.#context;
        const message = `Joining group "${groupId}" failed: ${messageOf(error)}; trying again`;
        // Coordinators move, and passing failures are nothing to speak of.
        if (this.#backoff.failures % TOLD_FAILURES === 0) logger.warn({ groupId, err: error, waitMs }, message);
        else logger.debug({ groupId, err: error, waitMs }, message);
        await sleep(this.#context.clock, waitMs, this.#stop.signal).catch(() => {});
      }
    }
  }

  /** Does what is due, or waits until something is. */
  async #step(): Promise<void> {
    if (this.#lost !== undefined) {
      await this.#dropGeneration(this.#lost);
    } else if (this.#pauseReason !== undefined && this.#state !== 'left') {
      await this.#leaveForNow(this.#pauseReason);
    } else if (this.#pauseReason === undefined && (this.#rejoinReason !== undefined || this.#state !== 'stable')) {
      await this.#prepare();
      await this.#join();
    } else {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  /** The coordinator counts this member out: its partitions are somebody else's. */
  async #dropGeneration(errorCode: number): Promise<void> {
    this.#heartbeats.stop();
    const { groupId, logger, hooks } = this.#context;
    const error = brokerError(errorCode, `Being a member of group "${groupId}"`);
    logger.warn({ groupId, memberId: this.#memberId, generationId: this.#generationId, err: error }, error.message);
    this.#lost = undefined;
    this.#rejoinReason ??= `the member was counted out: ${error.message}`;
    this.#forgetGeneration(errorCode);
    const owned = flatten(hooks.owned());
    if (owned.length > 0) await hooks.lose(owned);
    if (FATAL.has(errorCode)) throw error;
  }

  /** With an unknown member id a new one is asked for; an old generation leaves the id as it is (Java does the same). */
  #forgetGeneration(errorCode: number): void {
    if (errorCode !== ErrorCode.ILLEGAL_GENERATION && errorCode !== ErrorCode.REBALANCE_IN_PROGRESS) {
      this.#memberId = '';
    }
    this.#generationId = -1;
    this.#divided = undefined;
    this.#state = 'out';
  }

  async #leaveForNow(reason: string): Promise<void> {
    const { hooks, settings, logger, groupId } = this.#context;
    logger.warn({ groupId, memberId: this.#memberId }, `Leaving the group: ${reason}`);
    this.#heartbeats.stop();
    const owned = flatten(hooks.owned());
    await this.#sendLeave(reason, settings.requestTimeoutMs);
    this.#forgetGeneration(ErrorCode.UNKNOWN_MEMBER_ID);
    this.#state = 'left';
    if (owned.length > 0) await hooks.lose(owned);
  }

  /** Gives up what must not be owned while joining. */
  async #prepare(): Promise<void> {
    const { hooks, logger, groupId } = this.#context;
    this.#state = 'preparing';
    logger.debug({ groupId, memberId: this.#memberId }, `Joining the group: ${this.#rejoinReason ?? 'again'}`);
    const owned = hooks.owned();
    const topics = new Set(hooks.topics());
    const eager = this.#assignor?.protocol === 'eager';
    const going = flatten(owned).filter(({ topic }) => eager || !topics.has(topic));
    if (going.length === 0) return;
    await hooks.revoke(going, this.#held.signal);
    if (this.#lost !== undefined || this.#pauseReason !== undefined) throw new Superseded();
  }

  async #join(): Promise<void> {
    const { groupId, settings, coordinator, hooks } = this.#context;
    this.#heartbeats.stop();
    this.#state = 'joining';
    const reason = this.#rejoinReason ?? null;
    this.#rejoinReason = undefined;
    const { generationId } = this;
    const subscription = { topics: hooks.topics(), owned: hooks.owned(), generationId, rackId: settings.rackId };
    let response: JoinGroupResponse;
    try {
      response = await coordinator.send(
        JoinGroup,
        {
          groupId,
          sessionTimeoutMs: settings.sessionTimeoutMs,
          rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
          memberId: this.#memberId,
          groupInstanceId: settings.groupInstanceId,
          protocolType: PROTOCOL_TYPE,
          protocols: encodeSubscriptions(settings.assignors, subscription),
          reason,
        },
        'membership',
        {
          timeoutMs: Math.max(settings.rebalanceTimeoutMs + JOIN_MARGIN_MS, settings.requestTimeoutMs),
          signal: this.#stop.signal,
          // Static members came with version 5.
          versionMin: settings.groupInstanceId === null ? 0 : 5,
        },
      );
    } catch (error) {
      coordinator.forget();
      this.#rejoinReason ??= reason ?? 'joining failed';
      throw error;
    }
    if (response.errorCode !== ErrorCode.NONE) {
      this.#rejoinReason ??= reason ?? 'joining failed';
      this.#joinRefused(response);
      return;
    }
    this.#memberId = response.memberId;
    this.#generationId = response.generationId;
    this.#joinedAs = { memberId: response.memberId, generationId: response.generationId };
    this.#lost = undefined;
    this.#held = new AbortController();
    await this.#sync(response);
  }

  #joinRefused({ errorCode, memberId }: JoinGroupResponse): void {
    const { coordinator, groupId } = this.#context;
    if (errorCode === ErrorCode.MEMBER_ID_REQUIRED) {
      // The coordinator wants to know a member by its id before it counts it in (KIP-394).
      this.#memberId = memberId;
      return;
    }
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.ILLEGAL_GENERATION) {
      this.#lost = errorCode;
      throw new Superseded();
    }
    if (coordinatorMoved(errorCode)) coordinator.forget();
    throw brokerError(errorCode, `JoinGroup of group "${groupId}"`);
  }

  async #sync(joined: JoinGroupResponse): Promise<void> {
    const { groupId, settings, coordinator } = this.#context;
    const identity = this.identity();
    this.#state = 'syncing';
    // From here on the session's time runs, however long the leader thinks.
    this.#heartbeats.start(identity);
    const assignor = settings.assignors.find(({ name }) => name === joined.protocolName);
    if (assignor === undefined) {
      throw badAssignment(
        groupId,
        `it has chosen the assignor "${joined.protocolName}", which this member did not offer`,
      );
    }
    this.#assignor = assignor;
    const isLeader = joined.leader === joined.memberId;
    const assignments = isLeader ? await this.#divide(assignor, joined) : [];
    if (!isLeader) this.#divided = undefined;
    let response: SyncGroupResponse;
    try {
      response = await coordinator.send(
        SyncGroup,
        {
          groupId,
          ...identity,
          groupInstanceId: settings.groupInstanceId,
          protocolType: PROTOCOL_TYPE,
          protocolName: assignor.name,
          assignments,
        },
        'membership',
        {
          // The answer comes when the leader has synced; unless the member is out by then, as a heartbeat may tell earlier.
          timeoutMs: Math.max(settings.rebalanceTimeoutMs + JOIN_MARGIN_MS, settings.requestTimeoutMs),
          signal: AbortSignal.any([this.#stop.signal, this.#held.signal]),
        },
      );
    } catch (error) {
      this.#state = 'out';
      if (this.#held.signal.aborted) throw new Superseded();
      coordinator.forget();
      throw error;
    }
    if (response.errorCode !== ErrorCode.NONE) {
      this.#syncRefused(response.errorCode, identity);
      return;
    }
    await this.#apply(decodeAssignment(response.assignment));
  }

  #syncRefused(errorCode: number, identity: MemberIdentity): void {
    const { coordinator, groupId } = this.#context;
    this.#state = 'out';
    if (errorCode === ErrorCode.REBALANCE_IN_PROGRESS) return;
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID || errorCode === ErrorCode.ILLEGAL_GENERATION) {
      this.refused(errorCode, identity);
      throw new Superseded();
    }
    const hasMoved = coordinatorMoved(errorCode);
    if (hasMoved) coordinator.forget();
    throw brokerError(errorCode, `SyncGroup of group "${groupId}"`, hasMoved ? NOT_KEPT : undefined);
  }

  /** As the group's leader: who gets what. */
  async #divide(assignor: Assignor, joined: JoinGroupResponse): Promise<{ memberId: string; assignment: Buffer }[]> {
    const { hooks } = this.#context;
    const members = decodeMembers(joined.members);
    const topics = [...new Set(members.flatMap((member) => member.topics))];
    const partitionCounts = await hooks.partitionCounts(topics);
    this.#divided = new Map(topics.map((topic) => [topic, partitionCounts.get(topic) ?? 0]));
    // A static leader that has come back is told to let everything be as it was (KIP-814).
    if (joined.skipAssignment) return [];
    let assignment = assignor.assign({ members, partitionCounts });
    // The group may turn from a cooperative assignor to an eager one, when a member joins that knows nothing else. The others
    // have kept what they own, so nobody may get that before they have given it up.
    if (assignor.protocol === 'eager') assignment = withoutPartitionsInMotion(assignment, members);
    return members.map(({ memberId }) => ({ memberId, assignment: encodeAssignment(assignment.get(memberId)) }));
  }

  /** Takes what was assigned, and gives up what was not. */
  async #apply(assignment: TopicPartitionMap): Promise<void> {
    const { hooks } = this.#context;
    this.#state = 'stable';
    this.#backoff.reset();
    const owned = hooks.owned();
    const subscribed = new Set(hooks.topics());
    const mine = new Map([...assignment].filter(([topic]) => subscribed.has(topic)));
    // The leader may have divided by what this member had subscribed to before.
    if (mine.size < assignment.size) this.rejoin('the assignment has topics that are not subscribed any more');
    const going = difference(owned, mine);
    if (going.length > 0) {
      await hooks.revoke(going, this.#held.signal);
      this.rejoin('partitions were given up, and can be assigned to others');
    }
    if (this.#lost !== undefined || this.#pauseReason !== undefined) throw new Superseded();
    await hooks.assigned(difference(mine, owned));
    this.metadataChanged();
  }

  async #sendLeave(reason: string, timeoutMs: number): Promise<void> {
    const { coordinator, groupId, settings, logger } = this.#context;
    const memberId = this.#memberId;
    if (memberId === '' || settings.groupInstanceId !== null) return;
    try {
      await coordinator.send(
        LeaveGroup,
        (version) => (version >= 3 ? { groupId, members: [{ memberId, reason }] } : { groupId, memberId }),
        'coordinator',
        { timeoutMs },
      );
    } catch (error) {
      // The session timeout says the same, only later.
      logger.debug({ groupId, memberId, err: error }, 'Leaving the group failed');
    }
    this.#memberId = '';
    this.#generationId = -1;
  }

  #fail(error: Error): void {
    this.#state = 'failed';
    this.#heartbeats.stop();
    this.#context.logger.error({ groupId: this.#context.groupId, err: error }, error.message);
    this.#context.hooks.failed(error);
  }
}

function isSame(one: MemberIdentity, other: MemberIdentity | undefined): boolean {
  return one.memberId === other?.memberId && one.generationId === other.generationId;
}

/** Errors of others are thrown by user code or are bugs: trying again would hide them. */
function isFatal(error: unknown): boolean {
  if (error instanceof BrokerError && FATAL.has(error.errorCode)) return true;
  // Kafka does not count it as retriable, for commits must not be; joining just begins again.
  if (error instanceof BrokerError && error.errorCode === ErrorCode.REBALANCE_IN_PROGRESS) return false;
  if (error instanceof ProtocolError) return true;
  return !(error instanceof KafkaError) || (!error.retriable && !(error instanceof AbortedError));
}

function badAssignment(groupId: string, why: string): ConsumerError {
  return new ConsumerError('CONSUMER_BAD_ASSIGNMENT', `Group "${groupId}" cannot be used: ${why}`);
}
