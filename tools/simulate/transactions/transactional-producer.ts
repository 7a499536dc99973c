import {
  AddPartitionsToTxn,
  EndTxn,
  ErrorCode,
  errorInfo,
  FindCoordinator,
  InitProducerId,
  Produce,
} from '@millrace/protocol';
import type { ClientTools, SimulatedClient } from '../clients/client.ts';
import { produceOutcome } from '../clients/produce-outcome.ts';
import { NoAnswer, type Requester } from '../clients/requester.ts';
import { Router } from '../clients/router.ts';
import type { PartitionRef } from '../clients/topics.ts';
import { encodeBatch, type OutgoingRecord } from '../clients/values.ts';
import type { Transaction, TransactionLedger } from './ledger.ts';

/** What a transactional producer is like. Several with one id replace one another, as restarted instances do. */
export interface TransactionalTraits {
  readonly name: string;
  readonly transactionalId: string;
  readonly requestTimeoutMs: number;
  readonly transactionTimeoutMs: number;
  readonly pauseMsMax: number;
  readonly batchesMax: number;
  readonly commitPercent: number;
}

const VERSIONS = { find: 3, init: 4, add: 3, produce: 9, end: 3 } as const;
const TRANSACTION_KEY = 1;
const RETRY_MS = 50;
/** How long one step of a transaction is tried for. */
const STEP_MS_MAX = 3000;
/** How long one that was replaced waits before it comes back. */
const FENCED_MS_MAX = 900;
const VALUE_BYTES = 40;

/** Answers after which the same is asked again. */
const RETRIABLE: ReadonlySet<number> = new Set([
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.CONCURRENT_TRANSACTIONS,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.NETWORK_EXCEPTION,
]);

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** What came of a step: its answer, that it may have been carried out, or that it was not. */
type Step = { readonly errorCode: number; readonly wasInDoubt: boolean } | 'nobody answers';

/** Writes in transactions of several batches to several partitions, commits most of them and aborts the others. */
export class TransactionalProducer implements SimulatedClient {
  readonly name: string;
  readonly #traits: TransactionalTraits;
  readonly #partitions: readonly PartitionRef[];
  readonly #tools: ClientTools;
  readonly #ledger: TransactionLedger;
  readonly #router: Router;
  #coordinator: Requester | undefined;
  #identity: Identity | undefined;
  readonly #sequences = new Map<string, number>();
  #count = 0;
  #order = 0;
  #isStopped = false;

  constructor(
    traits: TransactionalTraits,
    partitions: readonly PartitionRef[],
    ledger: TransactionLedger,
    tools: ClientTools,
  ) {
    this.name = traits.name;
    this.#traits = traits;
    this.#partitions = partitions;
    this.#ledger = ledger;
    this.#tools = tools;
    this.#router = new Router(traits.name, tools);
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    while (!this.#isStopped) {
      await clock.sleep(dice.time(0, this.#traits.pauseMsMax));
      if (this.#isStopped) return;
      this.#identity ??= await this.#begin();
      if (this.#identity === undefined) continue;
      const isInOrder = await this.#transaction(this.#identity);
      if (isInOrder) continue;
      // Only a new epoch tells where it stands.
      this.#identity = undefined;
      await clock.sleep(dice.time(0, FENCED_MS_MAX));
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #begin(): Promise<Identity | undefined> {
    const { transactionalId, transactionTimeoutMs } = this.#traits;
    let identity: Identity | undefined;
    const step = await this.#step(async (timeoutMs) => {
      const coordinator = await this.#coordinate(timeoutMs);
      const body = { transactionalId, transactionTimeoutMs };
      const answer = await coordinator.ask(InitProducerId, VERSIONS.init, body, timeoutMs);
      identity = answer;
      return answer.errorCode;
    });
    if (step === 'nobody answers' || step.errorCode !== ErrorCode.NONE || identity === undefined) return undefined;
    const { producerId, producerEpoch: epoch } = identity;
    this.#ledger.identities.push({ transactionalId, producerId, epoch, sinceMs: this.#tools.clock.monotonic() });
    this.#sequences.clear();
    this.#trace(`is producer ${producerId} in epoch ${epoch}`);
    return identity;
  }

  /** Whether the next one may begin in the same epoch. */
  async #transaction(identity: Identity): Promise<boolean> {
    const { dice } = this.#tools;
    const transaction: Transaction = {
      client: this.name,
      transactionalId: this.#traits.transactionalId,
      producerId: identity.producerId,
      epoch: identity.producerEpoch,
      values: new Map(),
      sent: new Set(),
      outcome: 'open',
      askedMs: -1,
    };
    this.#ledger.transactions.push(transaction);
    let isWhole = true;
    for (let batch = dice.between(1, this.#traits.batchesMax); batch > 0 && isWhole; batch -= 1) {
      isWhole = await this.#write(transaction, identity, dice.pick(this.#partitions));
    }
    // Some are left open, as by one that dies.
    if (isWhole && dice.chance(8)) return false;
    const commits = isWhole && dice.chance(this.#traits.commitPercent);
    return (await this.#end(transaction, identity, commits)) && isWhole;
  }

  async #write(transaction: Transaction, identity: Identity, partition: PartitionRef): Promise<boolean> {
    const { topic, index, name } = partition;
    const added = await this.#step(async (timeoutMs) => {
      const coordinator = await this.#coordinate(timeoutMs);
      const body = {
        v3AndBelowTransactionalId: this.#traits.transactionalId,
        v3AndBelowProducerId: identity.producerId,
        v3AndBelowProducerEpoch: identity.producerEpoch,
        v3AndBelowTopics: [{ name: topic.name, partitions: [index] }],
      };
      const answer = await coordinator.ask(AddPartitionsToTxn, VERSIONS.add, body, timeoutMs);
      return answer.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode;
    });
    if (added === 'nobody answers' || added.errorCode !== ErrorCode.NONE) return false;
    return this.#produce(transaction, identity, partition, name);
  }

  async #produce(
    transaction: Transaction,
    identity: Identity,
    { topic, index }: PartitionRef,
    name: string,
  ): Promise<boolean> {
    const { clock, dice, history, hosts } = this.#tools;
    const records = Array.from({ length: dice.between(1, 3) }, (): OutgoingRecord => {
      this.#count += 1;
      return { value: `${this.name}.${this.#count}`, key: null, sizeBytes: VALUE_BYTES };
    });
    const values = records.map(({ value }) => value);
    for (const value of values) transaction.sent.add(value);
    const timestampMs = clock.now();
    const keys = records.map(() => null);
    const sent = { timestampMs, client: this.name, partition: name, values, keys, acks: -1, isOnce: true } as const;
    this.#order += 1;
    const pending = history.send({ ...sent, order: this.#order });
    const baseSequence = this.#sequences.get(name) ?? 0;
    const bytes = encodeBatch(records, timestampMs, { ...identity, baseSequence, isTransactional: true });
    let baseOffset = -1;
    let mayBeWritten = false;
    const step = await this.#step(async (timeoutMs) => {
      const leader = await this.#router.leaderOf({ topic, index, name });
      mayBeWritten = true;
      const topicData = [{ name: topic.name, partitionData: [{ index, records: Buffer.from(bytes) }] }];
      const body = { transactionalId: this.#traits.transactionalId, acks: -1, timeoutMs, topicData };
      const answer = await leader.ask(Produce, VERSIONS.produce, body, timeoutMs);
      const [partition] = answer.responses[0]!.partitionResponses;
      this.#router.noteError(partition!.errorCode);
      baseOffset = partition!.baseOffset;
      const outcome = produceOutcome(partition!.errorCode, VERSIONS.produce, hosts.length > 1);
      return outcome === 'written' ? ErrorCode.NONE : partition!.errorCode;
    });
    const isWritten = step !== 'nobody answers' && step.errorCode === ErrorCode.NONE;
    if (!isWritten) {
      if (!mayBeWritten) pending.failed();
      return false;
    }
    pending.ok(baseOffset);
    this.#sequences.set(name, baseSequence + records.length);
    transaction.values.set(name, [...(transaction.values.get(name) ?? []), ...values]);
    return true;
  }

  async #end(transaction: Transaction, identity: Identity, committed: boolean): Promise<boolean> {
    const { transactionalId } = this.#traits;
    const step = await this.#step(async (timeoutMs) => {
      const coordinator = await this.#coordinate(timeoutMs);
      transaction.askedMs = this.#tools.clock.monotonic();
      const answer = await coordinator.ask(
        EndTxn,
        VERSIONS.end,
        { transactionalId, ...identity, committed },
        timeoutMs,
      );
      return answer.errorCode;
    });
    const isDone = step !== 'nobody answers' && step.errorCode === ErrorCode.NONE;
    // One whose commit was never carried out, for all that is known, was not committed; nobody commits it later.
    const isInDoubt = committed && (step === 'nobody answers' || step.wasInDoubt);
    if (isDone) transaction.outcome = committed ? 'committed' : 'aborted';
    else transaction.outcome = isInDoubt ? 'unknown' : 'aborted';
    const values = [...transaction.values.values()].flat();
    this.#trace(`${committed ? 'commits' : 'aborts'} ${values.join(' ')}: ${transaction.outcome}`);
    return isDone;
  }

  async #coordinate(timeoutMs: number): Promise<Requester> {
    if (this.#coordinator !== undefined) return this.#coordinator;
    const body = { key: this.#traits.transactionalId, keyType: TRANSACTION_KEY };
    const { errorCode, host } = await this.#router.any().ask(FindCoordinator, VERSIONS.find, body, timeoutMs);
    if (errorCode !== ErrorCode.NONE) throw new NoAnswer(`no coordinator: ${errorInfo(errorCode).name}`, false);
    this.#coordinator = this.#router.to(host);
    return this.#coordinator;
  }

  /** Asks until there is an answer that counts. */
  async #step(ask: (timeoutMs: number) => Promise<number>): Promise<Step> {
    const { clock, dice } = this.#tools;
    const limitMs = clock.monotonic() + STEP_MS_MAX;
    let wasInDoubt = false;
    do {
      try {
        const errorCode = await ask(this.#traits.requestTimeoutMs);
        if (!RETRIABLE.has(errorCode)) {
          if (errorCode !== ErrorCode.NONE) this.#trace(errorInfo(errorCode).name);
          // Something threw in the broker, which may have happened behind the write.
          return { errorCode, wasInDoubt: wasInDoubt || errorCode === ErrorCode.UNKNOWN_SERVER_ERROR };
        }
        // One that is no coordinator any more may have noted it before.
        wasInDoubt ||= errorCode !== ErrorCode.CONCURRENT_TRANSACTIONS;
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        wasInDoubt ||= error.wasSent;
        this.#router.forget();
      }
      this.#coordinator = undefined;
      await clock.sleep(dice.time(RETRY_MS / 2, RETRY_MS));
    } while (clock.monotonic() < limitMs);
    return wasInDoubt ? 'nobody answers' : { errorCode: ErrorCode.REQUEST_TIMED_OUT, wasInDoubt };
  }

  #trace(message: string): void {
    this.#tools.trace?.(this.name, message);
  }
}
