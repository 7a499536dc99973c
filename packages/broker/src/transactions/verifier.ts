import type { Clock } from '@millrace/ports';
import {
  AddPartitionsToTxn,
  type AddPartitionsToTxnRequestInput,
  type AddPartitionsToTxnResponse,
  ErrorCode,
} from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import { Deadline, type Deadlines } from '../shared/deadlines.ts';
import type { Guard } from '../shared/guard.ts';
import { partitionOf } from '../shared/java-hash.ts';
import type { Counter, Histogram, Metrics } from '../shared/metrics.ts';
import type { BrokerLanes } from './broker-lanes.ts';
import type { TransactionAsker } from './transaction.ts';
import type { TransactionCoordinator } from './transaction-coordinator.ts';

/** The first version that can ask without adding. */
const VERIFY_SINCE = 4;

/** How long until another broker is asked again whether the transaction before is complete. */
const BUSY_PAUSE_MS = 5;

/** How many questions may wait for one coordinator; what comes beyond is refused, and its producer tries again. */
const QUESTIONS_MAX = 10_000;

/**
 * How long a coordinator is waited for, in milliseconds, where `request.timeout.ms` is not less: producers wait meanwhile, in line behind
 * each other, and asking again is safe (Kafka waits `request.timeout.ms`).
 */
const ANSWER_MS_MAX = 5000;

/** What came of asking a coordinator that is too old. */
const CANNOT_TELL = Symbol('cannot tell');

export interface VerifierOptions {
  readonly brokerId: number;
  readonly cluster: ClusterImage;
  readonly lanes: BrokerLanes;
  readonly coordinator: TransactionCoordinator;
  /** How many partitions `__transaction_state` has; undefined while that is not known. */
  readonly partitionCount: () => number | undefined;
  readonly guard: Guard;
  readonly deadlines: Deadlines;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** `verify` asks whether a partition is in the transaction; `add` has it be in it from then on (KIP-890, `transaction.version` 2). */
export type Demand = 'verify' | 'add';

interface Question {
  readonly demand: Demand;
  readonly asker: TransactionAsker;
  readonly topic: string;
  readonly partition: number;
  readonly resolve: (errorCode: number) => void;
}

/** Partitions that a producer adds in one turn. */
interface Addition {
  readonly asker: TransactionAsker;
  readonly partitions: Map<string, Set<number>>;
  readonly outcome: Promise<number>;
}

/** Asks the coordinators of transactions, here or elsewhere, whether partitions are in an open transaction, or adds them to it (KIP-890). */
export class Verifier {
  readonly #options: VerifierOptions;
  /** By coordinator. One request is under way at a time; what comes meanwhile goes into the next. */
  readonly #queues = new Map<number, Question[]>();
  /** By transactional id: what is added in this turn where this broker coordinates. */
  readonly #additions = new Map<string, Addition>();
  readonly #tookMs: Histogram;
  readonly #failures: Counter;

  constructor(options: VerifierOptions) {
    this.#options = options;
    const prefix = 'kafka_server_addpartitionstotxnmanager';
    this.#tookMs = options.metrics.histogram(
      `${prefix}_verificationtimems`,
      'Time until a coordinator has told whether partitions are in a transaction, in milliseconds',
    );
    this.#failures = options.metrics.counter(
      `${prefix}_verificationfailures_total`,
      'Partitions that a coordinator did not confirm or add to a transaction, for whatever reason, or of which it could not be asked; those of requests that their producers send again count each time',
    );
  }

  /** Whether a partition is in a transaction is told at once where this broker coordinates. */
  ask(demand: Demand, asker: TransactionAsker, topic: string, partition: number): Promise<number> | number {
    const { clock } = this.#options;
    const leader = this.#leaderOf(asker.transactionalId);
    // Nobody was asked, so nothing is counted (`AddPartitionsToTxnManager`).
    if (leader < 0) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const startMs = clock.monotonic();
    const count = (errorCode: number): number => {
      this.#tookMs.observe(clock.monotonic() - startMs);
      if (errorCode !== ErrorCode.NONE) this.#failures.add(1);
      return errorCode;
    };
    const answer = this.#askCoordinator(leader, { demand, asker, topic, partition });
    return answer instanceof Promise ? answer.then(count) : count(answer);
  }

  #askCoordinator(leader: number, question: Omit<Question, 'resolve'>): Promise<number> | number {
    const { brokerId, coordinator } = this.#options;
    const { demand, asker, topic, partition } = question;
    if (leader === brokerId) {
      if (demand === 'add') return this.#addHere(asker, topic, partition);
      const codes = coordinator.verify(asker, onlyWith(topic, partition));
      return codes.get(topic)?.get(partition) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    }
    return new Promise((resolve) => this.#queue(leader, { ...question, resolve }));
  }

  /** Partitions of one request go into one write: each further one would be another sync before its records are. */
  #addHere(asker: TransactionAsker, topic: string, partition: number): Promise<number> | number {
    const { coordinator } = this.#options;
    const known = this.#additions.get(asker.transactionalId);
    if (known === undefined) {
      const partitions = onlyWith(topic, partition);
      const outcome = Promise.resolve().then(() => {
        this.#additions.delete(asker.transactionalId);
        return coordinator.addPartitions(asker, partitions, false);
      });
      this.#additions.set(asker.transactionalId, { asker, partitions, outcome });
      return outcome;
    }
    if (!isOneProducer(known.asker, asker)) return coordinator.addPartitions(asker, onlyWith(topic, partition), false);
    const sameTopic = known.partitions.get(topic);
    if (sameTopic === undefined) known.partitions.set(topic, new Set([partition]));
    else sameTopic.add(partition);
    return known.outcome;
  }

  /** Until it makes sense to ask again: the transaction before was not complete, whose end needs some milliseconds. */
  pause({ transactionalId }: TransactionAsker): Promise<void> {
    const { brokerId, coordinator } = this.#options;
    if (this.#leaderOf(transactionalId) === brokerId) return coordinator.whenComplete(transactionalId);
    return new Promise((resolve) => this.#options.deadlines.set(new Deadline(resolve), BUSY_PAUSE_MS));
  }

  /** Who coordinates a transactional id; -1 where nobody does. */
  #leaderOf(transactionalId: string): number {
    const { cluster, partitionCount } = this.#options;
    const count = partitionCount();
    if (count === undefined) return -1;
    return cluster.partition(TRANSACTIONS_TOPIC, partitionOf(transactionalId, count))?.leader ?? -1;
  }

  #queue(leader: number, question: Question): void {
    const queue = this.#queues.get(leader);
    if (queue === undefined) {
      this.#queues.set(leader, [question]);
      this.#options.guard.settle(`Asking broker ${leader} for transactions`, this.#work(leader));
    } else if (queue.length >= QUESTIONS_MAX) {
      question.resolve(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    } else {
      queue.push(question);
    }
  }

  async #work(leader: number): Promise<void> {
    // The other partitions of the same request ask in this turn.
    await Promise.resolve();
    for (
      let queue = this.#queues.get(leader);
      queue !== undefined && queue.length > 0;
      queue = this.#queues.get(leader)
    ) {
      const questions = takeQuestions(queue);
      const answer = await this.#ask(leader, questions);
      if (answer === CANNOT_TELL) {
        for (const question of questions) question.resolve(codeOfOldCoordinator(question));
        continue;
      }
      for (const question of questions) {
        question.resolve(
          typeof answer === 'object' ? (answerTo(question, answer) ?? ErrorCode.UNKNOWN_SERVER_ERROR) : answer,
        );
      }
    }
    this.#queues.delete(leader);
  }

  /** The answer, or what to answer all with. */
  async #ask(
    leader: number,
    questions: readonly Question[],
  ): Promise<AddPartitionsToTxnResponse | number | typeof CANNOT_TELL> {
    const { lanes, timeoutMs } = this.#options;
    let canTell = true;
    const body = (version: number): AddPartitionsToTxnRequestInput => {
      canTell = version >= VERIFY_SINCE;
      return canTell ? requestOf(questions) : {};
    };
    // Whatever goes wrong here: who waits is answered, and those who come behind are asked for.
    try {
      const lane = lanes.to(leader);
      if (lane === undefined) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
      const answer = await lane.send(AddPartitionsToTxn, 'auto', body, {
        timeoutMs: Math.min(timeoutMs, ANSWER_MS_MAX),
      });
      if (!canTell) return CANNOT_TELL;
      return answer.errorCode === ErrorCode.NONE ? answer : answer.errorCode;
    } catch {
      return ErrorCode.NETWORK_EXCEPTION;
    }
  }
}

/**
 * A coordinator of a release that cannot tell leaves its producers unverified, as among its like. It adds nothing for brokers either:
 * the transaction is given up, and the next is begun the old way.
 */
function codeOfOldCoordinator({ demand }: Question): number {
  return demand === 'add' ? ErrorCode.TRANSACTION_ABORTABLE : ErrorCode.NONE;
}

/** All that wait, but of each transactional id one producer, epoch and demand: answers tell ids alone apart. */
function takeQuestions(queue: Question[]): readonly Question[] {
  const first = new Map<string, Question>();
  const taken: Question[] = [];
  const rest: Question[] = [];
  for (const question of queue) {
    const { transactionalId } = question.asker;
    const known = first.get(transactionalId);
    if (known === undefined) first.set(transactionalId, question);
    const isSame = known === undefined || isOfOne(known, question);
    (isSame ? taken : rest).push(question);
  }
  queue.splice(0, queue.length, ...rest);
  return taken;
}

function isOfOne(a: Question, b: Question): boolean {
  return isOneProducer(a.asker, b.asker) && a.demand === b.demand;
}

/** Of two that go by the same transactional id. */
function isOneProducer(a: TransactionAsker, b: TransactionAsker): boolean {
  return a.producerId === b.producerId && a.producerEpoch === b.producerEpoch;
}

function onlyWith(topic: string, partition: number): Map<string, Set<number>> {
  return new Map([[topic, new Set([partition])]]);
}

function requestOf(questions: readonly Question[]): AddPartitionsToTxnRequestInput {
  const byId = Map.groupBy(questions, ({ asker }) => asker.transactionalId);
  return {
    transactions: Array.from(byId, ([transactionalId, all]) => ({
      transactionalId,
      producerId: all[0]?.asker.producerId ?? -1,
      producerEpoch: all[0]?.asker.producerEpoch ?? -1,
      verifyOnly: all[0]?.demand !== 'add',
      topics: Array.from(
        Map.groupBy(all, ({ topic }) => topic),
        ([name, each]) => ({ name, partitions: [...new Set(each.map(({ partition }) => partition))] }),
      ),
    })),
  };
}

function answerTo({ asker, topic, partition }: Question, answer: AddPartitionsToTxnResponse): number | undefined {
  const results = answer.resultsByTransaction.find(({ transactionalId }) => transactionalId === asker.transactionalId);
  const result = results?.topicResults.find(({ name }) => name === topic);
  return result?.resultsByPartition.find(({ partitionIndex }) => partitionIndex === partition)?.partitionErrorCode;
}
