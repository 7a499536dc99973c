/** A whole broker in the test's own thread: real rooms and real frames over a disk and a metadata store in memory. */
import { MemoryMetadataStore } from '@millrace/metadata';
import { FaultyMetadataStore } from '@millrace/metadata/internal';
import type { ConnectionContext } from '@millrace/network';
import { ManualClock, MemoryDisk, seededRandom } from '@millrace/ports';
import {
  type Api,
  CreateTopics,
  decodeResponseFrame,
  encodeRequest,
  Fetch,
  type FetchRequestInput,
  type FetchRequestTopicPartitionInput,
  type FetchResponse,
  Produce,
  type ProduceRequestInput,
} from '@millrace/protocol';
import { type BuildBatchOptions, RecordBatchBuilder } from '@millrace/records';
import { Broker } from '../broker.ts';
import { parseBrokerConfig } from '../config/broker-config.ts';
import { type Authorizer, allowAll } from '../shared/authorization.ts';
import type { Logger } from '../shared/logger.ts';
import { type Metrics, noMetrics } from '../shared/metrics.ts';

const DEFAULTS: Readonly<Record<string, string>> = {
  'log.dirs': '/data',
  listeners: 'PLAINTEXT://broker.test:9092',
  'offsets.topic.num.partitions': '2',
  'offsets.topic.replication.factor': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
};

/** A client's end of a connection to a {@link BrokerUnderTest}. */
export class TestConnection {
  readonly context: ConnectionContext;
  /** Why the broker closed the connection; undefined while it is open. */
  closedBecause: string | undefined;
  /** How long the broker has it rest since this was last set to 0. */
  restMs = 0;
  readonly #broker: Broker;
  #correlationId = 0;

  constructor(broker: Broker, id: number) {
    this.#broker = broker;
    const isOpen = (): boolean => this.closedBecause === undefined;
    const close = (reason: string): void => {
      this.closedBecause ??= reason;
    };
    this.context = {
      id,
      clientHost: '127.0.0.1',
      clientPort: 50_000 + id,
      serverHost: '127.0.0.1',
      serverPort: 9092,
      listenerName: 'PLAINTEXT',
      securityProtocol: 'PLAINTEXT',
      principal: 'User:ANONYMOUS',
      authentication: { stage: 'none' },
      get open() {
        return isOpen();
      },
      disconnect: close,
      restFor: (ms) => {
        this.restMs = Math.max(this.restMs, ms);
      },
    };
  }

  /** Sends a request in a version and decodes the answer; undefined when there is none. */
  async ask<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number,
    body: ReqInput,
    clientId: string | null = 'test',
  ): Promise<Res> {
    this.#correlationId += 1;
    const correlationId = this.#correlationId;
    const frame = Buffer.concat(encodeRequest(api, version, { correlationId, clientId }, body)).subarray(4);
    const answer = await this.sendFrame(frame);
    if (answer === null) throw new Error(`${api.name} v${version} was not answered`);
    const response = decodeResponseFrame(api, version, answer);
    if (response.header.correlationId !== correlationId) throw new Error('The answer is to another request');
    return response.body;
  }

  /** Sends a frame without its size, and gives the answer without its size. */
  async sendFrame(frame: Buffer): Promise<Buffer | null> {
    const chunks = await this.#broker.requestHandler.handle(frame, this.context, {
      release: () => {},
      holdDecoded: () => {},
      park: () => true,
      reserveResponse: (bytes) => bytes,
      whenSent: () => {},
    });
    if (chunks === null) return null;
    const answer = Buffer.concat(chunks);
    if (answer.readInt32BE(0) !== answer.length - 4) throw new Error('The size of the answer is wrong');
    return answer.subarray(4);
  }

  /** The client goes away. */
  close(): void {
    this.closedBecause ??= 'closed by the client';
    this.#broker.requestHandler.connectionClosed?.(this.context);
  }
}

/** A broker with what it stands on. */
export class BrokerUnderTest {
  readonly clock = new ManualClock();
  readonly disk: MemoryDisk;
  readonly store: MemoryMetadataStore;
  broker: Broker;
  #settings: Readonly<Record<string, string>>;
  /** The running broker's session. */
  #session: ReturnType<MemoryMetadataStore['openSession']>;
  /** The broker's way to it. */
  #way: FaultyMetadataStore | undefined;
  #connectionId = 0;
  /** What the broker's log says, each line with its level in front. */
  readonly told: string[] = [];
  /** What the broker has counted, by the counters' names, whatever their labels. */
  readonly counted = new Map<string, number>();
  /** Decides who may do what; everybody everything until a test says otherwise. */
  authorizer: Authorizer = allowAll;

  readonly #metrics: Metrics = {
    ...noMetrics,
    counter: (name) => ({ add: (amount) => void this.counted.set(name, (this.counted.get(name) ?? 0) + amount) }),
  };

  readonly #logger: Logger = {
    debug() {},
    info: (_fields, message) => void this.told.push(`info ${message}`),
    warn: (_fields, message) => void this.told.push(`warn ${message}`),
    error: (_fields, message) => void this.told.push(`error ${message}`),
  };

  /** Whatever {@link authorizer} is when it is asked. */
  readonly #askedAuthorizer: Authorizer = {
    isAllowed: (request) => this.authorizer.isAllowed(request),
    isAllowedForAny: (asker, operation, type) => this.authorizer.isAllowedForAny(asker, operation, type),
  };

  private constructor(settings: Readonly<Record<string, string>>) {
    this.#settings = { ...DEFAULTS, ...settings };
    this.disk = new MemoryDisk(() => this.clock.now());
    this.store = new MemoryMetadataStore({ clock: this.clock });
    this.#session = this.store.openSession();
    this.broker = this.#make();
  }

  /** A broker that has not started. */
  static make(settings: Readonly<Record<string, string>> = {}): BrokerUnderTest {
    return new BrokerUnderTest(settings);
  }

  static async start(settings: Readonly<Record<string, string>> = {}): Promise<BrokerUnderTest> {
    const test = BrokerUnderTest.make(settings);
    await test.broker.start();
    return test;
  }

  /** The next write to the metadata store loses its answer with the connection, which is there again at once. */
  loseNextWrite(when: 'before' | 'after'): void {
    this.#way?.cutAtNextWrite(when);
  }

  #wayTo(session: ReturnType<MemoryMetadataStore['openSession']>): FaultyMetadataStore {
    const way = new FaultyMetadataStore(session, { expire: () => session.expireSession() });
    way.onSession((state) => {
      if (state === 'disconnected') void way.mend();
    });
    this.#way = way;
    return way;
  }

  /** Lets the broker's session with the metadata store end, as silence would. */
  expireSession(): Promise<void> {
    return this.#session.expireSession();
  }

  /** Stops the broker and starts it again on the same disk and store, with some settings changed. */
  async restart(changed: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.broker.stop();
    this.#settings = { ...this.#settings, ...changed };
    await this.#session.close();
    this.#session = this.store.openSession();
    this.broker = this.#make();
    await this.broker.start();
  }

  async stop(): Promise<void> {
    await this.broker.stop();
  }

  connect(): TestConnection {
    this.#connectionId += 1;
    return new TestConnection(this.broker, this.#connectionId);
  }

  async createTopic(name: string, partitions = 1, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    const answer = await this.connect().ask(CreateTopics, 5, {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    });
    const errorCode = answer.topics[0]?.errorCode;
    if (errorCode !== 0) throw new Error(`Creating ${name} gave error ${errorCode}: ${answer.topics[0]?.errorMessage}`);
  }

  #make(): Broker {
    const { config, problems } = parseBrokerConfig(this.#settings);
    if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '));
    return new Broker({
      config,
      ...(config.authorizerClassName === '' ? { authorizer: this.#askedAuthorizer } : {}),
      clock: this.clock,
      random: seededRandom(1),
      disk: this.disk,
      metadataStore: this.#wayTo(this.#session),
      logger: this.#logger,
      metrics: this.#metrics,
    });
  }
}

/** A batch of records with these values, all of the clock's start. */
export function batchOf(
  values: readonly string[],
  options: BuildBatchOptions = {},
  timestamp = 1_700_000_000_000,
): Buffer {
  const builder = new RecordBatchBuilder();
  for (const value of values) builder.append(timestamp, null, Buffer.from(value), []);
  return builder.build(options);
}

/** A Produce request for one partition. */
export function produceBody(
  topic: string,
  records: Buffer | null,
  overrides: Partial<ProduceRequestInput> = {},
): ProduceRequestInput {
  return {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    ...overrides,
  };
}

/** Produces one batch to partition 0; fails on any error. */
export async function produceTo(broker: BrokerUnderTest, topic: string, records: Buffer): Promise<number> {
  const answer = await broker.connect().ask(Produce, 7, produceBody(topic, records));
  const partition = answer.responses[0]?.partitionResponses[0];
  if (partition?.errorCode !== 0) throw new Error(`Produce gave error ${partition?.errorCode}`);
  return partition.baseOffset;
}

/** A Fetch request for one partition. */
export function fetchBody(
  topic: { readonly topic: string } | { readonly topicId: string },
  fetchOffset: number,
  overrides: Partial<FetchRequestInput> = {},
  partitionOverrides: Partial<FetchRequestTopicPartitionInput> = {},
): FetchRequestInput {
  const partition = { partition: 0, fetchOffset, partitionMaxBytes: 1_000_000, ...partitionOverrides };
  return {
    maxWaitMs: 0,
    minBytes: 1,
    topics: [{ ...topic, partitions: [partition] }],
    forgottenTopicsData: [],
    ...overrides,
  };
}

/** Fetches from partition 0 by name. */
export function fetchFrom(broker: BrokerUnderTest, topic: string, fetchOffset: number): Promise<FetchResponse> {
  return broker.connect().ask(Fetch, 11, fetchBody({ topic }, fetchOffset));
}
