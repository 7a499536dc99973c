import {
  AddPartitionsToTxn,
  type AddPartitionsToTxnRequestInput,
  type AddPartitionsToTxnResponse,
  ErrorCode,
} from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { TRANSACTIONS_TOPIC } from '../cluster/internal-topics.ts';
import type { Guard } from '../shared/guard.ts';
import { partitionOf } from '../shared/java-hash.ts';
import type { BrokerLines } from './broker-lines.ts';
import type { TransactionAsker, TransactionCoordinator } from './transaction-coordinator.ts';

/** The first version that can ask without adding. */
const VERIFY_SINCE = 4;

/** How many questions may wait for one coordinator; what comes beyond is refused, and its producer tries again. */
const QUESTIONS_MAX = 10_000;

export interface VerifierOptions {
  readonly brokerId: number;
  readonly cluster: ClusterImage;
  readonly lines: BrokerLines;
  readonly coordinator: TransactionCoordinator;
  readonly guard: Guard;
  readonly timeoutMs: number;
}

interface Question {
  readonly asker: TransactionAsker;
  readonly topic: string;
  readonly partition: number;
  readonly resolve: (errorCode: number) => void;
}

/** Asks the coordinators of transactions, here or elsewhere, whether partitions are in an open transaction (KIP-890). */
export class Verifier {
  readonly #options: VerifierOptions;
  /** By coordinator. One request is under way at a time; what comes meanwhile goes into the next. */
  readonly #queues = new Map<number, Question[]>();

  constructor(options: VerifierOptions) {
    this.#options = options;
  }

  /** At once where this broker coordinates. */
  verify(asker: TransactionAsker, topic: string, partition: number): Promise<number> | number {
    const { brokerId, cluster, coordinator } = this.#options;
    const partitions = cluster.topic(TRANSACTIONS_TOPIC)?.partitions ?? [];
    const leader = partitions[partitionOf(asker.transactionalId, Math.max(partitions.length, 1))]?.leader ?? -1;
    if (leader < 0) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    if (leader === brokerId) {
      const codes = coordinator.verify(asker, new Map([[topic, new Set([partition])]]));
      return codes.get(topic)?.get(partition) ?? ErrorCode.UNKNOWN_SERVER_ERROR;
    }
    return new Promise((resolve) => this.#queue(leader, { asker, topic, partition, resolve }));
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
    for (
      let queue = this.#queues.get(leader);
      queue !== undefined && queue.length > 0;
      queue = this.#queues.get(leader)
    ) {
      const questions = takeQuestions(queue);
      const answer = await this.#ask(leader, questions);
      for (const question of questions) {
        question.resolve(
          typeof answer === 'number' ? answer : (answerTo(question, answer) ?? ErrorCode.UNKNOWN_SERVER_ERROR),
        );
      }
    }
    this.#queues.delete(leader);
  }

  /** The answer, or what to answer all with. */
  async #ask(leader: number, questions: readonly Question[]): Promise<AddPartitionsToTxnResponse | number> {
    const { lines, timeoutMs } = this.#options;
    const line = lines.to(leader);
    if (line === undefined) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    let canTell = true;
    const body = (version: number): AddPartitionsToTxnRequestInput => {
      canTell = version >= VERIFY_SINCE;
      return canTell ? requestOf(questions) : {};
    };
    try {
      const answer = await line.send(AddPartitionsToTxn, 'auto', body, { timeoutMs });
      // A coordinator of a release that cannot tell leaves its producers unverified, as among its like.
      if (!canTell) return ErrorCode.NONE;
      return answer.errorCode === ErrorCode.NONE ? answer : answer.errorCode;
    } catch {
      return ErrorCode.NETWORK_EXCEPTION;
    }
  }
}

/** All that wait, but of each transactional id one producer and epoch: answers tell ids alone apart. */
function takeQuestions(queue: Question[]): readonly Question[] {
  const first = new Map<string, TransactionAsker>();
  const taken: Question[] = [];
  const rest: Question[] = [];
  for (const question of queue) {
    const { transactionalId, producerId, producerEpoch } = question.asker;
    const known = first.get(transactionalId);
    if (known === undefined) first.set(transactionalId, question.asker);
    const isSame = known === undefined || (known.producerId === producerId && known.producerEpoch === producerEpoch);
    (isSame ? taken : rest).push(question);
  }
  queue.splice(0, queue.length, ...rest);
  return taken;
}

function requestOf(questions: readonly Question[]): AddPartitionsToTxnRequestInput {
  const byId = Map.groupBy(questions, ({ asker }) => asker.transactionalId);
  return {
    transactions: Array.from(byId, ([transactionalId, all]) => ({
      transactionalId,
      producerId: all[0]?.asker.producerId ?? -1,
      producerEpoch: all[0]?.asker.producerEpoch ?? -1,
      verifyOnly: true,
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
