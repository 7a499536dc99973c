import {
  type Api,
  ConsumerProtocolSubscription,
  ErrorCode,
  encodeVersioned,
  FindCoordinator,
  Heartbeat,
  JoinGroup,
  type JoinGroupResponse,
  LeaveGroup,
  OffsetCommit,
  OffsetFetch,
  SyncGroup,
  TxnOffsetCommit,
} from '@millrace/protocol';
import { NoAnswer, type Requester } from './requester.ts';
import type { Router } from './router.ts';
import { byTopic, type PartitionRef } from './topics.ts';

/** The versions in which a member speaks to its coordinator. */
export interface GroupVersions {
  readonly find: number;
  readonly join: number;
  readonly sync: number;
  readonly heartbeat: number;
  readonly leave: number;
  readonly commit: number;
  readonly fetch: number;
}

/** A member as its coordinator knows it. */
export interface Membership {
  readonly memberId: string;
  readonly generation: number;
}

/** The producer in whose transaction offsets are committed. */
export interface TransactionalAsker {
  readonly transactionalId: string;
  readonly producerId: number;
  readonly producerEpoch: number;
}

const PROTOCOL = 'deal';
const PROTOCOL_TYPE = 'consumer';
/** Which topics a member wants; the dealer does not look, since all want the same. */
const SUBSCRIPTION = encodeVersioned(ConsumerProtocolSubscription, 0, { topics: ['t0'] });
const REBALANCE_TIMEOUT_MS = 3000;

/** Answers of a broker that does not coordinate the group, or no longer. */
const MOVED: ReadonlySet<number> = new Set([ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE]);

/** The requests of a group's members, each in the form that its version has. All throw NoAnswer. */
export class GroupProtocol {
  readonly group: string;
  readonly #router: Router;
  #coordinator: Requester | undefined;
  readonly #versions: GroupVersions;
  readonly #timeoutMs: number;

  constructor(group: string, router: Router, versions: GroupVersions, timeoutMs: number) {
    this.group = group;
    this.#router = router;
    this.#versions = versions;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether the broker says that it coordinates the group; the topic of offsets is made by this. */
  async find(): Promise<boolean> {
    const { find } = this.#versions;
    const body = find >= 4 ? { coordinatorKeys: [this.group] } : { key: this.group };
    const answer = await this.#router.any().ask(FindCoordinator, find, body, this.#timeoutMs);
    const { errorCode, host } = answer.coordinators[0] ?? answer;
    this.#coordinator = errorCode === ErrorCode.NONE ? this.#router.to(host) : undefined;
    return errorCode === ErrorCode.NONE;
  }

  /** Asks the coordinator; one that does not answer, or is none, is looked for anew. */
  async #ask<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
    timeoutMs: number,
  ): Promise<Res> {
    if (this.#coordinator === undefined && !(await this.find())) throw new NoAnswer('nobody coordinates', false);
    try {
      return await this.#coordinator!.ask(api, version, body, timeoutMs);
    } catch (error) {
      this.#coordinator = undefined;
      throw error;
    }
  }

  #note(errorCode: number): number {
    if (MOVED.has(errorCode)) this.#coordinator = undefined;
    return errorCode;
  }

  async join(memberId: string, sessionTimeoutMs: number): Promise<JoinGroupResponse> {
    const body = {
      groupId: this.group,
      sessionTimeoutMs,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      memberId,
      protocolType: PROTOCOL_TYPE,
      protocols: [{ name: PROTOCOL, metadata: SUBSCRIPTION }],
    };
    // The answer waits for the others.
    const timeoutMs = Math.max(this.#timeoutMs, REBALANCE_TIMEOUT_MS + sessionTimeoutMs);
    const answer = await this.#ask(JoinGroup, this.#versions.join, body, timeoutMs);
    this.#note(answer.errorCode);
    return answer;
  }

  /** The names of the partitions that are this member's, or an error code. */
  async sync(
    { memberId, generation }: Membership,
    assignments: ReadonlyMap<string, readonly string[]>,
  ): Promise<string[] | number> {
    const { sync } = this.#versions;
    const body = {
      groupId: this.group,
      generationId: generation,
      memberId,
      ...(sync >= 5 ? { protocolType: PROTOCOL_TYPE, protocolName: PROTOCOL } : {}),
      assignments: Array.from(assignments, ([id, names]) => ({
        memberId: id,
        assignment: Buffer.from(names.join(',')),
      })),
    };
    const answer = await this.#ask(SyncGroup, sync, body, Math.max(this.#timeoutMs, REBALANCE_TIMEOUT_MS));
    if (answer.errorCode !== ErrorCode.NONE) return this.#note(answer.errorCode);
    return answer.assignment
      .toString()
      .split(',')
      .filter((name) => name !== '');
  }

  async heartbeat({ memberId, generation }: Membership): Promise<number> {
    const body = { groupId: this.group, generationId: generation, memberId };
    const { errorCode } = await this.#ask(Heartbeat, this.#versions.heartbeat, body, this.#timeoutMs);
    return this.#note(errorCode);
  }

  async leave(memberId: string): Promise<void> {
    const { leave } = this.#versions;
    const body = leave >= 3 ? { groupId: this.group, members: [{ memberId }] } : { groupId: this.group, memberId };
    await this.#ask(LeaveGroup, leave, body, this.#timeoutMs);
  }

  /** The error code of each partition. */
  async commit(
    member: Membership | undefined,
    offsets: ReadonlyMap<PartitionRef, number>,
  ): Promise<Map<PartitionRef, number>> {
    const items = Array.from(offsets, ([partition, offset]) => ({ partition, offset }));
    const body = {
      groupId: this.group,
      generationIdOrMemberEpoch: member?.generation ?? -1,
      memberId: member?.memberId ?? '',
      topics: byTopic(items).map(({ topic, items }) => ({
        name: topic.name,
        partitions: items.map(({ partition, offset }) => ({
          partitionIndex: partition.index,
          committedOffset: offset,
          committedMetadata: '',
        })),
      })),
    };
    const answer = await this.#ask(OffsetCommit, this.#versions.commit, body, this.#timeoutMs);
    const codes = new Map<PartitionRef, number>();
    for (const { partition } of items) {
      const found = answer.topics
        .find(({ name }) => name === partition.topic.name)
        ?.partitions.find(({ partitionIndex }) => partitionIndex === partition.index);
      if (found !== undefined) codes.set(partition, this.#note(found.errorCode));
    }
    return codes;
  }

  /** The error code of a commit that counts with the producer's transaction; of several, the first that is one. */
  async commitIn(
    producer: TransactionalAsker,
    version: number,
    member: Membership,
    offsets: ReadonlyMap<PartitionRef, number>,
  ): Promise<number> {
    const items = Array.from(offsets, ([partition, offset]) => ({ partition, offset }));
    const body = {
      ...producer,
      groupId: this.group,
      generationId: member.generation,
      memberId: member.memberId,
      topics: byTopic(items).map(({ topic, items }) => ({
        name: topic.name,
        partitions: items.map(({ partition, offset }) => ({
          partitionIndex: partition.index,
          committedOffset: offset,
          committedMetadata: '',
        })),
      })),
    };
    const answer = await this.#ask(TxnOffsetCommit, version, body, this.#timeoutMs);
    const codes = answer.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode));
    return this.#note(codes.find((errorCode) => errorCode !== ErrorCode.NONE) ?? ErrorCode.NONE);
  }

  /** The committed offset of each partition, -1 for none; undefined when the coordinator cannot say. */
  async committed(partitions: readonly PartitionRef[]): Promise<Map<PartitionRef, number> | undefined> {
    const { fetch } = this.#versions;
    const topics = byTopic(partitions.map((partition) => ({ partition }))).map(({ topic, items }) => ({
      name: topic.name,
      partitionIndexes: items.map(({ partition }) => partition.index),
    }));
    const body =
      fetch >= 8
        ? { groups: [{ groupId: this.group, topics }], requireStable: true }
        : { groupId: this.group, topics, ...(fetch >= 7 ? { requireStable: true } : {}) };
    const answer = await this.#ask(OffsetFetch, fetch, body, this.#timeoutMs);
    const [group] = answer.groups;
    if (this.#note(group?.errorCode ?? answer.errorCode) !== ErrorCode.NONE) return undefined;
    const found = new Map<PartitionRef, number>();
    for (const partition of partitions) {
      const offset = (group?.topics ?? answer.topics)
        .find(({ name }) => name === partition.topic.name)
        ?.partitions.find(({ partitionIndex }) => partitionIndex === partition.index);
      if (offset === undefined || this.#note(offset.errorCode) !== ErrorCode.NONE) return undefined;
      found.set(partition, offset.committedOffset);
    }
    return found;
  }
}
