/**
 * How handlers ask the controller for topics that clients expect to appear by themselves: Metadata with auto-creation, and
 * `__consumer_offsets` for FindCoordinator. The controller room implements it.
 */
export interface TopicCreation {
  /**
   * Creates the topics that do not exist, with the broker's defaults (`num.partitions`, `default.replication.factor`, or
   * the `offsets.topic.*` settings for `__consumer_offsets`), and resolves with Kafka's error code per name: NONE once this
   * broker's image knows the topic, INVALID_TOPIC_EXCEPTION, INVALID_REPLICATION_FACTOR ... Calls for a topic that is being
   * created join the one under way.
   */
  autoCreate(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
}

/** Hands out producer ids, each once in the cluster's life; the controller room implements it from znode blocks. */
export interface ProducerIds {
  /** The next id of this broker's block. */
  next(): Promise<number>;
  /** Takes a whole block for a broker, as the controller does for brokers that ask it. */
  takeBlock(brokerId: number): Promise<{ readonly first: number; readonly last: number }>;
}
