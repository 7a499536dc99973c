import type { BrokerNode, KafkaClient, LeaderHint, PartitionMetadata, TopicMetadata } from '@millrace/client';
import { type Api, ErrorCode, Fetch, type FetchRequestInput, type FetchResponse } from '@millrace/protocol';
import type { AttemptOptions, Cluster, Coordinator, Lane } from './cluster-port.ts';

/** Isolation levels and record batches of magic 2 came with this version. */
const FETCH_VERSION_MIN = 4;

/** The consumer's view of a real cluster. */
export class ClientCluster implements Cluster {
  readonly #client: KafkaClient;
  readonly #allowAutoTopicCreation: boolean;

  /** @param client made not to create topics by itself: whatever it looks up anew would come back after a deletion */
  constructor(client: KafkaClient, allowAutoTopicCreation: boolean) {
    this.#client = client;
    this.#allowAutoTopicCreation = allowAutoTopicCreation;
  }

  topic(topic: string): TopicMetadata | undefined {
    return this.#client.topic(topic);
  }

  partition(topic: string, partition: number): PartitionMetadata | undefined {
    return this.#client.partition(topic, partition);
  }

  topicName(topicId: string): string | undefined {
    return this.#client.topicName(topicId);
  }

  hasBroker(nodeId: number): boolean {
    return this.#client.brokers.has(nodeId);
  }

  refreshTopics(topics: readonly string[]): Promise<void> {
    return this.#client.refreshTopics(topics, { retries: 0 });
  }

  async loadTopics(topics: readonly string[], mayCreate: boolean): Promise<void> {
    const allowAutoTopicCreation = mayCreate && this.#allowAutoTopicCreation;
    await this.#client.topics(topics, { retries: 0, allowAutoTopicCreation });
  }

  allTopics(): Promise<readonly TopicMetadata[]> {
    return this.#client.allTopics({ retries: 0 });
  }

  applyLeaderHints(hints: readonly LeaderHint[], nodes: readonly BrokerNode[]): void {
    this.#client.applyLeaderHints(hints, nodes);
  }

  onMetadataUpdate(listener: () => void): () => void {
    return this.#client.onMetadataUpdate(listener);
  }

  async fetch(
    nodeId: number,
    lane: Lane,
    build: (version: number) => FetchRequestInput,
    options: AttemptOptions,
  ): Promise<FetchResponse> {
    const connection = await this.#client.connectionTo(nodeId, lane, options.signal);
    return connection.send(Fetch, 'auto', build, { ...options, versionMin: FETCH_VERSION_MIN });
  }

  send<Req, Res, ReqInput, ResInput>(
    nodeId: number,
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options: AttemptOptions = {},
  ): Promise<Res> {
    const { timeoutMs, ...rest } = options;
    return this.#client.sendToBroker(nodeId, api, body, {
      ...rest,
      requestTimeoutMs: timeoutMs,
      retries: 0,
      errorOf: () => ErrorCode.NONE,
    });
  }
}

/** A group's coordinator in a real cluster. */
export class ClientCoordinator implements Coordinator {
  readonly #client: KafkaClient;
  readonly #groupId: string;

  constructor(client: KafkaClient, groupId: string) {
    this.#client = client;
    this.#groupId = groupId;
  }

  send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    lane: Lane,
    options: AttemptOptions = {},
  ): Promise<Res> {
    const { timeoutMs, ...rest } = options;
    return this.#client.sendToCoordinator('group', this.#groupId, api, body, {
      ...rest,
      lane,
      // A JoinGroup may wait for others longer than any other operation may take.
      timeoutMs,
      requestTimeoutMs: timeoutMs,
      retries: 0,
      errorOf: () => ErrorCode.NONE,
    });
  }

  forget(): void {
    this.#client.invalidateCoordinator('group', this.#groupId);
  }
}
