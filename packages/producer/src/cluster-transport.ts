import { type KafkaClient, type TopicMetadata, UnexpectedResponseError } from '@millrace/client';
import { byTopic } from '@millrace/client/internal';
import { InitProducerId, Produce, type ProduceRequestInput, type ProduceResponse } from '@millrace/protocol';
import type { Acks } from './options.ts';
import type { BatchOutcome, OutgoingBatch, ProduceTransport, TopicPartitions } from './produce-transport.ts';
import type { Versions } from './transactions/transaction-transport.ts';

/** Record batches of magic 2 may be produced from this version on. */
const PRODUCE_VERSION_MIN = 3;
/** From this version on the epoch of a producer id can be raised (KIP-360). */
const INIT_PRODUCER_ID_VERSION_WITH_EPOCH = 3;
const ACKS_ON_WIRE = { 0: 0, 1: 1, all: -1 } as const;

type Connection = Awaited<ReturnType<KafkaClient['connectionTo']>>;

interface KnownTopic {
  readonly metadata: TopicMetadata;
  readonly partitions: TopicPartitions;
}

/** The sender's view of a real cluster. */
export class ClusterTransport implements ProduceTransport {
  readonly #client: KafkaClient;
  readonly #acks: Acks;
  readonly #requestTimeoutMs: number;
  readonly #transactionalId: string | null;
  readonly #versions: () => Versions;
  readonly #topics = new Map<string, KnownTopic>();
  /** With acks 0, what has been sent over a connection. */
  readonly #sentUnanswered = new WeakMap<Connection, Set<string>>();
  /** The topic that was asked about last, which is nearly always the one that is asked about next. */
  #last: KnownTopic | undefined;

  constructor(
    client: KafkaClient,
    settings: { acks: Acks; requestTimeoutMs: number; transactionalId: string | undefined },
    /** Which versions of Produce the transaction under way allows. */
    versions: () => Versions = () => ({}),
  ) {
    this.#versions = versions;
    this.#client = client;
    this.#acks = settings.acks;
    this.#requestTimeoutMs = settings.requestTimeoutMs;
    this.#transactionalId = settings.transactionalId ?? null;
  }

  topic(topic: string): TopicPartitions | undefined {
    const metadata = this.#client.topic(topic);
    if (metadata === undefined) return undefined;
    // Metadata is replaced as a whole when it changes, so its identity tells whether what was made of it still holds.
    if (this.#last?.metadata === metadata) return this.#last.partitions;
    let known = this.#topics.get(topic);
    if (known?.metadata !== metadata) {
      known = { metadata, partitions: partitionsOf(metadata) };
      this.#topics.set(topic, known);
    }
    this.#last = known;
    return known.partitions;
  }

  async loadTopic(topic: string, timeoutMs: number): Promise<TopicPartitions> {
    if (this.#client.topic(topic) === undefined) await this.#client.topics([topic], { timeoutMs });
    else await this.#client.refreshTopics([topic], { timeoutMs });
    return this.topic(topic)!;
  }

  leaderOf(topic: string, partition: number): number | undefined {
    const leaderId = this.#client.partition(topic, partition)?.leaderId ?? -1;
    return leaderId >= 0 && this.#client.brokers.has(leaderId) ? leaderId : undefined;
  }

  refreshTopics(topics: readonly string[]): Promise<void> {
    return this.#client.refreshTopics(topics, { isUrgent: true });
  }

  async produce(brokerId: number, batches: readonly OutgoingBatch[]): Promise<readonly BatchOutcome[] | undefined> {
    const connection = await this.#client.connectionTo(brokerId);
    const request: ProduceRequestInput = {
      transactionalId: this.#transactionalId,
      acks: ACKS_ON_WIRE[this.#acks],
      timeoutMs: this.#requestTimeoutMs,
      topicData: [...byTopic(batches)].map(([name, ofTopic]) => ({
        name,
        partitionData: ofTopic.map(({ partition, records }) => ({ index: partition, records })),
      })),
    };
    const options = { timeoutMs: this.#requestTimeoutMs, versionMin: PRODUCE_VERSION_MIN, ...this.#versions() };
    if (this.#acks === 0) {
      await connection.sendOneWay(Produce, 'auto', request, options);
      this.#noteUnanswered(connection, batches);
      return undefined;
    }
    const response = await connection.send(Produce, 'auto', request, options);
    this.#learnLeaders(response);
    return inOrderOf(batches, response);
  }

  async initProducerId(
    current: { producerId: number; producerEpoch: number } | undefined,
  ): Promise<{ producerId: number; producerEpoch: number }> {
    const response = await this.#client.sendToAnyBroker(InitProducerId, (version) => ({
      transactionalId: null,
      transactionTimeoutMs: 2 ** 31 - 1,
      // A broker that cannot raise the epoch gives a new id instead, which serves as well.
      ...(current !== undefined && version >= INIT_PRODUCER_ID_VERSION_WITH_EPOCH ? current : {}),
    }));
    return { producerId: response.producerId, producerEpoch: response.producerEpoch };
  }

  /**
   * A broker that refuses what is not to be answered can only hang up, and does so with each request until its client has heard of the
   * new leader. So its topics are asked for anew when a connection is lost (as by Java's NetworkClient).
   */
  #noteUnanswered(connection: Connection, batches: readonly OutgoingBatch[]): void {
    const known = this.#sentUnanswered.get(connection);
    const topics = known ?? new Set<string>();
    for (const { topic } of batches) topics.add(topic);
    if (known !== undefined) return;
    this.#sentUnanswered.set(connection, topics);
    void connection.closed.then(({ code }) => {
      if (code === 'NETWORK_CONNECTION_CLOSED') return;
      // Nobody waits for the answer: what is sent meanwhile goes to whom is known.
      this.refreshTopics([...topics]).catch(() => undefined);
    });
  }

  /** Answers from a former leader name the new one, which saves asking for it (KIP-951). */
  #learnLeaders(response: ProduceResponse): void {
    if (response.nodeEndpoints.length === 0) return;
    const hints = response.responses.flatMap(({ name, partitionResponses }) =>
      partitionResponses.flatMap(({ index, currentLeader }) =>
        currentLeader.leaderId < 0 ? [] : [{ topic: name, partition: index, ...currentLeader }],
      ),
    );
    this.#client.applyLeaderHints(hints, response.nodeEndpoints);
  }
}

function partitionsOf({ partitions }: TopicMetadata): TopicPartitions {
  const available = partitions.filter(({ leaderId }) => leaderId >= 0);
  return { partitionCount: partitions.length, availablePartitions: available.map(({ partition }) => partition) };
}

/** A broker may answer in any order; a request holds one batch of a partition, so topic and partition find its answer. */
function inOrderOf(batches: readonly OutgoingBatch[], response: ProduceResponse): BatchOutcome[] {
  const outcomes = new Map<string, Map<number, BatchOutcome>>();
  for (const { name, partitionResponses } of response.responses) {
    outcomes.set(name, new Map(partitionResponses.map((partition) => [partition.index, partition])));
  }
  return batches.map(({ topic, partition }) => {
    const outcome = outcomes.get(topic)?.get(partition);
    if (outcome === undefined) {
      throw new UnexpectedResponseError(
        `the broker's produce response leaves out partition ${partition} of topic '${topic}'`,
      );
    }
    return outcome;
  });
}
