/**
 * Every state of a transaction whose epoch is raised with its end (KIP-890, `transaction.version` 2) against every request of one, by a
 * producer that believes the right thing of itself or a wrong one. The same walk is asked of a running Kafka, whose answers are kept, and
 * of Millrace, which must give the same.
 *
 * `node --conditions development tools/compat/transaction-answers.ts > tools/compat/fixtures/transaction-answers-4.1.0.tsv` asks Kafka.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@millrace/network';
import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  CreateTopics,
  DescribeTransactions,
  EndTxn,
  ErrorCode,
  FindCoordinator,
  InitProducerId,
  Produce,
  TxnOffsetCommit,
} from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import { KAFKA_4, startApacheKafka } from '../kafka/index.ts';

/** One question and what was answered. */
export interface TransactionAnswer {
  readonly state: string;
  readonly request: string;
  readonly errorCode: number;
  /** Of InitProducerId and EndTxn: whether the producer id is the asker's, and how much higher the epoch; empty where none is given. */
  readonly given: string;
}

export interface Asked {
  readonly host: string;
  readonly port: number;
  /** Has the coordinator abort the transaction as if its time were over; by default its time is short, and it is waited for. */
  readonly expire?: ((transactionalId: string) => Promise<unknown>) | undefined;
  /** Keeps all markers from being written from now on. */
  readonly hold?: (() => void) | undefined;
}

const TOPIC = 't';
/** Takes no records and no markers, which are all too large: a transaction with it stays where it is when it ends. */
const HELD = 'held';
const GROUP = 'group';
const TIMEOUT_MS = 60_000;
const SHORT_TIMEOUT_MS = 500;
const ASK_MS = 10;
const WAIT_MS_MAX = 20_000;
const FOREIGN_PRODUCER_ID = 987_654;

/** While the coordinator's log is being made. */
const EARLY: ReadonlySet<number> = new Set([
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
]);

/** How a state is come to; what its coordinator says of it is waited for. */
const STATES: Readonly<Record<string, { readonly reached: string; act(producer: Asker): Promise<unknown> }>> = {
  Empty: { reached: 'Empty', act: async () => {} },
  Ongoing: { reached: 'Ongoing', act: (producer) => producer.produce(12, 0) },
  'Ongoing with offsets': { reached: 'Ongoing', act: (producer) => producer.commitOffset(5) },
  PrepareCommit: { reached: 'PrepareCommit', act: (producer) => producer.endHeld(true) },
  PrepareAbort: { reached: 'PrepareAbort', act: (producer) => producer.endHeld(false) },
  CompleteCommit: { reached: 'CompleteCommit', act: (producer) => producer.endOpen(true) },
  CompleteAbort: { reached: 'CompleteAbort', act: (producer) => producer.endOpen(false) },
  'timed out': { reached: 'CompleteAbort', act: (producer) => producer.timeOut() },
};

/** What a producer may believe of itself. */
const SLIPS: Readonly<Record<string, (producer: Asker) => void>> = {
  '': () => {},
  'epoch one lower': (producer) => {
    producer.epoch -= 1;
  },
  'epoch one higher': (producer) => {
    producer.epoch += 1;
  },
  'foreign producer id': (producer) => {
    producer.producerId = FOREIGN_PRODUCER_ID;
  },
};

type Answer = readonly [errorCode: number | undefined, given?: string];

const REQUESTS: Readonly<Record<string, (producer: Asker) => Promise<Answer>>> = {
  'EndTxn 5 commit': (producer) => producer.end(5, true),
  'EndTxn 5 abort': (producer) => producer.end(5, false),
  'EndTxn 4 commit': (producer) => producer.end(4, true),
  'EndTxn 4 abort': (producer) => producer.end(4, false),
  'Produce 12, partition 0': async (producer) => [await producer.produce(12, 0)],
  'Produce 12, partition 1': async (producer) => [await producer.produce(12, 1)],
  'Produce 11, partition 1': async (producer) => [await producer.produce(11, 1)],
  'TxnOffsetCommit 5': async (producer) => [await producer.commitOffset(5)],
  'TxnOffsetCommit 4': async (producer) => [await producer.commitOffset(4)],
  'AddPartitionsToTxn 5, add partition 1': async (producer) => [await producer.addAsBroker(1, false)],
  'AddPartitionsToTxn 5, verify partition 0': async (producer) => [await producer.addAsBroker(0, true)],
  'AddPartitionsToTxn 5, verify partition 1': async (producer) => [await producer.addAsBroker(1, true)],
  'AddPartitionsToTxn 3, partition 1': async (producer) => [await producer.add(TOPIC, 1)],
  'AddOffsetsToTxn 4': async (producer) => [await producer.addOffsets()],
  'InitProducerId 5 without producer id': (producer) => producer.init(false),
  'InitProducerId 5 with producer id and epoch': (producer) => producer.init(true),
};

/** A producer with a transactional id of its own, and what it believes of itself. */
class Asker {
  readonly #connection: Connection;
  readonly #expire: Asked['expire'];
  readonly id: string;
  producerId = -1;
  epoch = -1;

  constructor(connection: Connection, id: string, expire: Asked['expire']) {
    this.#connection = connection;
    this.id = id;
    this.#expire = expire;
  }

  async begin(timeoutMs: number): Promise<void> {
    for (;;) {
      const body = { transactionalId: this.id, transactionTimeoutMs: timeoutMs };
      const answer = await this.#connection.send(InitProducerId, 5, body);
      const isEarly = EARLY.has(answer.errorCode);
      if (!isEarly && answer.errorCode !== ErrorCode.NONE) throw new Error(`InitProducerId: ${answer.errorCode}`);
      this.producerId = answer.producerId;
      this.epoch = answer.producerEpoch;
      if (!isEarly) return;
      await sleep(ASK_MS);
    }
  }

  async init(isKnown: boolean): Promise<Answer> {
    const known = isKnown ? { producerId: this.producerId, producerEpoch: this.epoch } : {};
    const body = { transactionalId: this.id, transactionTimeoutMs: TIMEOUT_MS, ...known };
    return this.#given(await this.#connection.send(InitProducerId, 5, body));
  }

  async end(version: number, committed: boolean): Promise<Answer> {
    const body = { transactionalId: this.id, producerId: this.producerId, producerEpoch: this.epoch, committed };
    const answer = await this.#connection.send(EndTxn, version, body);
    return version < 5 ? [answer.errorCode] : this.#given(answer);
  }

  /** Ends what is open, and goes on with what was given for it. */
  async endOpen(isCommit: boolean): Promise<void> {
    await this.produce(12, 0);
    await this.#goOn(isCommit);
  }

  async endHeld(isCommit: boolean): Promise<void> {
    await this.produce(12, 0);
    await this.add(HELD, 0);
    await this.#goOn(isCommit);
  }

  async #goOn(committed: boolean): Promise<void> {
    const body = { transactionalId: this.id, producerId: this.producerId, producerEpoch: this.epoch, committed };
    const answer = await this.#connection.send(EndTxn, 5, body);
    this.producerId = answer.producerId;
    this.epoch = answer.producerEpoch;
  }

  async timeOut(): Promise<void> {
    await this.produce(12, 0);
    await this.#expire?.(this.id);
  }

  async produce(version: number, index: number): Promise<number | undefined> {
    const builder = new RecordBatchBuilder();
    builder.append(1_700_000_000_000, null, Buffer.from('a'), []);
    const { producerId, epoch: producerEpoch, id: transactionalId } = this;
    const records = builder.build({ producerId, producerEpoch, baseSequence: 0, isTransactional: true });
    const topicData = [{ name: TOPIC, partitionData: [{ index, records }] }];
    const answer = await this.#connection.send(Produce, version, {
      transactionalId,
      acks: -1,
      timeoutMs: 5000,
      topicData,
    });
    return answer.responses[0]?.partitionResponses[0]?.errorCode;
  }

  async commitOffset(version: number): Promise<number | undefined> {
    const partition = { partitionIndex: 0, committedOffset: 1, committedMetadata: '' };
    const { producerId, epoch: producerEpoch, id: transactionalId } = this;
    const answer = await this.#connection.send(TxnOffsetCommit, version, {
      transactionalId,
      groupId: GROUP,
      producerId,
      producerEpoch,
      generationId: -1,
      memberId: '',
      groupInstanceId: null,
      topics: [{ name: TOPIC, partitions: [partition] }],
    });
    return answer.topics[0]?.partitions[0]?.errorCode;
  }

  async add(topic: string, index: number): Promise<number | undefined> {
    const answer = await this.#connection.send(AddPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: this.id,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.epoch,
      v3AndBelowTopics: [{ name: topic, partitions: [index] }],
    });
    return answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode;
  }

  async addAsBroker(index: number, verifyOnly: boolean): Promise<number | undefined> {
    const { id: transactionalId, producerId, epoch: producerEpoch } = this;
    const topics = [{ name: TOPIC, partitions: [index] }];
    const transactions = [{ transactionalId, producerId, producerEpoch, verifyOnly, topics }];
    const answer = await this.#connection.send(AddPartitionsToTxn, 5, { transactions });
    if (answer.errorCode !== ErrorCode.NONE) return answer.errorCode;
    return answer.resultsByTransaction[0]?.topicResults[0]?.resultsByPartition[0]?.partitionErrorCode;
  }

  async addOffsets(): Promise<number> {
    const { id: transactionalId, producerId, epoch: producerEpoch } = this;
    const body = { transactionalId, producerId, producerEpoch, groupId: GROUP };
    return (await this.#connection.send(AddOffsetsToTxn, 4, body)).errorCode;
  }

  async untilIn(state: string): Promise<void> {
    const deadline = performance.now() + WAIT_MS_MAX;
    for (;;) {
      const body = { transactionalIds: [this.id] };
      const found = (await this.#connection.send(DescribeTransactions, 0, body)).transactionStates[0];
      if (found?.transactionState === state) return;
      if (performance.now() > deadline) throw new Error(`${this.id} is ${found?.transactionState}, not ${state}`);
      await sleep(ASK_MS);
    }
  }

  #given(answer: { readonly errorCode: number; readonly producerId: number; readonly producerEpoch: number }): Answer {
    if (answer.producerId < 0) return [answer.errorCode, ''];
    const rise = answer.producerEpoch - this.epoch;
    const whose = answer.producerId === this.producerId ? 'same' : 'other';
    return [answer.errorCode, `${whose}${rise < 0 ? '' : '+'}${rise}`];
  }
}

/** Asks everything, each question of a transactional id of its own. */
export async function askTransactions(asked: Asked): Promise<TransactionAnswer[]> {
  const { host, port } = asked;
  const setUp = await Connection.connect({ host, port });
  try {
    await prepare(setUp);
  } finally {
    await setUp.close();
  }
  const states = Object.keys(STATES).flatMap((state) => Object.keys(SLIPS).map((slip) => [state, slip] as const));
  // Kafka writes no markers any more once one was too large, so that what has to end ends before.
  const isHeld = ([state]: readonly [string, string]): boolean => state.startsWith('Prepare');
  const answers: TransactionAnswer[][] = [];
  for (const part of [states.filter((each) => !isHeld(each)), states.filter(isHeld)]) {
    if (part.some(isHeld)) asked.hold?.();
    answers.push(...(await Promise.all(part.map(([state, slip]) => askIn(asked, state, slip)))));
  }
  return answers.flat();
}

async function askIn({ host, port, expire }: Asked, state: string, slip: string): Promise<TransactionAnswer[]> {
  const connection = await Connection.connect({ host, port });
  const answers: TransactionAnswer[] = [];
  const name = slip === '' ? state : `${state}, ${slip}`;
  try {
    for (const [request, ask] of Object.entries(REQUESTS)) {
      const producer = new Asker(connection, `${name}: ${request}`, expire);
      const isShort = state === 'timed out' && expire === undefined;
      // An epoch below the first would be none at all.
      await producer.begin(TIMEOUT_MS);
      await producer.begin(isShort ? SHORT_TIMEOUT_MS : TIMEOUT_MS);
      await STATES[state]!.act(producer);
      await producer.untilIn(STATES[state]!.reached);
      SLIPS[slip]!(producer);
      const [errorCode = ErrorCode.UNKNOWN_SERVER_ERROR, given = ''] = await ask(producer);
      answers.push({ state: name, request, errorCode, given });
    }
  } finally {
    await connection.close();
  }
  return answers;
}

async function prepare(connection: Connection): Promise<void> {
  const topics = [
    { name: TOPIC, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] },
    {
      name: HELD,
      numPartitions: 1,
      replicationFactor: 1,
      assignments: [],
      configs: [{ name: 'max.message.bytes', value: '10' }],
    },
  ];
  await connection.send(CreateTopics, 7, { topics, timeoutMs: WAIT_MS_MAX });
  const found = async (key: string, keyType: number): Promise<boolean> => {
    const answer = await connection.send(FindCoordinator, 4, { keyType, coordinatorKeys: [key] });
    return answer.coordinators[0]?.errorCode === ErrorCode.NONE;
  };
  while (!(await found(GROUP, 0)) || !(await found('any', 1))) await sleep(ASK_MS);
  // The group's offsets are still being read for a moment.
  const first = new Asker(connection, 'first', undefined);
  await first.begin(TIMEOUT_MS);
  while ((await first.commitOffset(5)) !== ErrorCode.NONE) await sleep(ASK_MS);
  while ((await first.produce(12, 0)) !== ErrorCode.NONE || (await first.produce(12, 1)) !== ErrorCode.NONE) {
    await sleep(ASK_MS);
  }
}

/** The answers as lines: state, request, error code, and what was given. */
export function linesOf(answers: readonly TransactionAnswer[]): string {
  return answers
    .map(({ state, request, errorCode, given }) => `${[state, request, errorCode, given].join('\t').trimEnd()}\n`)
    .join('');
}

if (import.meta.main) {
  const config = {
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '100',
    'transaction.state.log.num.partitions': '1',
    'offsets.topic.num.partitions': '1',
  };
  const kafka = await startApacheKafka({ version: KAFKA_4, config });
  try {
    const lines = linesOf(await askTransactions({ host: kafka.host, port: kafka.port }));
    process.stdout.write(
      `# What Apache Kafka ${KAFKA_4} answered: state, request, error code, what was given.\n${lines}`,
    );
  } finally {
    await kafka.stop();
  }
}
