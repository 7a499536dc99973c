import { BrokerError, brokerError, type KafkaClient, UnsupportedVersionError } from '@millrace/client';
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  EndTxn,
  ErrorCode,
  InitProducerId,
  Produce,
  TxnOffsetCommit,
  type TxnOffsetCommitResponse,
} from '@millrace/protocol';
import { ProducerError } from '../errors.ts';
import type { ProducerIdentity } from '../produce-batch.ts';

/** The first version in which a producer that knows its id can have its epoch raised (KIP-360). */
const INIT_WITH_EPOCH_SINCE = 3;
/** The first version in which a member of a group says who it is (KIP-447). */
const MEMBER_SINCE = 3;
/** From version 4 on AddPartitionsToTxn is for brokers. */
const ADD_PARTITIONS_MAX = 3;
/**
 * The feature by which a cluster tells that the epoch is raised with each transaction, and partitions are added by their leaders
 * (KIP-890), the level from which it is so, and the versions that speak of it.
 */
const FEATURE = 'transaction.version';
const RAISING_LEVEL = 2;
const RAISING_PRODUCE = 12;
const RAISING_END = 5;
const RAISING_COMMIT_OFFSETS = 5;

/** For how long a broker may not know a partition whose offset is to be committed: one that was made just now is heard of sooner. */
const MISSING_MS_MAX = 2_000;

/** Versions of an API that may be used. */
export interface Versions {
  readonly versionMin?: number;
  readonly versionMax?: number;
}

/** A partition's offset to be committed: of the next record that is to be read. */
export interface TransactionOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Epoch of the leader that the last record came from, where it is known. */
  readonly leaderEpoch?: number | undefined;
  /** Whatever the application wants to keep with it. Empty by default. */
  readonly metadata?: string | undefined;
}

/** The group whose offsets are committed, and which of its members does it, so that one that has lost its partitions cannot. */
export interface ConsumerGroupMetadata {
  readonly groupId: string;
  /** Empty where the committer is no member. */
  readonly memberId?: string | undefined;
  /** -1 where the committer is no member. */
  readonly generationId?: number | undefined;
  readonly groupInstanceId?: string | null | undefined;
}

/** The requests of transactions, to the coordinators that they belong to. Each is tried again while that may help. */
export class TransactionTransport {
  readonly #client: KafkaClient;
  readonly #transactionalId: string;
  readonly #transactionTimeoutMs: number;
  readonly #timeoutMs: number;
  #raises = false;

  constructor(
    client: KafkaClient,
    settings: { transactionalId: string; transactionTimeoutMs: number; blockMsMax: number },
  ) {
    this.#client = client;
    this.#transactionalId = settings.transactionalId;
    this.#transactionTimeoutMs = settings.transactionTimeoutMs;
    this.#timeoutMs = settings.blockMsMax;
  }

  /** Whether transactions raise the epoch; changes only between two of them. */
  get raises(): boolean {
    return this.#raises;
  }

  /**
   * What the cluster said last: whether the transactions that begin now raise the epoch. A broker of an older release that has joined since is
   * known by what it serves: those that were connected to before say nothing anew.
   */
  get raisesNext(): boolean {
    const client = this.#client;
    if (client.featureLevel(FEATURE) < RAISING_LEVEL) return false;
    return (
      client.mayServe(Produce, RAISING_PRODUCE) &&
      client.mayServe(EndTxn, RAISING_END) &&
      client.mayServe(TxnOffsetCommit, RAISING_COMMIT_OFFSETS)
    );
  }

  /** The transactions that begin now are of this kind. */
  setRaises(raises: boolean): void {
    this.#raises = raises;
  }

  /** A leader that does not know this kind of transactions refuses what would be added to none. */
  get produceVersions(): Versions {
    return this.#versions(RAISING_PRODUCE);
  }

  #versions(raisingSince: number): Versions {
    return this.#raises ? { versionMin: raisingSince } : { versionMax: raisingSince - 1 };
  }

  /** A producer id and epoch, which fence all who had the transactional id before; the next epoch of one that is given. */
  async initProducerId(current: ProducerIdentity | undefined): Promise<ProducerIdentity> {
    const { producerId, producerEpoch } = await this.#client.sendToCoordinator(
      'transaction',
      this.#transactionalId,
      InitProducerId,
      (version) => ({
        transactionalId: this.#transactionalId,
        transactionTimeoutMs: this.#transactionTimeoutMs,
        ...(current !== undefined && version >= INIT_WITH_EPOCH_SINCE ? current : {}),
      }),
      { timeoutMs: this.#timeoutMs },
    );
    return { producerId, producerEpoch };
  }

  async addPartitions(identity: ProducerIdentity, partitions: ReadonlyMap<string, readonly number[]>): Promise<void> {
    await this.#client.sendToCoordinator(
      'transaction',
      this.#transactionalId,
      AddPartitionsToTxn,
      {
        v3AndBelowTransactionalId: this.#transactionalId,
        v3AndBelowProducerId: identity.producerId,
        v3AndBelowProducerEpoch: identity.producerEpoch,
        v3AndBelowTopics: Array.from(partitions, ([name, indexes]) => ({ name, partitions: indexes })),
      },
      {
        versionMax: ADD_PARTITIONS_MAX,
        timeoutMs: this.#timeoutMs,
        errorOf: ({ resultsByTopicV3AndBelow }) =>
          firstError(
            resultsByTopicV3AndBelow.flatMap((topic) =>
              topic.resultsByPartition.map(({ partitionErrorCode }) => partitionErrorCode),
            ),
          ),
      },
    );
  }

  /** @param mayAsk called before each request; throws where there must be none any more */
  async addOffsets(
    { producerId, producerEpoch }: ProducerIdentity,
    groupId: string,
    mayAsk: () => void,
  ): Promise<void> {
    const transactionalId = this.#transactionalId;
    const body = () => {
      mayAsk();
      return { transactionalId, producerId, producerEpoch, groupId };
    };
    const options = { timeoutMs: this.#timeoutMs };
    await this.#client.sendToCoordinator('transaction', transactionalId, AddOffsetsToTxn, body, options);
  }

  /** @param mayAsk called before each request; throws where there must be none any more */
  async commitOffsets(
    identity: ProducerIdentity,
    group: ConsumerGroupMetadata,
    offsets: readonly TransactionOffset[],
    mayAsk: () => void,
  ): Promise<void> {
    const { groupId, memberId = '', generationId = -1, groupInstanceId = null } = group;
    const topics = Array.from(
      Map.groupBy(offsets, ({ topic }) => topic),
      ([name, all]) => ({
        name,
        partitions: all.map(({ partition, offset, leaderEpoch = -1, metadata = '' }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedLeaderEpoch: leaderEpoch,
          committedMetadata: metadata,
        })),
      }),
    );
    const refuseMissing = this.#refusesMissing(groupId);
    await this.#client.sendToCoordinator(
      'group',
      groupId,
      TxnOffsetCommit,
      (version) => {
        mayAsk();
        const member = version >= MEMBER_SINCE ? { generationId, memberId, groupInstanceId } : { memberId: '' };
        return { transactionalId: this.#transactionalId, groupId, ...identity, ...member, topics };
      },
      {
        ...this.#versions(RAISING_COMMIT_OFFSETS),
        timeoutMs: this.#timeoutMs,
        errorOf: ({ topics: answered }: TxnOffsetCommitResponse) => {
          refuseMissing(answered);
          return firstError(answered.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode)));
        },
      },
    );
  }

  /** Throws where a partition is not there after all: a misspelt name would be asked for as long as anything may be. */
  #refusesMissing(groupId: string): (answered: TxnOffsetCommitResponse['topics']) => void {
    const { clock } = this.#client.settings;
    let sinceMs: number | undefined;
    return (answered) => {
      const missing = answered.flatMap(({ name, partitions }) =>
        partitions
          .filter(({ errorCode }) => errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
          .map(({ partitionIndex }) => `'${name}', partition ${partitionIndex}`),
      );
      const [first] = missing;
      if (first === undefined) return;
      const nowMs = clock.monotonic();
      sinceMs ??= nowMs;
      if (nowMs - sinceMs < MISSING_MS_MAX) return;
      const others = missing.length === 1 ? '' : `, and ${missing.length - 1} more`;
      throw new ProducerError(
        'PRODUCER_INVALID_ARGUMENT',
        `Cannot commit offsets of group '${groupId}' for topic ${first}${others}: the brokers know of no such partition; is the name right?`,
        { cause: brokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 'Committing offsets') },
      );
    };
  }

  /**
   * What the producer goes on with; the same as before where the epoch is not raised.
   * @param asked called for each time that the coordinator is asked: of more than one, nobody knows which was carried out
   */
  async end(identity: ProducerIdentity, committed: boolean, asked: () => void = () => {}): Promise<ProducerIdentity> {
    const transactionalId = this.#transactionalId;
    const body = () => {
      asked();
      return { transactionalId, ...identity, committed };
    };
    const options = { ...this.#versions(RAISING_END), timeoutMs: this.#timeoutMs };
    const answer = await this.#client.sendToCoordinator('transaction', transactionalId, EndTxn, body, options);
    const { producerId, producerEpoch } = answer;
    return producerId < 0 ? identity : { producerId, producerEpoch };
  }

  /**
   * Aborts a transaction that was to raise the epoch at a coordinator of an older release, which has taken over from one that does. Its leaders may
   * have added partitions there, or none.
   */
  async abortTheOldWay(identity: ProducerIdentity): Promise<void> {
    const transactionalId = this.#transactionalId;
    const options = { versionMax: RAISING_END - 1, timeoutMs: this.#timeoutMs };
    const body = { transactionalId, ...identity, committed: false };
    try {
      await this.#client.sendToCoordinator('transaction', transactionalId, EndTxn, body, options);
    } catch (error) {
      const isNothingBegun = error instanceof BrokerError && error.errorCode === ErrorCode.INVALID_TXN_STATE;
      if (!isNothingBegun) throw error;
    }
  }
}

/** Whether a broker of an older release cannot carry out what a transaction needs that raises the epoch. */
export function isTooOld(error: unknown): boolean {
  return error instanceof UnsupportedVersionError;
}

/** The error that says what is wrong, before those that say that others were not attempted because of it. */
function firstError(errorCodes: readonly number[]): number {
  const failed = errorCodes.filter((errorCode) => errorCode !== ErrorCode.NONE);
  return failed.find((errorCode) => errorCode !== ErrorCode.OPERATION_NOT_ATTEMPTED) ?? failed[0] ?? ErrorCode.NONE;
}
