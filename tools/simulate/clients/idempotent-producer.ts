import { ErrorCode, errorInfo, InitProducerId, Produce } from '@millrace/protocol';
import type { Pending, RefusedSequence } from '../history.ts';
import type { ClientTools, SimulatedClient } from './client.ts';
import { type ProducerPlan, ValueMaker } from './plain-producer.ts';
import { produceOutcome } from './produce-outcome.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';
import type { PartitionRef } from './topics.ts';
import { encodeBatch, type OutgoingRecord } from './values.ts';

/** The plan of a producer whose batches carry sequence numbers. */
export interface IdempotentProducerPlan extends ProducerPlan {
  /** How long a batch is tried for. */
  readonly deliveryTimeoutMs: number;
}

interface Identity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

interface Batch {
  readonly records: readonly OutgoingRecord[];
  readonly pending: Pending;
  readonly bytes: Buffer;
  readonly createdMs: number;
  /** Whether an attempt is under way, or has ended so that it may have been carried out. */
  mayBeWritten: boolean;
}

const RETRY_MS = 60;

/** Errors of a batch that no attempt will mend. */
const REFUSED: ReadonlySet<number> = new Set([
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.CORRUPT_MESSAGE,
]);

/** Errors that nobody gets who keeps to the protocol: the broker has lost the sequence. */
const FATAL: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_PRODUCER_ID,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.INVALID_PRODUCER_ID_MAPPING,
]);

/**
 * The batches of one partition, in their order: several under way, and after a failure all that is not acknowledged again from
 * the first on, until each has its answer. That is what makes a batch come once, and in its place.
 */
class Lane {
  readonly #producer: IdempotentProducer;
  readonly #plan: IdempotentProducerPlan;
  readonly #tools: ClientTools;
  readonly #partition: PartitionRef;
  #identity: Identity | undefined;
  #sequence = 0;
  /** What is not acknowledged, in order. The first `#inFlight` of it are under way. */
  #queue: Batch[] = [];
  #inFlight = 0;
  #hasFailed = false;
  #isWaiting = false;
  /** Whether a batch of this sequence was acknowledged: a broker that knows none of it takes any as the first. */
  #hasBegun = false;
  /** The highest offset that an acknowledgement of this sequence has told. */
  #acknowledgedTo = -1;
  /** Raised whenever answers to what is under way no longer count. */
  #attempt = 0;

  constructor(producer: IdempotentProducer, plan: IdempotentProducerPlan, tools: ClientTools, partition: PartitionRef) {
    this.#producer = producer;
    this.#plan = plan;
    this.#tools = tools;
    this.#partition = partition;
  }

  get length(): number {
    return this.#queue.length;
  }

  async send(records: readonly OutgoingRecord[], order: number): Promise<void> {
    this.#identity ??= await this.#producer.newIdentity();
    if (this.#identity === undefined) return;
    const { clock, history } = this.#tools;
    const timestampMs = clock.now();
    const pending = history.send({
      timestampMs,
      client: this.#producer.name,
      partition: this.#partition.name,
      values: records.map(({ value }) => value),
      keys: records.map(({ key }) => key),
      acks: -1,
      isOnce: true,
      order,
    });
    const { compression } = this.#plan;
    const bytes = encodeBatch(records, timestampMs, { ...this.#identity, baseSequence: this.#sequence, compression });
    this.#sequence += records.length;
    this.#queue.push({ records, pending, bytes, createdMs: clock.monotonic(), mayBeWritten: false });
    this.#pump();
  }

  #pump(): void {
    while (!this.#hasFailed && !this.#isWaiting) {
      const next = this.#queue[this.#inFlight];
      if (next === undefined || this.#inFlight >= (this.#hasBegun ? this.#plan.inFlightMax : 1)) return;
      this.#inFlight += 1;
      void this.#exchange(next, this.#attempt);
    }
  }

  async #exchange(batch: Batch, attempt: number): Promise<void> {
    const errorCode = await this.#produce(batch);
    if (attempt !== this.#attempt) return;
    this.#inFlight -= 1;
    if (typeof errorCode === 'number') this.#refused(batch, errorCode);
    else if (errorCode.isOver) this.#acknowledged(batch, errorCode.baseOffset);
    else this.#hasFailed = true;
    if (this.#hasFailed && this.#inFlight === 0) this.#tryAgain();
    this.#pump();
  }

  /** An error code, or what became of it. */
  async #produce(batch: Batch): Promise<number | { isOver: boolean; baseOffset: number }> {
    const { produceVersion, requestTimeoutMs } = this.#plan;
    const wasInDoubt = batch.mayBeWritten;
    const partitionData = [{ index: this.#partition.index, records: batch.bytes }];
    const body = {
      acks: -1,
      timeoutMs: requestTimeoutMs,
      topicData: [{ name: this.#partition.topic.name, partitionData }],
    };
    try {
      const leader = await this.#producer.router.leaderOf(this.#partition);
      batch.mayBeWritten = true;
      const answer = await leader.ask(Produce, produceVersion, body, requestTimeoutMs);
      const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
      this.#producer.router.noteError(errorCode);
      const outcome = produceOutcome(errorCode, produceVersion, this.#tools.hosts.length > 1);
      if (outcome === 'not written') batch.mayBeWritten = wasInDoubt;
      return outcome === 'written' ? { isOver: true, baseOffset } : errorCode;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#producer.router.forget();
      if (!error.wasSent) batch.mayBeWritten = wasInDoubt;
      this.#trace(error.message);
      return { isOver: false, baseOffset: -1 };
    }
  }

  #acknowledged(batch: Batch, baseOffset: number): void {
    if (this.#queue[0] !== batch) {
      // One before it has failed, of whose earlier attempts one was carried out: all are sent again to learn where they stand.
      this.#hasFailed = true;
      const before = this.#queue.slice(0, this.#queue.indexOf(batch));
      if (before.every(({ mayBeWritten }) => mayBeWritten)) return;
      this.#protest('out-of-sequence', 'a batch was taken though one before it is not in the log');
      return;
    }
    this.#queue.shift();
    this.#hasBegun = true;
    if (baseOffset >= 0) this.#acknowledgedTo = baseOffset + batch.records.length - 1;
    batch.pending.ok(baseOffset);
  }

  #refused(batch: Batch, errorCode: number): void {
    this.#hasFailed = true;
    this.#trace(errorInfo(errorCode).name);
    // A leader that was replaced without knowing does not know what its successor has acknowledged.
    const isCluster = this.#tools.hosts.length > 1;
    if (isCluster && errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER) {
      this.#producer.router.forget();
      return;
    }
    const isLost = this.#hasBegun && errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && this.#queue[0] === batch;
    if (isLost || FATAL.has(errorCode)) {
      // All before it are acknowledged, so the broker must know where the sequence stands.
      this.#protest(
        'sequence-lost',
        `${errorInfo(errorCode).name} for a batch whose predecessors are all acknowledged`,
        { values: batch.records.map(({ value }) => value), acknowledgedTo: this.#acknowledgedTo },
      );
      this.#abandon();
    } else if (REFUSED.has(errorCode)) {
      this.#abandon();
    }
  }

  #tryAgain(): void {
    const { clock, dice } = this.#tools;
    this.#hasFailed = false;
    const first = this.#queue[0];
    if (first === undefined) return;
    if (clock.monotonic() - first.createdMs > this.#plan.deliveryTimeoutMs) {
      this.#abandon();
      return;
    }
    this.#isWaiting = true;
    clock.schedule(dice.time(RETRY_MS / 2, RETRY_MS), () => {
      this.#isWaiting = false;
      this.#pump();
    });
  }

  /** A new sequence begins. What became of the batches of the old one nobody will know. */
  #abandon(): void {
    this.#trace(`gives up ${this.#queue.length} batches`);
    this.#attempt += 1;
    for (const { mayBeWritten, pending } of this.#queue) if (!mayBeWritten) pending.failed();
    this.#queue = [];
    this.#inFlight = 0;
    this.#hasFailed = false;
    this.#identity = undefined;
    this.#sequence = 0;
    this.#hasBegun = false;
    this.#acknowledgedTo = -1;
  }

  #protest(anomaly: string, message: string, sequence?: RefusedSequence): void {
    const { history } = this.#tools;
    const { name } = this.#producer;
    history.add({
      kind: 'protest',
      at: history.tick(),
      client: name,
      partition: this.#partition.name,
      anomaly,
      message,
      ...(sequence === undefined ? {} : { sequence }),
    });
  }

  #trace(message: string): void {
    this.#tools.trace?.(this.#producer.name, `${this.#partition.name}: ${message}`);
  }
}

/** A producer with sequence numbers: what it sends is in the log once and in order, whatever it has to send again. */
export class IdempotentProducer implements SimulatedClient {
  readonly name: string;
  readonly router: Router;
  readonly #plan: IdempotentProducerPlan;
  readonly #tools: ClientTools;
  readonly #lanes: Lane[];
  readonly #values: ValueMaker;
  #order = 0;
  #isStopped = false;

  constructor(plan: IdempotentProducerPlan, tools: ClientTools) {
    this.name = plan.name;
    this.#plan = plan;
    this.#tools = tools;
    this.router = new Router(plan.name, tools);
    this.#values = new ValueMaker(plan, tools);
    this.#lanes = plan.partitions.map((partition) => new Lane(this, plan, tools, partition));
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    const { pauseMsMax, inFlightMax, deliveryTimeoutMs } = this.#plan;
    while (!this.#isStopped) {
      await clock.sleep(dice.time(0, pauseMsMax));
      const lane = dice.pick(this.#lanes);
      if (!this.#isStopped && lane.length < inFlightMax * 2) await lane.send(this.#values.records(), this.#order++);
    }
    const deadlineMs = clock.monotonic() + deliveryTimeoutMs;
    while (this.#lanes.some(({ length }) => length > 0) && clock.monotonic() < deadlineMs) {
      await clock.sleep(RETRY_MS);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Undefined when the broker cannot be asked now. */
  async newIdentity(): Promise<Identity | undefined> {
    try {
      const answer = await this.router
        .any()
        .ask(
          InitProducerId,
          this.#tools.dice.between(0, 4),
          { transactionalId: null, transactionTimeoutMs: 60_000 },
          this.#plan.requestTimeoutMs,
        );
      return answer.errorCode === ErrorCode.NONE ? answer : undefined;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return undefined;
    }
  }
}
