/** A topic as the partitioner needs it. */
export interface TopicPartitions {
  readonly partitionCount: number;
  /** Partitions that have a leader, ascending. */
  readonly availablePartitions: readonly number[];
}

/** One partition's share of a produce request. */
export interface OutgoingBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: Uint8Array;
}

/** What the leader answered for one partition. */
export interface BatchOutcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
}

/** What the sender needs of a cluster; the real one is `ClusterTransport`. */
export interface ProduceTransport {
  /** The topic as last heard of; undefined before {@link ProduceTransport.loadTopic} has resolved. */
  topic(topic: string): TopicPartitions | undefined;
  /** Asks the cluster until the topic is known or `timeoutMs` has passed; where it is known, for what has become of it. */
  loadTopic(topic: string, timeoutMs: number): Promise<TopicPartitions>;
  /** The broker that leads a partition, as last heard; undefined where there is none or it is not known. */
  leaderOf(topic: string, partition: number): number | undefined;
  /** Marks what is known of these topics as stale and asks anew. Resolves when the answer is in; rejects when none came. */
  refreshTopics(topics: readonly string[]): Promise<void>;
  /**
   * Sends one produce request.
   * @returns the outcomes in the order of `batches`; undefined with `acks: 0`
   * @throws an error with `retriable` when no answer came: what became of the batches is then not known
   */
  produce(brokerId: number, batches: readonly OutgoingBatch[]): Promise<readonly BatchOutcome[] | undefined>;
  /** A producer id, or with an identity given its next epoch. */
  initProducerId(
    current: { producerId: number; producerEpoch: number } | undefined,
  ): Promise<{ producerId: number; producerEpoch: number }>;
}
