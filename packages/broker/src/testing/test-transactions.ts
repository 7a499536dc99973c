/** A producer that writes in transactions, request by request, so that tests may send each at the wrong time. */
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  EndTxn,
  encodeVersioned,
  FindCoordinator,
  InitProducerId,
  OffsetFetch,
  Produce,
  TransactionLogKey,
  TransactionLogValue,
  TxnOffsetCommit,
} from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { type BrokerUnderTest, batchOf, produceBody, type TestConnection } from './test-broker.ts';

export class TestProducer {
  readonly id: string;
  readonly connection: TestConnection;
  producerId = -1;
  epoch = -1;
  sequence = 0;

  /** As clients of Kafka 4: the leader adds partitions, and each end gives the next epoch (KIP-890). */
  readonly isRaising: boolean;

  private constructor(id: string, connection: TestConnection, isRaising: boolean) {
    this.id = id;
    this.connection = connection;
    this.isRaising = isRaising;
  }

  /** A producer that has its producer id. */
  static async start(broker: BrokerUnderTest, id: string, isRaising = false): Promise<TestProducer> {
    const producer = new TestProducer(id, broker.connect(), isRaising);
    const found = await producer.connection.ask(FindCoordinator, 3, { key: id, keyType: 1 });
    if (found.errorCode !== 0) throw new Error(`FindCoordinator gave ${found.errorCode}`);
    const errorCode = await producer.init();
    if (errorCode !== 0) throw new Error(`InitProducerId gave ${errorCode}`);
    return producer;
  }

  async init(transactionTimeoutMs = 60_000): Promise<number> {
    const answer = await this.connection.ask(InitProducerId, 4, { transactionalId: this.id, transactionTimeoutMs });
    if (answer.errorCode !== 0) return answer.errorCode;
    this.producerId = answer.producerId;
    this.epoch = answer.producerEpoch;
    this.sequence = 0;
    return 0;
  }

  async add(topic: string, partitions: readonly number[] = [0]): Promise<number | undefined> {
    const answer = await this.connection.ask(AddPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: this.id,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.epoch,
      v3AndBelowTopics: [{ name: topic, partitions: [...partitions] }],
    });
    return answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode;
  }

  async produce(topic: string, values: readonly string[], index = 0): Promise<number | undefined> {
    const batch = batchOf(values, {
      producerId: this.producerId,
      producerEpoch: this.epoch,
      baseSequence: this.sequence,
      isTransactional: true,
    });
    const body = produceBody(topic, batch, {
      transactionalId: this.id,
      topicData: [{ name: topic, partitionData: [{ index, records: batch }] }],
    });
    const answer = await this.connection.ask(Produce, this.isRaising ? 12 : 9, body);
    const errorCode = answer.responses[0]?.partitionResponses[0]?.errorCode;
    if (errorCode === 0) this.sequence += values.length;
    return errorCode;
  }

  async addOffsets(groupId: string): Promise<number> {
    const { id: transactionalId, producerId, epoch: producerEpoch } = this;
    const answer = await this.connection.ask(AddOffsetsToTxn, 3, {
      transactionalId,
      producerId,
      producerEpoch,
      groupId,
    });
    return answer.errorCode;
  }

  async commitOffset(groupId: string, topic: string, committedOffset: number): Promise<number | undefined> {
    const answer = await this.connection.ask(TxnOffsetCommit, this.isRaising ? 5 : 3, {
      transactionalId: this.id,
      groupId,
      producerId: this.producerId,
      producerEpoch: this.epoch,
      generationId: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset, committedMetadata: '' }] }],
    });
    return answer.topics[0]?.partitions[0]?.errorCode;
  }

  async end(committed: boolean): Promise<number> {
    const { id: transactionalId, producerId, epoch: producerEpoch, isRaising } = this;
    const body = { transactionalId, producerId, producerEpoch, committed };
    const answer = await this.connection.ask(EndTxn, isRaising ? 5 : 3, body);
    if (isRaising && answer.errorCode === 0) {
      this.producerId = answer.producerId;
      this.epoch = answer.producerEpoch;
      this.sequence = 0;
    }
    return answer.errorCode;
  }

  /** What a group has committed, or the error code below zero. */
  async committed(groupId: string, topic: string): Promise<number | undefined> {
    const answer = await this.connection.ask(OffsetFetch, 7, {
      groupId,
      topics: [{ name: topic, partitionIndexes: [0] }],
      requireStable: true,
    });
    const found = answer.topics[0]?.partitions[0];
    return found === undefined || found.errorCode === 0 ? found?.committedOffset : -found.errorCode;
  }
}

/** Writes into `__transaction_state`, past its coordinator, that an id is at an epoch; it is so once the broker has started anew. */
export async function writeEpoch(
  connection: TestConnection,
  id: { readonly transactionalId: string; readonly producerId: number; readonly producerEpoch: number; nowMs: number },
): Promise<void> {
  const { transactionalId, producerId, producerEpoch, nowMs } = id;
  const value = encodeVersioned(TransactionLogValue, 0, {
    producerId,
    producerEpoch,
    transactionTimeoutMs: 60_000,
    transactionStatus: 0,
    transactionPartitions: null,
    transactionLastUpdateTimestampMs: nowMs,
    transactionStartTimestampMs: -1,
  });
  const builder = new RecordBatchBuilder();
  builder.append(nowMs, encodeVersioned(TransactionLogKey, 0, { transactionalId }), value, []);
  const body = produceBody('__transaction_state', builder.build());
  const written = await connection.ask(Produce, 9, body, '__admin_client');
  const errorCode = written.responses[0]?.partitionResponses[0]?.errorCode;
  if (errorCode !== 0) throw new Error(`Writing the state of ${transactionalId} gave ${errorCode}`);
}
