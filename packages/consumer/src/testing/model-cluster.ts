/** A cluster for tests: logs, leaders, fetch sessions, one group, and faults, on a clock that the test moves. Not part of the package. */
import {
  type BrokerNode,
  brokerError,
  ConnectionError,
  type LeaderHint,
  type PartitionMetadata,
  type TopicMetadata,
} from '@millrace/client';
import type { ManualClock } from '@millrace/ports';
import {
  type Api,
  decodeBody,
  ErrorCode,
  encodeBody,
  Fetch,
  type FetchRequest,
  type FetchRequestInput,
  type FetchResponse,
  type FetchResponseInput,
  Heartbeat,
  JoinGroup,
  LeaveGroup,
  ListOffsets,
  type ListOffsetsRequest,
  OffsetCommit,
  OffsetFetch,
  type OffsetFetchRequest,
  OffsetForLeaderEpoch,
  type OffsetForLeaderEpochRequest,
  SyncGroup,
} from '@millrace/protocol';
import type { AttemptOptions, Cluster, Coordinator, Lane } from '../cluster-port.ts';
import { FakeGroup } from './fake-group.ts';
import { FakeLog } from './fake-log.ts';

interface Session {
  epoch: number;
  readonly partitions: Map<string, Asked>;
}

interface Asked {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly epoch: number;
  readonly bytesMax: number;
}

export interface SeenRequest {
  readonly api: string;
  readonly version: number;
  readonly nodeId: number;
  readonly lane: Lane | undefined;
  readonly body: unknown;
  readonly atMs: number;
}

/** What happens to a request: nothing special, lost on its way, its answer lost, or answered by the test. */
export type Fault = 'none' | 'lost-request' | 'lost-response' | { readonly answer: unknown };

interface FakeTopic {
  topicId: string;
  readonly logs: FakeLog[];
}

export class ModelCluster {
  readonly clock: ManualClock;
  readonly group: FakeGroup;
  readonly topics = new Map<string, FakeTopic>();
  readonly requests: SeenRequest[] = [];
  readonly versionMax = new Map<number, number>();
  /** The coordinator's broker. */
  coordinatorId = 1;
  /** Decides about every request. */
  fault: (api: string, consumer: number, body: unknown) => Fault = () => 'none';
  /** The same by the broker that is asked. */
  faultOf: (nodeId: number) => Fault = () => 'none';
  /** How long an answer takes, in milliseconds. */
  latencyMs: () => number = () => 1;
  /** What is answered to questions about a topic instead of what it is. */
  readonly topicErrors = new Map<string, number>();
  keepsSessions = true;
  /** Whether topics are created that are asked for by somebody who allows it. */
  autoCreates = false;
  readonly #sessions = new Map<number, Session>();
  readonly #waiting = new Set<() => void>();
  #lastSession = 0;
  #lastTopic = 0;

  constructor(clock: ManualClock) {
    this.clock = clock;
    this.group = new FakeGroup(clock);
  }

  createTopic(name: string, partitions: number): FakeLog[] {
    const topicId = Buffer.alloc(16, ++this.#lastTopic).toString('base64url');
    const logs = Array.from({ length: partitions }, () => new FakeLog(1));
    this.topics.set(name, { topicId, logs });
    return logs;
  }

  addPartitions(name: string, count: number): void {
    for (let i = 0; i < count; i += 1) this.topics.get(name)?.logs.push(new FakeLog(1));
  }

  log(topic: string, partition = 0): FakeLog {
    const log = this.topics.get(topic)?.logs[partition];
    if (log === undefined) throw new Error(`the test has no partition ${partition} of ${topic}`);
    return log;
  }

  /** Something was appended, or a leader has moved: fetches that wait look again. */
  changed(): void {
    for (const look of [...this.#waiting]) look();
  }

  dropSessions(): void {
    this.#sessions.clear();
  }

  seen(api: string): SeenRequest[] {
    return this.requests.filter((request) => request.api === api);
  }

  versionOf<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    options: AttemptOptions = {},
  ): number {
    const max = Math.min(
      this.versionMax.get(api.key) ?? api.maxVersion,
      options.versionMax ?? Number.POSITIVE_INFINITY,
    );
    if (max < (options.versionMin ?? 0)) {
      throw Object.assign(new Error('unsupported'), { code: 'NETWORK_UNSUPPORTED_VERSION' });
    }
    return max;
  }

  /** Answers a request, encoded and decoded as on the wire. */
  async exchange<Req, Res, ReqInput, ResInput>(
    consumer: number,
    nodeId: number,
    lane: Lane | undefined,
    api: Api<Req, Res, ReqInput, ResInput>,
    body: ReqInput | ((version: number) => ReqInput),
    options: AttemptOptions = {},
  ): Promise<Res> {
    const version = this.versionOf(api, options);
    const input = typeof body === 'function' ? (body as (version: number) => ReqInput)(version) : body;
    const request = decodeBody(api.request, version, encodeBody(api.request, version, input));
    this.requests.push({ api: api.name, version, nodeId, lane, body: request, atMs: this.clock.monotonic() });
    const ofNode = this.faultOf(nodeId);
    const fault = ofNode === 'none' ? this.fault(api.name, consumer, request) : ofNode;
    await this.#pause(this.latencyMs() / 2, options.signal);
    if (fault === 'lost-request') throw lost(api.name);
    const answer =
      typeof fault === 'object'
        ? fault.answer
        : await abortable(Promise.resolve(this.#answer(api.name, nodeId, version, request, options)), options.signal);
    await this.#pause(this.latencyMs() / 2, options.signal);
    if (fault === 'lost-response') throw lost(api.name);
    return decodeBody(api.response, version, encodeBody(api.response, version, answer as ResInput));
  }

  #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return abortable(new Promise((resolve) => void this.clock.schedule(ms, resolve)), signal);
  }

  #answer(api: string, nodeId: number, version: number, request: unknown, options: AttemptOptions): unknown {
    const ofGroup = nodeId === this.coordinatorId ? 0 : ErrorCode.NOT_COORDINATOR;
    switch (api) {
      case Fetch.name:
        return this.#fetch(nodeId, version, request as FetchRequest, options);
      case ListOffsets.name:
        return this.#listOffsets(nodeId, request as ListOffsetsRequest);
      case OffsetForLeaderEpoch.name:
        return this.#endOffsets(nodeId, request as OffsetForLeaderEpochRequest);
      case JoinGroup.name:
        return ofGroup === 0
          ? this.group.join(request as never)
          : { errorCode: ofGroup, leader: '', memberId: '', members: [] };
      case SyncGroup.name:
        return ofGroup === 0 ? this.group.sync(request as never) : { errorCode: ofGroup, assignment: Buffer.alloc(0) };
      case Heartbeat.name:
        return { errorCode: ofGroup === 0 ? this.group.heartbeat(request as never) : ofGroup };
      case LeaveGroup.name:
        if (ofGroup === 0) this.group.leave(request as never);
        return { errorCode: ofGroup, members: [] };
      case OffsetCommit.name: {
        const commit = request as Parameters<FakeGroup['commit']>[0];
        const errorCode = ofGroup === 0 ? this.group.commit(commit) : ofGroup;
        return {
          topics: commit.topics.map(({ name, partitions }) => ({
            name,
            partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
          })),
        };
      }
      case OffsetFetch.name:
        return this.#committed(version, request as OffsetFetchRequest, ofGroup);
      default:
        throw new Error(`the test has no answer to ${api}`);
    }
  }

  #committed(version: number, request: OffsetFetchRequest, errorCode: number) {
    const [group] = request.groups;
    const topics = ((version >= 8 ? group?.topics : request.topics) ?? []).map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => {
        const found = this.group.committed.get(`${name}/${partitionIndex}`);
        const { offset = -1, leaderEpoch = -1, metadata = '' } = found ?? {};
        return { partitionIndex, committedOffset: offset, committedLeaderEpoch: leaderEpoch, metadata, errorCode: 0 };
      }),
    }));
    if (version < 8) return { topics, errorCode };
    return { groups: [{ groupId: group?.groupId ?? '', topics: errorCode === 0 ? topics : [], errorCode }] };
  }

  #listOffsets(nodeId: number, request: ListOffsetsRequest) {
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }) => {
          const log = this.log(name, partitionIndex);
          if (log.leaderId !== nodeId) return { partitionIndex, errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER };
          const end = request.isolationLevel === 1 ? log.lastStableOffset : log.endOffset;
          const offset = timestamp === -1 ? end : timestamp === -2 ? log.logStartOffset : timestamp > 1.7e12 ? -1 : 0;
          return { partitionIndex, errorCode: 0, offset, timestamp, leaderEpoch: log.leaderEpoch };
        }),
      })),
    };
  }

  #endOffsets(nodeId: number, request: OffsetForLeaderEpochRequest) {
    return {
      topics: request.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, leaderEpoch, currentLeaderEpoch }) => {
          const log = this.log(topic, partition);
          const errorCode = epochError(log, nodeId, currentLeaderEpoch);
          const { epoch, endOffset } = log.endOfEpoch(leaderEpoch);
          return errorCode === 0 ? { partition, errorCode, leaderEpoch: epoch, endOffset } : { partition, errorCode };
        }),
      })),
    };
  }

  #nameOf(topic: string, topicId: string): string | undefined {
    if (topic !== '') return topic;
    for (const [name, known] of this.topics) if (known.topicId === topicId) return name;
    return undefined;
  }

  #fetch(
    nodeId: number,
    version: number,
    request: FetchRequest,
    options: AttemptOptions,
  ): FetchResponseInput | Promise<FetchResponseInput> {
    const asked = request.topics.flatMap(({ topic, topicId, partitions }) =>
      partitions.map(
        (one): Asked => ({
          topic: this.#nameOf(topic, topicId) ?? '',
          topicId,
          partition: one.partition,
          fetchOffset: one.fetchOffset,
          epoch: one.currentLeaderEpoch,
          bytesMax: one.partitionMaxBytes,
        }),
      ),
    );
    const session = this.#session(request, asked);
    if (typeof session === 'number') return { errorCode: session, responses: [] };
    const { partitions, sessionId, incremental } = session;
    const read = (): FetchResponseInput | undefined => {
      const responses = partitions.map((one) => ({ one, data: this.#read(nodeId, one, request) }));
      const some = responses.some(({ data }) => saysSomething(data));
      if (!some) return undefined;
      return {
        sessionId,
        responses: toTopics(
          responses.filter(({ data }) => !incremental || saysSomething(data)),
          version,
        ),
      };
    };
    const nothing = (): FetchResponseInput => ({
      sessionId,
      responses: incremental
        ? []
        : toTopics(
            partitions.map((one) => ({ one, data: this.#read(nodeId, one, request) })),
            version,
          ),
    });
    const now = read();
    if (now !== undefined || request.maxWaitMs === 0) return now ?? nothing();
    return new Promise((resolve) => {
      const over = (response: FetchResponseInput): void => {
        this.#waiting.delete(look);
        timer.cancel();
        resolve(response);
      };
      const look = (): void => {
        const found = read();
        if (found !== undefined) over(found);
      };
      const timer = this.clock.schedule(request.maxWaitMs, () => over(read() ?? nothing()));
      this.#waiting.add(look);
      options.signal?.addEventListener('abort', () => over(nothing()), { once: true });
    });
  }

  #session(request: FetchRequest, asked: Asked[]) {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch === -1) {
      this.#sessions.delete(sessionId);
      return { partitions: asked, sessionId: 0, incremental: false };
    }
    if (sessionEpoch === 0) {
      this.#sessions.delete(sessionId);
      if (!this.keepsSessions) return { partitions: asked, sessionId: 0, incremental: false };
      const id = ++this.#lastSession;
      this.#sessions.set(id, { epoch: 1, partitions: new Map(asked.map((one) => [keyOf(one), one])) });
      return { partitions: asked, sessionId: id, incremental: false };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return ErrorCode.FETCH_SESSION_ID_NOT_FOUND;
    if (session.epoch !== sessionEpoch) return ErrorCode.INVALID_FETCH_SESSION_EPOCH;
    session.epoch += 1;
    for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
      const name = this.#nameOf(topic, topicId) ?? '';
      for (const partition of partitions) session.partitions.delete(keyOf({ topic: name, partition }));
    }
    for (const one of asked) session.partitions.set(keyOf(one), one);
    return { partitions: [...session.partitions.values()], sessionId, incremental: true };
  }

  #read(nodeId: number, asked: Asked, request: FetchRequest) {
    const log = this.topics.get(asked.topic)?.logs[asked.partition];
    const refuse = (errorCode: number) => ({ errorCode, log, records: Buffer.alloc(0), aborted: [] });
    if (log === undefined) return refuse(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    if (log.errorCode !== 0) return refuse(log.errorCode);
    if (nodeId === log.preferredReplica && log.replicaErrorCode !== 0) return refuse(log.replicaErrorCode);
    if (nodeId !== log.preferredReplica) {
      const errorCode = epochError(log, nodeId, asked.epoch);
      if (errorCode !== 0) return refuse(errorCode);
    }
    if (asked.fetchOffset > log.endOffset || asked.fetchOffset < log.logStartOffset) {
      return refuse(ErrorCode.OFFSET_OUT_OF_RANGE);
    }
    if (log.preferredReplica >= 0 && log.preferredReplica !== nodeId && request.rackId !== '') {
      return { errorCode: 0, log, records: Buffer.alloc(0), aborted: [], preferred: log.preferredReplica };
    }
    return { errorCode: 0, log, ...log.read(asked.fetchOffset, asked.bytesMax, request.isolationLevel === 1) };
  }
}

interface ReadPartition {
  readonly errorCode: number;
  readonly log: FakeLog | undefined;
  readonly records: Buffer;
  readonly aborted: readonly { producerId: number; firstOffset: number }[];
  readonly preferred?: number;
}

function saysSomething({ errorCode, records, preferred }: ReadPartition): boolean {
  return errorCode !== 0 || records.length > 0 || preferred !== undefined;
}

function toTopics(
  answers: readonly { one: Asked; data: ReadPartition }[],
  version: number,
): FetchResponseInput['responses'] {
  return answers.map(({ one, data }) => ({
    ...(version >= 13 ? { topicId: one.topicId } : { topic: one.topic }),
    partitions: [
      {
        partitionIndex: one.partition,
        errorCode: data.errorCode,
        highWatermark: data.log?.endOffset ?? -1,
        lastStableOffset: data.log?.lastStableOffset ?? -1,
        logStartOffset: data.log?.logStartOffset ?? -1,
        abortedTransactions: data.aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset })),
        ...(version >= 11 ? { preferredReadReplica: data.preferred ?? -1 } : {}),
        records: data.records,
      },
    ],
  }));
}

function epochError(log: FakeLog, nodeId: number, epoch: number): number {
  if (log.leaderId !== nodeId) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
  if (epoch >= 0 && epoch < log.leaderEpoch) return ErrorCode.FENCED_LEADER_EPOCH;
  if (epoch > log.leaderEpoch) return ErrorCode.UNKNOWN_LEADER_EPOCH;
  return 0;
}

function keyOf({ topic, partition }: { topic: string; partition: number }): string {
  return `${topic}/${partition}`;
}

function lost(api: string): ConnectionError {
  return new ConnectionError('NETWORK_CONNECTION_LOST', `${api}: the test cut the connection`);
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** What one consumer sees of the cluster: metadata as it last heard it, and its own way to the brokers. */
export class FakeView implements Cluster, Coordinator {
  readonly #cluster: ModelCluster;
  readonly #consumer: number;
  readonly #topics = new Map<string, TopicMetadata>();
  readonly #listeners = new Set<() => void>();
  #coordinatorId = -1;

  constructor(cluster: ModelCluster, consumer = 0) {
    this.#cluster = cluster;
    this.#consumer = consumer;
  }

  topic(topic: string): TopicMetadata | undefined {
    return this.#topics.get(topic);
  }

  partition(topic: string, partition: number): PartitionMetadata | undefined {
    return this.#topics.get(topic)?.partitions[partition];
  }

  topicName(topicId: string): string | undefined {
    return [...this.#topics.values()].find((topic) => topic.topicId === topicId)?.name;
  }

  topicNames(): string[] {
    return [...this.#topics.keys()];
  }

  hasBroker(nodeId: number): boolean {
    return nodeId >= 1;
  }

  async refreshTopics(topics: readonly string[]): Promise<void> {
    await this.#trip('Metadata');
    this.#learn(topics);
  }

  #learn(topics: readonly string[]): void {
    for (const name of topics) {
      const metadata = this.#describe(name);
      if (metadata === undefined) this.#topics.delete(name);
      else this.#topics.set(name, metadata);
    }
    for (const listener of [...this.#listeners]) listener();
  }

  async loadTopics(topics: readonly string[], mayCreate: boolean): Promise<void> {
    await this.#trip('Metadata');
    const { autoCreates } = this.#cluster;
    for (const topic of topics) {
      if (mayCreate && autoCreates && !this.#cluster.topics.has(topic)) this.#cluster.createTopic(topic, 1);
    }
    this.#learn(topics);
    for (const topic of topics) {
      const errorCode = this.#cluster.topicErrors.get(topic) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      if (!this.#topics.has(topic)) throw brokerError(errorCode, `Metadata of "${topic}"`);
    }
  }

  async allTopics(): Promise<readonly TopicMetadata[]> {
    await this.#trip('Metadata');
    return [...this.#cluster.topics.keys()].flatMap((name) => this.#describe(name) ?? []);
  }

  applyLeaderHints(hints: readonly LeaderHint[], _nodes: readonly BrokerNode[]): void {
    for (const { topic, partition, leaderId, leaderEpoch } of hints) {
      const known = this.#topics.get(topic);
      if (known === undefined) continue;
      const partitions = known.partitions.map((one) =>
        one.partition === partition ? { ...one, leaderId, leaderEpoch } : one,
      );
      this.#topics.set(topic, { ...known, partitions });
    }
  }

  onMetadataUpdate(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  fetch(
    nodeId: number,
    lane: Lane,
    build: (version: number) => FetchRequestInput,
    options: AttemptOptions,
  ): Promise<FetchResponse> {
    return this.#cluster.exchange(this.#consumer, nodeId, lane, Fetch, build, options);
  }

  send<Req, Res, ReqInput, ResInput>(
    to: number | Api<Req, Res, ReqInput, ResInput>,
    apiOrBody: Api<Req, Res, ReqInput, ResInput> | ReqInput | ((version: number) => ReqInput),
    bodyOrLane: ReqInput | ((version: number) => ReqInput) | Lane,
    options?: AttemptOptions,
  ): Promise<Res> {
    if (typeof to === 'number') {
      const api = apiOrBody as Api<Req, Res, ReqInput, ResInput>;
      return this.#cluster.exchange(this.#consumer, to, 'main', api, bodyOrLane as ReqInput, options);
    }
    if (this.#coordinatorId < 0) this.#coordinatorId = this.#cluster.coordinatorId;
    const lane = bodyOrLane as Lane;
    return this.#cluster.exchange(this.#consumer, this.#coordinatorId, lane, to, apiOrBody as ReqInput, options);
  }

  forget(): void {
    this.#coordinatorId = -1;
  }

  async #trip(api: string): Promise<void> {
    const fault = this.#cluster.fault(api, this.#consumer, undefined);
    await new Promise<void>((resolve) => void this.#cluster.clock.schedule(this.#cluster.latencyMs(), resolve));
    if (fault !== 'none') throw lost(api);
  }

  #describe(name: string): TopicMetadata | undefined {
    const topic = this.#cluster.topics.get(name);
    if (topic === undefined || this.#cluster.topicErrors.has(name)) return undefined;
    return {
      name,
      topicId: topic.topicId,
      internal: name.startsWith('__'),
      partitions: topic.logs.map(({ leaderId, leaderEpoch }, partition) => ({
        partition,
        leaderId,
        leaderEpoch,
        replicas: [1, 2],
        inSyncReplicas: [1, 2],
        offlineReplicas: [],
        errorCode: 0,
      })),
    };
  }
}
