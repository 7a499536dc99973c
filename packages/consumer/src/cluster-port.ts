import type { BrokerNode, LeaderHint, PartitionMetadata, TopicMetadata } from '@millrace/client';
import type { Api, FetchRequestInput, FetchResponse } from '@millrace/protocol';

/** How one attempt of a request is made. */
export interface AttemptOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly versionMin?: number | undefined;
  readonly versionMax?: number | undefined;
}

/** Which connection to a broker: what waits long at the broker must not hold up what is answered at once. */
export type Lane = 'main' | 'fetch' | 'backlog' | 'coordinator' | 'membership';

/** What fetching needs of a cluster; the real one is `ClientCluster`. Requests are single attempts: who asks decides on the next. */
export interface Cluster {
  /** A topic as last heard of, without asking. */
  topic(topic: string): TopicMetadata | undefined;
  partition(topic: string, partition: number): PartitionMetadata | undefined;
  topicName(topicId: string): string | undefined;
  hasBroker(nodeId: number): boolean;
  /** Asks anew; resolves when the answer is in. One attempt, which creates nothing. */
  refreshTopics(topics: readonly string[]): Promise<void>;
  /**
   * Asks for topics that are not known. One attempt.
   * @param mayCreate whether brokers may create those that do not exist, where consumer and brokers are configured so
   * @throws BrokerError where the cluster does not tell of one: it does not exist (yet), or may not be read.
   */
  loadTopics(topics: readonly string[], mayCreate: boolean): Promise<void>;
  /** Every topic that there is. One attempt. */
  allTopics(): Promise<readonly TopicMetadata[]>;
  applyLeaderHints(hints: readonly LeaderHint[], nodes: readonly BrokerNode[]): void;
  onMetadataUpdate(listener: () => void): () => void;
  /** A Fetch request needs its version before it is made: from 13 on it speaks of topic ids. */
  fetch(
    nodeId: number,
    lane: Lane,
    build: (version: number) => FetchRequestInput,
    options: AttemptOptions,
  ): Promise<FetchResponse>;
  send<Req, Res, ReqInput, ResInput>(
    nodeId: number,
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options?: AttemptOptions,
  ): Promise<Res>;
}

/** What a member of a group needs of its coordinator. Requests are single attempts. */
export interface Coordinator {
  send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    lane: Lane,
    options?: AttemptOptions,
  ): Promise<Res>;
  /** The coordinator turned out to be another broker, or gone: the next request looks for it. */
  forget(): void;
}
