/**
 * What docs/operating.md tells of a Kafka below 3.8 that is to join, gone through with one: ids whose epochs were exhausted stand in
 * `__transaction_state` with fields that it cannot read; they are written anew, compacted away, and the Kafka takes the topic over.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Admin } from '@millrace/admin';
import { KafkaClient } from '@millrace/client';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import {
  EndTxn,
  ErrorCode,
  encodeVersioned,
  InitProducerId,
  Produce,
  type ProduceResponse,
  TransactionLogKey,
  TransactionLogValue,
} from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { type BrokerProcess, startBrokerProcess } from '../../apps/broker/src/index.ts';
import { type ApacheKafka, startApacheKafka } from '../kafka/index.ts';
import { ZooKeeperEnsemble } from './ensemble.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const STATE = { topic: '__transaction_state', partition: 0 };
const TOPIC = 't';
const EXHAUSTED = 'exhausted';
const BEHIND = 'behind';
const IDS = [EXHAUSTED, BEHIND];
/** That none of the ids comes to here. */
const NOBODYS_EPOCH = 20_000;
/** How a coordinator refuses who is not the producer of an id. */
const FINAL = new Set<number>([
  ErrorCode.INVALID_PRODUCER_ID_MAPPING,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.PRODUCER_FENCED,
]);
/** The end of a transaction in it is the last of its producer id. */
const LAST_EPOCH = 0x7fff - 1;
const KAFKA_ID = 1;
const OURS_ID = 2;
const WAIT_MS_MAX = 60_000;
/** A coordinator that has read what it can tells what it knows. */
const SETTLE_MS = 3000;

type Print = (line: string) => void;

/** A broker of ours on an ensemble, which a Kafka may join. */
class Walk {
  readonly #folder: string;
  readonly #ensemble: ZooKeeperEnsemble;
  readonly #version: string;
  readonly #print: Print;
  readonly #producers = new Map<string, number>();
  #ours: BrokerProcess | undefined;
  #kafka: ApacheKafka | undefined;

  private constructor(folder: string, ensemble: ZooKeeperEnsemble, version: string, print: Print) {
    this.#folder = folder;
    this.#ensemble = ensemble;
    this.#version = version;
    this.#print = print;
  }

  static async open(version: string, print: Print): Promise<Walk> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-downgrade-'));
    return new Walk(folder, await ZooKeeperEnsemble.start({ tickMs: 500 }), version, print);
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.#ours?.endpoints[0]?.port}`;
  }

  get #shared(): Record<string, string> {
    return {
      'offsets.topic.replication.factor': '1',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'transaction.state.log.num.partitions': '1',
      'zookeeper.session.timeout.ms': '6000',
      'log.cleaner.backoff.ms': '500',
    };
  }

  async startOurs(settings: Record<string, string> = {}): Promise<void> {
    await this.#ours?.stop();
    const overrides = {
      'broker.id': String(OURS_ID),
      'log.dirs': join(this.#folder, 'ours'),
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'advertised.listeners': 'PLAINTEXT://127.0.0.1:0',
      'millrace.http.port': '',
      'zookeeper.connect': this.#ensemble.connectString,
      ...this.#shared,
      ...settings,
    };
    this.#ours = await startBrokerProcess({ env: {}, logger: silent, overrides });
  }

  async startKafka(): Promise<void> {
    const zooKeeper = { connect: this.#ensemble.connectString, brokerId: KAFKA_ID };
    const folder = join(this.#folder, 'kafka');
    this.#kafka = await startApacheKafka({
      version: this.#version,
      zooKeeper,
      config: this.#shared,
      heap: '256m',
      folder,
    });
    await using admin = new Admin({ bootstrapServers: this.bootstrap });
    await until('Kafka is one of the cluster', async () => {
      const { brokers } = await admin.describeCluster();
      return brokers.some(({ nodeId }) => nodeId === KAFKA_ID);
    });
    this.#print(`Kafka ${this.#version} has joined`);
  }

  async stopKafka(): Promise<void> {
    await this.#kafka?.stop();
    this.#kafka = undefined;
  }

  async close(): Promise<void> {
    await this.#kafka?.stop();
    await this.#ours?.stop();
    await this.#ensemble.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The version of each value in the log of transactions, as it is now. */
  async valueVersions(): Promise<number[]> {
    await using admin = new Admin({ bootstrapServers: this.bootstrap });
    const [end] = await admin.listOffsets([{ ...STATE, at: 'latest' }]);
    await using consumer = new Consumer({ bootstrapServers: this.bootstrap, autoOffsetReset: 'earliest' });
    consumer.assign([STATE]);
    const versions: number[] = [];
    for await (const { value, offset } of consumer) {
      if (value !== null) versions.push(value.readInt16BE(0));
      if (offset >= end!.offset - 1) break;
    }
    return versions;
  }

  /** Has a broker lead, and alone have, the log of transactions. */
  async moveTo(brokerId: number): Promise<void> {
    await using admin = new Admin({ bootstrapServers: this.bootstrap });
    await admin.alterPartitionReassignments([{ ...STATE, replicas: [brokerId] }]);
    await until(`broker ${brokerId} leads ${STATE.topic}`, async () => {
      const [topic] = await admin.describeTopics([STATE.topic]);
      const [found] = topic!.partitions;
      return found?.leaderId === brokerId && found.replicas.length === 1;
    });
    this.#print(`${STATE.topic} is on broker ${brokerId} alone`);
  }

  /** Whose ids are, as our coordinator has it. */
  async noteProducers(): Promise<void> {
    await using admin = new Admin({ bootstrapServers: this.bootstrap });
    for (const { transactionalId, producerId, state } of await admin.describeTransactions(IDS)) {
      this.#producers.set(transactionalId, producerId);
      this.#print(`  '${transactionalId}' of producer ${producerId} is ${state}`);
    }
  }

  /**
   * Which ids their coordinator knows: one that is known is refused for an epoch that it does not have, another for its producer id. Kafka
   * before 3.0 describes none.
   */
  async known(): Promise<string[]> {
    await using client = new KafkaClient({ bootstrapServers: this.bootstrap });
    const known = await Promise.all(
      IDS.map(async (transactionalId) => {
        const producerId = this.#producers.get(transactionalId)!;
        const body = { transactionalId, producerId, producerEpoch: NOBODYS_EPOCH, committed: false };
        const errorOf = ({ errorCode }: { readonly errorCode: number }) => (FINAL.has(errorCode) ? 0 : errorCode);
        const options = { versionMax: 1, errorOf, timeoutMs: WAIT_MS_MAX };
        const ended = await client.sendToCoordinator('transaction', transactionalId, EndTxn, body, options);
        return ended.errorCode === ErrorCode.INVALID_PRODUCER_ID_MAPPING ? [] : [transactionalId];
      }),
    );
    return known.flat();
  }

  async transact(transactionalId: string, value: string): Promise<void> {
    await using producer = new Producer({ bootstrapServers: this.bootstrap, transactionalId, blockMsMax: WAIT_MS_MAX });
    await producer.transaction((transaction) => void transaction.send({ topic: TOPIC, value }));
  }

  /** Takes an id to the last epoch of its producer id, whose next end brings another producer id. */
  async exhaust(transactionalId: string): Promise<void> {
    const first = await this.#atLastEpoch(transactionalId);
    // What was written past the coordinator is what it reads when it starts.
    await this.startOurs();
    await using client = new KafkaClient({ bootstrapServers: this.bootstrap });
    const body = { transactionalId, producerId: first, producerEpoch: LAST_EPOCH, committed: false };
    const next = await client.sendToCoordinator('transaction', transactionalId, EndTxn, body, { versionMin: 5 });
    this.#print(
      `'${transactionalId}' has ended its last epoch of producer ${first}, and goes on as ${next.producerId}`,
    );
  }

  async #atLastEpoch(transactionalId: string): Promise<number> {
    // Only Java's client of administrators may write to topics of brokers.
    await using client = new KafkaClient({ bootstrapServers: this.bootstrap, clientId: '__admin_client' });
    const init = { transactionalId, transactionTimeoutMs: WAIT_MS_MAX };
    const { producerId } = await client.sendToCoordinator('transaction', transactionalId, InitProducerId, init);
    const value = encodeVersioned(TransactionLogValue, 0, {
      producerId,
      producerEpoch: LAST_EPOCH,
      transactionTimeoutMs: WAIT_MS_MAX,
      transactionStatus: 0,
      transactionPartitions: null,
      transactionLastUpdateTimestampMs: Date.now(),
      transactionStartTimestampMs: -1,
    });
    const builder = new RecordBatchBuilder();
    builder.append(Date.now(), encodeVersioned(TransactionLogKey, 0, { transactionalId }), value, []);
    const topicData = [{ name: STATE.topic, partitionData: [{ index: STATE.partition, records: builder.build() }] }];
    const request = { transactionalId: null, acks: -1, timeoutMs: WAIT_MS_MAX, topicData };
    const errorOf = (answer: ProduceResponse): number => answer.responses[0]!.partitionResponses[0]!.errorCode;
    await client.sendToLeader(STATE, Produce, request, { versionMax: 9, errorOf });
    return producerId;
  }

  async settings(topic: string, set: Record<string, string>): Promise<void> {
    await using admin = new Admin({ bootstrapServers: this.bootstrap });
    await admin.alterConfigs([{ type: 'topic', name: topic, set }]);
  }

  async createTopic(): Promise<void> {
    await using admin = new Admin({ bootstrapServers: this.bootstrap });
    await admin.createTopics([{ topic: TOPIC, partitions: 1, replicationFactor: 1 }]);
  }

  async fence(transactionalId: string): Promise<void> {
    await using admin = new Admin({ bootstrapServers: this.bootstrap });
    await admin.fenceProducers([transactionalId]);
  }

  async committed(last: string): Promise<string[]> {
    await using consumer = new Consumer({
      bootstrapServers: this.bootstrap,
      isolationLevel: 'read_committed',
      autoOffsetReset: 'earliest',
    });
    consumer.assign([{ topic: TOPIC, partition: 0 }]);
    const values: string[] = [];
    for await (const { value } of consumer) {
      values.push(String(value));
      if (values.at(-1) === last) break;
    }
    return values;
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const giveUpMs = performance.now() + WAIT_MS_MAX;
  while (!(await isSo())) {
    if (performance.now() > giveUpMs) throw new Error(`It has not come to pass that ${what}`);
    await sleep(250);
  }
}

/** Throws where it does not end as the page says. */
export async function downgrade(version: string, print: Print): Promise<void> {
  const walk = await Walk.open(version, print);
  const told = async (): Promise<void> =>
    print(`  its coordinator knows: ${(await walk.known()).join(' and ') || 'none'}`);
  try {
    await walk.startOurs();
    await walk.createTopic();
    await walk.exhaust(EXHAUSTED);
    await walk.transact(BEHIND, 'a');
    print(`values with tags: ${(await walk.valueVersions()).filter((each) => each > 0).length}`);
    await walk.noteProducers();

    // Brokers speak to one another as this has it, and to one that does not know it in vain.
    const inKafkasWords = { 'inter.broker.protocol.version': version.split('.').slice(0, 2).join('.') };
    await walk.startOurs(inKafkasWords);
    print(
      `With inter.broker.protocol.version, values with tags: ${(await walk.valueVersions()).filter((each) => each > 0).length}`,
    );
    await walk.startKafka();
    await walk.moveTo(KAFKA_ID);
    await sleep(SETTLE_MS);
    await told();
    await walk.moveTo(OURS_ID);
    await walk.stopKafka();

    print('With max.compaction.lag.ms besides:');
    await walk.settings(STATE.topic, { 'max.compaction.lag.ms': '1000' });
    await until('no value with tags is left', async () => {
      await sleep(1200);
      await walk.fence('nobody');
      return (await walk.valueVersions()).every((each) => each === 0);
    });
    print('no value with tags is left');
    await told();
    await walk.startKafka();
    await walk.moveTo(KAFKA_ID);
    await until('Kafka knows both ids', async () => (await walk.known()).length === IDS.length);
    await told();
    await walk.transact(EXHAUSTED, 'b');
    await walk.transact(BEHIND, 'c');
    const values = await walk.committed('c');
    if (values.join() !== 'a,b,c') throw new Error(`Committed are ${values.join()}, instead of a,b,c`);
    print('both go on at Kafka, and what they have committed is read: a, b, c');
  } finally {
    await walk.close();
  }
}
