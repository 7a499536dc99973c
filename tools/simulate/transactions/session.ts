import {
  AddOffsetsToTxn,
  AddPartitionsToTxn,
  ApiVersions,
  EndTxn,
  ErrorCode,
  errorInfo,
  FindCoordinator,
  InitProducerId,
  Produce,
} from '@millrace/protocol';
import type { ClientTools } from '../clients/client.ts';
import type { GroupProtocol, Membership } from '../clients/group-protocol.ts';
import { produceOutcome } from '../clients/produce-outcome.ts';
import { NoAnswer, type Requester } from '../clients/requester.ts';
import { Router } from '../clients/router.ts';
import type { PartitionRef } from '../clients/topics.ts';
import { encodeBatch, type OutgoingRecord } from '../clients/values.ts';
import type { Transaction, TransactionLedger } from './transaction-ledger.ts';

/** Who writes in transactions. Several with one id replace one another, as restarted instances do. */
export interface SessionTraits {
  readonly name: string;
  readonly transactionalId: string;
  readonly requestTimeoutMs: number;
  readonly transactionTimeoutMs: number;
  /** Whether it speaks the protocol of Kafka 4.0 where the brokers do (KIP-890), as clients find out by ApiVersions. */
  readonly isNew: boolean;
}

const VERSIONS = { features: 3, find: 3, init: 4, add: 3, addOffsets: 3 } as const;
/** The old protocol, and the one in which partitions are added by what is written, and each end raises the epoch. */
const OLD = { produce: 9, end: 3, offsets: 3 } as const;
const NEW = { produce: 12, end: 5, offsets: 5 } as const;
/** `transaction.version` from which the new one is spoken. */
const NEW_SINCE = 2;
const TRANSACTION_KEY = 1;
const RETRY_MS = 50;
/** How long one step of a transaction is tried for. */
const STEP_MS_MAX = 3000;
/** How long the network holds a batch up that comes late. */
const LATE_MS_MAX = 600;
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

/** A producer's life with one transactional id: it gets an identity, and writes one transaction after the other. */
export class TransactionSession {
  readonly #traits: SessionTraits;
  readonly #tools: ClientTools;
  readonly #ledger: TransactionLedger;
  readonly #router: Router;
  #coordinator: Requester | undefined;
  #identity: Identity | undefined;
  /** The last one it had, by which it may ask for the next (KIP-360). */
  #former: Identity | undefined;
  #speaksNew = false;
  readonly #sequences = new Map<string, number>();
  /** What was sent late, and is on its way. */
  readonly #late = new Set<Promise<void>>();
  #count = 0;
  #order = 0;

  constructor(traits: SessionTraits, ledger: TransactionLedger, router: Router, tools: ClientTools) {
    this.#traits = traits;
    this.#ledger = ledger;
    this.#router = router;
    this.#tools = tools;
  }

  /** Whether a transaction may begin. */
  get isReady(): boolean {
    return this.#identity !== undefined;
  }

  /** Forgets where it stands: only a new epoch tells. */
  reset(): void {
    this.#identity = undefined;
  }

  /** Gets an identity, at which all others of the same id are fenced off. With `asFormer`, only if nobody else has got one since. */
  async begin(asFormer: boolean): Promise<boolean> {
    const { transactionalId, transactionTimeoutMs } = this.#traits;
    const former = asFormer ? this.#former : undefined;
    let identity: Identity | undefined;
    let speaksNew = false;
    const step = await this.#step(async (timeoutMs) => {
      const coordinator = await this.#coordinate(timeoutMs);
      speaksNew = this.#traits.isNew && (await levelOf(coordinator, timeoutMs)) >= NEW_SINCE;
      const answer = await coordinator.ask(
        InitProducerId,
        VERSIONS.init,
        { transactionalId, transactionTimeoutMs, ...former },
        timeoutMs,
      );
      identity = { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
      return answer.errorCode;
    });
    this.#former = undefined;
    if (step === 'nobody answers' || step.errorCode !== ErrorCode.NONE || identity === undefined) return false;
    this.#speaksNew = speaksNew;
    this.#takeUp(identity, true);
    return true;
  }

  #takeUp(identity: Identity, isReplacing: boolean): void {
    const { producerId, producerEpoch: epoch } = identity;
    const { name: client, transactionalId } = this.#traits;
    const sinceMs = this.#tools.clock.monotonic();
    this.#ledger.identities.push({ client, transactionalId, producerId, epoch, sinceMs, isReplacing });
    this.#sequences.clear();
    this.#identity = identity;
    this.#former = identity;
    this.#trace(`is producer ${producerId} in epoch ${epoch}${this.#speaksNew ? ', the new way' : ''}`);
  }

  /** @throws Error without an identity */
  open(): Transaction {
    const identity = this.#present();
    const transaction: Transaction = {
      client: this.#traits.name,
      transactionalId: this.#traits.transactionalId,
      producerId: identity.producerId,
      epoch: identity.producerEpoch,
      values: new Map(),
      offsets: new Map(),
      sent: new Set(),
      outcome: 'open',
      askedMs: -1,
    };
    this.#ledger.transactions.push(transaction);
    return transaction;
  }

  /** A value that no other record has. */
  value(about = ''): string {
    this.#count += 1;
    return `${about}${this.#traits.name}.${this.#count}`;
  }

  /** Writes a batch; whether it is there. */
  async write(transaction: Transaction, partition: PartitionRef, values: readonly string[]): Promise<boolean> {
    if (!this.#speaksNew && !(await this.#add(partition))) return false;
    const { name } = partition;
    const produced = this.#produceOf(transaction, partition, values);
    let baseOffset = -1;
    let mayBeWritten = false;
    const step = await this.#step(async (timeoutMs) => {
      const leader = await this.#router.leaderOf(partition);
      mayBeWritten = true;
      const { version } = produced;
      const answer = await leader.ask(Produce, version, produced.body(timeoutMs), timeoutMs);
      const [response] = answer.responses[0]!.partitionResponses;
      this.#router.noteError(response!.errorCode);
      baseOffset = response!.baseOffset;
      const outcome = produceOutcome(response!.errorCode, version, this.#tools.hosts.length > 1);
      return outcome === 'written' ? ErrorCode.NONE : response!.errorCode;
    });
    if (!isDone(step)) {
      if (!mayBeWritten) produced.pending.failed();
      return false;
    }
    produced.pending.ok(baseOffset);
    this.#sequences.set(name, (this.#sequences.get(name) ?? 0) + values.length);
    transaction.values.set(name, [...(transaction.values.get(name) ?? []), ...values]);
    if (baseOffset >= 0) for (const [at, value] of values.entries()) transaction.offsets.set(value, baseOffset + at);
    return true;
  }

  /**
   * Sends a batch that the network holds up, and does not wait for it: it may come behind the end of its transaction, as one that its producer
   * has given up. Only one with the next epoch may go on from there.
   */
  async writeLate(transaction: Transaction, partition: PartitionRef, values: readonly string[]): Promise<void> {
    if (!this.#speaksNew && !(await this.#add(partition))) return;
    const { clock, dice } = this.#tools;
    const { version, body } = this.#produceOf(transaction, partition, values);
    const timeoutMs = this.#traits.requestTimeoutMs;
    const delayMs = dice.time(0, LATE_MS_MAX);
    const way = new Router(`${this.#traits.name} late`, this.#tools);
    const arrive = async (): Promise<void> => {
      await clock.sleep(delayMs);
      const leader = await way.leaderOf(partition);
      await leader.ask(Produce, version, body(timeoutMs), timeoutMs);
    };
    const arriving = arrive()
      .catch((error: unknown) => {
        if (!(error instanceof NoAnswer)) throw error;
      })
      .finally(() => this.#late.delete(arriving));
    this.#late.add(arriving);
  }

  /** Resolves when nothing is on its way any more that was sent late. */
  async whenQuiet(): Promise<void> {
    await Promise.all(this.#late);
  }

  /** A request to write a batch, and what is noted of it. */
  #produceOf(transaction: Transaction, { topic, index, name }: PartitionRef, values: readonly string[]) {
    const { clock, history } = this.#tools;
    const { name: client, transactionalId } = this.#traits;
    for (const value of values) transaction.sent.add(value);
    const timestampMs = clock.now();
    this.#order += 1;
    const sent = { timestampMs, client, partition: name, acks: -1, isOnce: true } as const;
    // A key that no other record has: compaction may take what was aborted, and nothing else.
    const isCompacted = history.topics.some((each) => each.isCompacted && each.topic === topic.name);
    const keys = values.map((value) => (isCompacted ? value : null));
    const pending = history.send({ ...sent, values, keys, order: this.#order });
    const records = values.map(
      (value, at): OutgoingRecord => ({ value, key: keys[at]!, sizeBytes: VALUE_BYTES + value.length }),
    );
    const baseSequence = this.#sequences.get(name) ?? 0;
    const bytes = encodeBatch(records, timestampMs, { ...this.#present(), baseSequence, isTransactional: true });
    const body = (timeoutMs: number) => {
      const topicData = [{ name: topic.name, partitionData: [{ index, records: Buffer.from(bytes) }] }];
      return { transactionalId, acks: -1, timeoutMs, topicData };
    };
    return { pending, body, version: (this.#speaksNew ? NEW : OLD).produce };
  }

  async #add({ topic, index }: PartitionRef): Promise<boolean> {
    const { producerId, producerEpoch } = this.#present();
    const step = await this.#step(async (timeoutMs) => {
      const coordinator = await this.#coordinate(timeoutMs);
      const body = {
        v3AndBelowTransactionalId: this.#traits.transactionalId,
        v3AndBelowProducerId: producerId,
        v3AndBelowProducerEpoch: producerEpoch,
        v3AndBelowTopics: [{ name: topic.name, partitions: [index] }],
      };
      const answer = await coordinator.ask(AddPartitionsToTxn, VERSIONS.add, body, timeoutMs);
      return answer.resultsByTopicV3AndBelow[0]!.resultsByPartition[0]!.partitionErrorCode;
    });
    return isDone(step);
  }

  /** Has offsets of a group be committed with the transaction; whether they will be. */
  async sendOffsets(
    group: GroupProtocol,
    member: Membership,
    offsets: ReadonlyMap<PartitionRef, number>,
  ): Promise<boolean> {
    const { transactionalId } = this.#traits;
    const identity = this.#present();
    if (!this.#speaksNew) {
      const added = await this.#step(async (timeoutMs) => {
        const coordinator = await this.#coordinate(timeoutMs);
        const body = { transactionalId, ...identity, groupId: group.group };
        return (await coordinator.ask(AddOffsetsToTxn, VERSIONS.addOffsets, body, timeoutMs)).errorCode;
      });
      if (!isDone(added)) return false;
    }
    const version = (this.#speaksNew ? NEW : OLD).offsets;
    const producer = { transactionalId, ...identity };
    return isDone(await this.#step(() => group.commitIn(producer, version, member, offsets)));
  }

  /** Commits or aborts. Whether it did, so that the next transaction may begin. */
  async end(transaction: Transaction, committed: boolean): Promise<boolean> {
    const { transactionalId } = this.#traits;
    const identity = this.#present();
    const version = (this.#speaksNew ? NEW : OLD).end;
    let next: Identity | undefined;
    const step = await this.#step(async (timeoutMs) => {
      const coordinator = await this.#coordinate(timeoutMs);
      transaction.askedMs = this.#tools.clock.monotonic();
      const answer = await coordinator.ask(EndTxn, version, { transactionalId, ...identity, committed }, timeoutMs);
      next = { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
      return answer.errorCode;
    });
    // One whose commit was never carried out, for all that is known, was not committed; nobody commits it later.
    const isInDoubt = committed && (step === 'nobody answers' || step.wasInDoubt);
    if (isDone(step)) transaction.outcome = committed ? 'committed' : 'aborted';
    else transaction.outcome = isInDoubt ? 'unknown' : 'aborted';
    const values = [...transaction.values.values()].flat();
    this.#trace(`${committed ? 'commits' : 'aborts'} ${values.join(' ')}: ${transaction.outcome}`);
    if (isDone(step) && this.#speaksNew && next !== undefined) this.#takeUp(next, false);
    return isDone(step);
  }

  #present(): Identity {
    if (this.#identity === undefined) throw new Error(`${this.#traits.name} has no identity`);
    return this.#identity;
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
    this.#tools.trace?.(this.#traits.name, message);
  }
}

function isDone(step: Step): boolean {
  return step !== 'nobody answers' && step.errorCode === ErrorCode.NONE;
}

/** `transaction.version` of the cluster, as a broker tells it. */
async function levelOf(broker: Requester, timeoutMs: number): Promise<number> {
  const body = { clientSoftwareName: 'simulated', clientSoftwareVersion: '1' };
  const { finalizedFeatures } = await broker.ask(ApiVersions, VERSIONS.features, body, timeoutMs);
  return finalizedFeatures.find(({ name }) => name === 'transaction.version')?.maxVersionLevel ?? 0;
}
