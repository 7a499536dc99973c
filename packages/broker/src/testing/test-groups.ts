/** What the tests of this folder share: a log in memory, and a coordinator on a clock that is moved by hand. */
import { ManualClock, seededRandom } from '@millrace/ports';
import { ErrorCode } from '@millrace/protocol';
import { batchRecordCount, readRecords, setBatchBaseOffset } from '@millrace/records';
import { OFFSETS_TOPIC } from '../cluster/internal-topics.ts';
import { parseBrokerConfig } from '../config/broker-config.ts';
import { type GroupConfig, groupConfigOf } from '../groups/config.ts';
import { GroupCoordinator } from '../groups/group-coordinator.ts';
import type { JoinRequest, SyncRequest } from '../groups/membership.ts';
import type { CommitRequest } from '../groups/offset-commits.ts';
import type { JoinResult } from '../groups/results.ts';
import type {
  CoordinatorAppendResult,
  CoordinatorLog,
  CoordinatorPartitionListener,
  CoordinatorReadResult,
} from '../replicas/coordinator-log.ts';
import { type Logger, silentLogger } from '../shared/logger.ts';

/** What a broker has on which nothing is set. */
const DEFAULTS = groupConfigOf(parseBrokerConfig({}).config);

interface HeldAppend {
  readonly partition: number;
  readonly batch: Buffer;
  readonly resolve: (result: CoordinatorAppendResult) => void;
}

/** `__consumer_offsets` in memory. Appends end at once, or when they are let go. */
export class MemoryCoordinatorLog implements CoordinatorLog {
  readonly topic = OFFSETS_TOPIC;
  readonly batches = new Map<number, Buffer[]>();
  readonly #ends = new Map<number, number>();
  #held: HeldAppend[] | undefined;
  appendError: number = ErrorCode.NONE;
  readError: number = ErrorCode.NONE;
  /** The broker's session has ended, and it has not been told anew who leads. */
  inDoubt = false;
  appendCount = 0;
  #reads: Promise<void> = Promise.resolve();

  append(partition: number, batch: Buffer): Promise<CoordinatorAppendResult> {
    this.appendCount += 1;
    if (this.#held === undefined) return Promise.resolve(this.#append(partition, batch));
    return new Promise((resolve) => this.#held?.push({ partition, batch, resolve }));
  }

  /** From now on appends wait for {@link letGo}. */
  hold(): void {
    this.#held = [];
  }

  letGo(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { partition, batch, resolve } of held) resolve(this.#append(partition, batch));
  }

  /** Makes reads wait for a promise. */
  readAfter(promise: Promise<void>): void {
    this.#reads = promise;
  }

  async readAll(partition: number, onBatches: (batches: Buffer) => void): Promise<CoordinatorReadResult> {
    await this.#reads;
    if (this.readError !== ErrorCode.NONE) return { errorCode: this.readError, endOffset: -1 };
    for (const batch of this.batches.get(partition) ?? []) {
      const chunk = Buffer.from(batch);
      onBatches(chunk);
      // The buffer is only valid during the call; whoever kept a view of it finds nonsense.
      chunk.fill(0xee);
    }
    return { errorCode: ErrorCode.NONE, endOffset: this.#ends.get(partition) ?? 0 };
  }

  isInDoubt(): boolean {
    return this.inDoubt;
  }

  /** All keys and values, in order. */
  records(partition: number): { key: Buffer; value: Buffer | null }[] {
    return (this.batches.get(partition) ?? []).flatMap((batch) =>
      readRecords(batch).map(({ key, value }) => ({ key: key!, value })),
    );
  }

  addBatch(partition: number, batch: Buffer): number {
    const baseOffset = this.#ends.get(partition) ?? 0;
    setBatchBaseOffset(batch, 0, baseOffset);
    const batches = this.batches.get(partition) ?? [];
    batches.push(batch);
    this.batches.set(partition, batches);
    this.#ends.set(partition, baseOffset + batchRecordCount(batch, 0));
    return baseOffset;
  }

  #append(partition: number, batch: Buffer): CoordinatorAppendResult {
    if (this.appendError !== ErrorCode.NONE) return { errorCode: this.appendError, baseOffset: -1 };
    return { errorCode: ErrorCode.NONE, baseOffset: this.addBatch(partition, batch) };
  }
}

export const SESSION_MS = 10_000;
export const REBALANCE_MS = 60_000;

/** A coordinator that leads all partitions of a log, on a clock that is moved by hand. */
export class TestCoordinator {
  readonly clock: ManualClock;
  readonly log: MemoryCoordinatorLog;
  readonly config: GroupConfig;
  readonly partitionCount: number;
  listener!: CoordinatorPartitionListener;
  groups!: GroupCoordinator;
  readonly #logger: Logger;
  #seed: number;

  constructor(
    options: { config?: Partial<GroupConfig>; partitionCount?: number; seed?: number; logger?: Logger } = {},
  ) {
    this.#logger = options.logger ?? silentLogger;
    this.clock = new ManualClock();
    this.log = new MemoryCoordinatorLog();
    this.partitionCount = options.partitionCount ?? 1;
    this.config = { ...DEFAULTS, initialRebalanceDelayMs: 0, ...options.config };
    this.#seed = options.seed ?? 1;
    this.restart();
  }

  static async start(options: ConstructorParameters<typeof TestCoordinator>[0] = {}): Promise<TestCoordinator> {
    const test = new TestCoordinator(options);
    await test.settle();
    return test;
  }

  /** A new coordinator on the same log, as after a restart of the broker. */
  restart(): void {
    this.groups?.stop();
    this.groups = new GroupCoordinator({
      config: this.config,
      clock: this.clock,
      random: seededRandom(this.#seed++),
      logger: this.#logger,
      partitionCount: () => this.partitionCount,
      openLog: (listener) => {
        this.listener = listener;
        return this.log;
      },
    });
    for (let partition = 0; partition < this.partitionCount; partition += 1) this.listener.onElected(partition, 1);
  }

  /** Lets everything happen that waits for nothing but its turn. */
  settle(): Promise<void> {
    return this.clock.advanceAsync(0);
  }

  advance(ms: number): Promise<void> {
    return this.clock.advanceAsync(ms);
  }

  /** Sends a JoinGroup and waits for nothing. */
  join(fields: Partial<JoinRequest> = {}): Pending<JoinResult> {
    return new Pending(this.groups.join(joinRequest(fields)));
  }

  /** Takes a member through id, join and sync, into a group of its own. */
  async stableMember(fields: Partial<JoinRequest> = {}): Promise<JoinResult> {
    const joined = await this.joined(fields);
    await this.sync(joined, {
      assignments: [{ memberId: joined.memberId, assignment: Buffer.from('all') }],
      ...pickGroup(fields),
    });
    return joined;
  }

  /** Takes a member through id and join; there must be nobody else to wait for. */
  async joined(fields: Partial<JoinRequest> = {}): Promise<JoinResult> {
    const first = this.join(fields);
    await this.settle();
    if (first.result?.errorCode !== ErrorCode.MEMBER_ID_REQUIRED) return first.promise;
    const second = this.join({ ...fields, memberId: first.result.memberId });
    await this.settle();
    return second.promise;
  }

  sync(joined: JoinResult, fields: Partial<SyncRequest> = {}) {
    return this.groups.sync({
      groupId: 'group',
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId: null,
      protocolType: null,
      protocolName: null,
      assignments: [],
      ...fields,
    });
  }

  heartbeat(joined: Pick<JoinResult, 'memberId' | 'generationId'>, groupInstanceId: string | null = null): number {
    return this.groups.heartbeat({
      groupId: 'group',
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupInstanceId,
    });
  }

  async commit(offset: number, fields: Partial<CommitRequest> & { partition?: number; topic?: string } = {}) {
    const { partition = 0, topic = 'topic', ...rest } = fields;
    const outcome = this.groups.commitOffsets({
      groupId: 'group',
      generationId: -1,
      memberId: '',
      groupInstanceId: null,
      offsets: [commitOf(topic, partition, offset, this.clock.now())],
      ...rest,
    });
    return (await outcome)[0];
  }

  offset(partition = 0, topic = 'topic', groupId = 'group'): number {
    const fetched = this.groups.fetchOffsets(groupId, [{ topic, partitions: [partition] }], false);
    return fetched.topics[0]!.partitions[0]!.offset;
  }
}

/** A promise that can be looked at. */
export class Pending<T> {
  readonly promise: Promise<T>;
  result: T | undefined;

  constructor(promise: Promise<T>) {
    this.promise = promise;
    void promise.then((result) => {
      this.result = result;
    });
  }
}

export function joinRequest(fields: Partial<JoinRequest> = {}): JoinRequest {
  return {
    groupId: 'group',
    memberId: '',
    groupInstanceId: null,
    requireKnownMemberId: true,
    supportsSkippingAssignment: true,
    clientId: 'client',
    clientHost: '/127.0.0.1',
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: REBALANCE_MS,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('any') }],
    reason: null,
    ...fields,
  };
}

export function commitOf(topic: string, partition: number, offset: number, commitTimestampMs: number) {
  return { topic, partition, offset, leaderEpoch: -1, metadata: '', commitTimestampMs, expireTimestampMs: -1 };
}

function pickGroup(fields: Partial<JoinRequest>): { groupId?: string } {
  return fields.groupId === undefined ? {} : { groupId: fields.groupId };
}
