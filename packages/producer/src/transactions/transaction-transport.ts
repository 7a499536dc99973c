import type { KafkaClient } from '@millrace/client';
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  EndTxn,
  ErrorCode,
  InitProducerId,
  TxnOffsetCommit,
  type TxnOffsetCommitResponse,
} from '@millrace/protocol';
import type { ProducerIdentity } from '../produce-batch.ts';

/** The first version in which a producer that knows its id can have its epoch raised (KIP-360). */
const INIT_WITH_EPOCH_SINCE = 3;
/** The first version in which a member of a group says who it is (KIP-447). */
const MEMBER_SINCE = 3;
/** From version 4 on AddPartitionsToTxn is for brokers. */
const ADD_PARTITIONS_MAX = 3;
/** Later versions speak of transactions that raise the epoch each time (KIP-890), which this producer does not. */
const END_MAX = 4;
const COMMIT_OFFSETS_MAX = 4;

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

  constructor(
    client: KafkaClient,
    settings: { transactionalId: string; transactionTimeoutMs: number; blockMsMax: number },
  ) {
    this.#client = client;
    this.#transactionalId = settings.transactionalId;
    this.#transactionTimeoutMs = settings.transactionTimeoutMs;
    this.#timeoutMs = settings.blockMsMax;
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

  async addOffsets({ producerId, producerEpoch }: ProducerIdentity, groupId: string): Promise<void> {
    const transactionalId = this.#transactionalId;
    const body = { transactionalId, producerId, producerEpoch, groupId };
    const options = { timeoutMs: this.#timeoutMs };
    await this.#client.sendToCoordinator('transaction', transactionalId, AddOffsetsToTxn, body, options);
  }

  async commitOffsets(
    identity: ProducerIdentity,
    group: ConsumerGroupMetadata,
    offsets: readonly TransactionOffset[],
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
    await this.#client.sendToCoordinator(
      'group',
      groupId,
      TxnOffsetCommit,
      (version) => ({
        transactionalId: this.#transactionalId,
        groupId,
        ...identity,
        ...(version >= MEMBER_SINCE ? { generationId, memberId, groupInstanceId } : { memberId: '' }),
        topics,
      }),
      {
        versionMax: COMMIT_OFFSETS_MAX,
        timeoutMs: this.#timeoutMs,
        errorOf: ({ topics: answered }: TxnOffsetCommitResponse) =>
          firstError(answered.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))),
      },
    );
  }

  async end({ producerId, producerEpoch }: ProducerIdentity, committed: boolean): Promise<void> {
    const transactionalId = this.#transactionalId;
    const body = { transactionalId, producerId, producerEpoch, committed };
    const options = { versionMax: END_MAX, timeoutMs: this.#timeoutMs };
    await this.#client.sendToCoordinator('transaction', transactionalId, EndTxn, body, options);
  }
}

/** The error that says what is wrong, before those that say that others were not attempted because of it. */
function firstError(errorCodes: readonly number[]): number {
  const failed = errorCodes.filter((errorCode) => errorCode !== ErrorCode.NONE);
  return failed.find((errorCode) => errorCode !== ErrorCode.OPERATION_NOT_ATTEMPTED) ?? failed[0] ?? ErrorCode.NONE;
}
