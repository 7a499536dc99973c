/** Brokers for tests that answer as they are told, with the real codec on real sockets. Not part of the package. */
import { type ConnectionContext, Listener } from '@millrace/network';
import {
  type Api,
  ApiVersions,
  apiByKey,
  decodeRequestFrame,
  encodeResponse,
  FindCoordinator,
  Metadata,
  type MetadataRequest,
  type MetadataResponseInput,
  type MetadataResponseTopicPartitionInput,
} from '@millrace/protocol';

/** A request that a broker received. */
export interface SeenRequest {
  readonly nodeId: number;
  readonly api: string;
  readonly version: number;
  readonly body: unknown;
}

/** Answers one request; null sends nothing, ever. */
type Answer<Req, ResInput> = (
  request: Req,
  version: number,
  broker: ScriptedBroker,
  connection: ConnectionContext,
) => ResInput | null | Promise<ResInput | null>;

interface FakeTopic {
  topicId: string;
  partitions: MetadataResponseTopicPartitionInput[];
}

/** The cluster's truth, as each of its brokers tells it; a test may have one broker lag behind with `on(Metadata, ...)`. */
export class ScriptedCluster {
  readonly brokers: ScriptedBroker[] = [];
  readonly requests: SeenRequest[] = [];
  readonly topics = new Map<string, FakeTopic>();
  readonly coordinators = new Map<string, number>();
  readonly answers = new Map<number, Answer<unknown, unknown>>();
  controllerId = 1;
  /** Highest versions served, by API name; the codec's own where nothing is said. */
  readonly versionMax = new Map<string, number>();

  static async start(brokerCount = 1): Promise<ScriptedCluster> {
    const cluster = new ScriptedCluster();
    for (let nodeId = 1; nodeId <= brokerCount; nodeId += 1) {
      const broker = new ScriptedBroker(cluster, nodeId);
      cluster.brokers.push(broker);
      await broker.start();
    }
    return cluster;
  }

  get bootstrapServers(): string[] {
    return this.brokers.map(({ port }) => `127.0.0.1:${port}`);
  }

  broker(nodeId: number): ScriptedBroker {
    return this.brokers[nodeId - 1] as ScriptedBroker;
  }

  /** Makes or changes a topic: one leader per partition, all with this epoch. */
  setTopic(name: string, leaders: readonly number[], leaderEpoch = 0, topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'): void {
    this.topics.set(name, {
      topicId,
      partitions: leaders.map((leaderId, partitionIndex) => ({
        errorCode: leaderId < 0 ? 5 : 0,
        partitionIndex,
        leaderId,
        leaderEpoch,
        replicaNodes: [leaderId],
        isrNodes: [leaderId],
      })),
    });
  }

  /** Scripts what all brokers answer to an API. */
  on<Req, Res, ReqInput, ResInput>(api: Api<Req, Res, ReqInput, ResInput>, answer: Answer<Req, ResInput>): this {
    this.answers.set(api.key, answer as Answer<unknown, unknown>);
    return this;
  }

  /** Names of the APIs that were asked for, without those that make a connection. */
  seen(): string[] {
    return this.requests.filter(({ api }) => api !== 'ApiVersions').map(({ nodeId, api }) => `${api}@${nodeId}`);
  }

  metadata(request: MetadataRequest): MetadataResponseInput {
    const names = request.topics === null ? [...this.topics.keys()] : request.topics.map((topic) => topic.name ?? '');
    return {
      clusterId: 'fake',
      controllerId: this.controllerId,
      brokers: this.brokers
        .filter((broker) => broker.alive)
        .map(({ nodeId, port }) => ({ nodeId, host: '127.0.0.1', port })),
      topics: names.map((name) => {
        const topic = this.topics.get(name);
        return topic === undefined
          ? { errorCode: 3, name, partitions: [] }
          : { errorCode: 0, name, topicId: topic.topicId, partitions: topic.partitions };
      }),
    };
  }

  async stop(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.stop()));
  }
}

export class ScriptedBroker {
  readonly nodeId: number;
  readonly cluster: ScriptedCluster;
  readonly answers = new Map<number, Answer<unknown, unknown>>();
  /** Whether the other brokers count it in. */
  alive = true;
  port = 0;
  listener: Listener;

  constructor(cluster: ScriptedCluster, nodeId: number) {
    this.cluster = cluster;
    this.nodeId = nodeId;
    this.listener = this.#newListener();
  }

  async start(): Promise<void> {
    this.listener = this.#newListener();
    this.port = (await this.listener.listen()).port;
    this.alive = true;
  }

  async stop(): Promise<void> {
    this.alive = false;
    await this.listener.close(0);
  }

  on<Req, Res, ReqInput, ResInput>(api: Api<Req, Res, ReqInput, ResInput>, answer: Answer<Req, ResInput>): this {
    this.answers.set(api.key, answer as Answer<unknown, unknown>);
    return this;
  }

  #newListener(): Listener {
    return new Listener({
      host: '127.0.0.1',
      port: this.port,
      handler: { handle: (frame, connection) => this.#handle(frame, connection) },
    });
  }

  async #handle(frame: Buffer, connection: ConnectionContext): Promise<readonly Uint8Array[] | null> {
    const request = decodeRequestFrame(frame);
    if (request === undefined) throw new Error('unknown API');
    const { api, header, body } = request;
    this.cluster.requests.push({ nodeId: this.nodeId, api: api.name, version: header.apiVersion, body });
    const answer = this.answers.get(api.key) ?? this.cluster.answers.get(api.key) ?? this.#standard(api.key);
    const response = await answer(body, header.apiVersion, this, connection);
    return response === null ? null : encodeResponse(api, header.apiVersion, header.correlationId, response);
  }

  #standard(key: number): Answer<unknown, unknown> {
    const { cluster } = this;
    switch (key) {
      case ApiVersions.key:
        return () => ({
          errorCode: 0,
          apiKeys: [...apiByKey.values()].map(({ key: apiKey, name, minVersion, maxVersion }) => ({
            apiKey,
            minVersion,
            maxVersion: cluster.versionMax.get(name) ?? maxVersion,
          })),
        });
      case Metadata.key:
        return (request) => cluster.metadata(request as MetadataRequest);
      case FindCoordinator.key:
        return (request, version) => {
          const { key: single, coordinatorKeys } = request as { key: string; coordinatorKeys: string[] };
          const found = (version >= 4 ? coordinatorKeys : [single]).map((wanted) => {
            const nodeId = cluster.coordinators.get(wanted);
            return nodeId === undefined
              ? { key: wanted, nodeId: -1, host: '', port: -1, errorCode: 15 }
              : { key: wanted, nodeId, host: '127.0.0.1', port: cluster.broker(nodeId).port, errorCode: 0 };
          });
          return version >= 4 ? { coordinators: found } : { ...found[0], key: undefined };
        };
      default:
        throw new Error(`no answer scripted for API ${key}`);
    }
  }
}
