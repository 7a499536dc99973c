import { defaultLogConfig, LogManager } from '@millrace/log';
import { ManualClock, MemoryDisk, seededRandom, silentLogger } from '@millrace/ports';
import { type AddPartitionsToTxnRequestInput, ErrorCode } from '@millrace/protocol';
import {
  batchIsControl,
  batchProducerEpoch,
  buildEndTxnMarker,
  ControlRecordType,
  splitBatches,
} from '@millrace/records';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import { Partition, type PartitionAppend } from '../replicas/partition.ts';
import { TrafficCounters } from '../replicas/partition-traffic.ts';
import { Deadlines } from '../shared/deadlines.ts';
import { Guard } from '../shared/guard.ts';
import { noMetrics } from '../shared/metrics.ts';
import { batchOf } from '../testing/test-broker.ts';
import type { BrokerLanes } from './broker-lanes.ts';
import type { TransactionCoordinator } from './transaction-coordinator.ts';
import { VerifiedAppends, verifyOffsets } from './verified-appends.ts';
import { type Demand, Verifier } from './verifier.ts';

const BROKER_ID = 1;
const COORDINATOR_ID = 2;
const PRODUCER_ID = 7;
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const APPEND: PartitionAppend = { origin: 'client', acks: -1, timeoutMs: 1000 };
const TURNS_MAX = 1000;

const STEPS = ['begin', 'write', 'decide', 'answer', 'end', 'mark', 'rest', 'wait'] as const;
type Step = (typeof STEPS)[number];

/** A question that has reached the coordinator, which decides at one moment, and whose answer arrives at another. */
interface Question {
  readonly epochs: readonly number[];
  readonly answer: (code: number) => void;
  code: number | undefined;
}

/** What there was to see in all runs: a property that nothing ever comes to says nothing. */
const seen = { openings: 0, overtaken: 0 };

/**
 * A partition of this broker, of which the log, the appends and the verifier are the real ones, and a coordinator elsewhere that opens and ends one
 * transaction after the other. Each of its decisions, answers and markers comes when a step says so.
 */
class Scene {
  readonly #clock = new ManualClock();
  readonly #guard = new Guard(silentLogger);
  readonly #deadlines = new Deadlines(this.#clock, this.#guard);
  readonly #demand: Demand;
  readonly #isOfOffsets: boolean;
  readonly #questions: Question[] = [];
  readonly #verifier: Verifier;
  readonly #appends: VerifiedAppends;
  #logs: LogManager | undefined;
  #partition: Partition | undefined;

  /** The transaction that is the coordinator's present one, by how many markers have been written before it. */
  #number = 0;
  #epoch = 0;
  #isOpen = false;
  #isPrepared = false;
  #isMarking = false;
  /** The transactions in which the coordinator has said yes, and the epoch of each. */
  readonly #granted = new Map<number, number>();
  #underWay = 0;
  readonly #taken = new Map<number, number>();

  constructor(demand: Demand, isOfOffsets: boolean) {
    this.#demand = demand;
    this.#isOfOffsets = isOfOffsets;
    const cluster = { partition: () => ({ leader: COORDINATOR_ID }) } as unknown as ClusterImage;
    const send = async (
      _api: unknown,
      _version: unknown,
      body: (version: number) => AddPartitionsToTxnRequestInput,
    ) => {
      const { transactions = [] } = body(5);
      const epochs = transactions.map(({ producerEpoch = -1 }) => producerEpoch);
      const partitionErrorCode = await new Promise<number>((answer) => {
        this.#questions.push({ epochs, answer, code: undefined });
      });
      const topicResults = [{ name: 't', resultsByPartition: [{ partitionIndex: 0, partitionErrorCode }] }];
      return { errorCode: 0, resultsByTransaction: [{ transactionalId: 'id', topicResults }] };
    };
    this.#verifier = new Verifier({
      brokerId: BROKER_ID,
      cluster,
      lanes: { to: () => ({ send }) } as unknown as BrokerLanes,
      coordinator: {} as TransactionCoordinator,
      partitionCount: () => 1,
      guard: this.#guard,
      deadlines: this.#deadlines,
      timeoutMs: 30_000,
      clock: this.#clock,
      metrics: noMetrics,
    });
    this.#appends = new VerifiedAppends(this.#verifier, this.#clock, () => true);
  }

  async run(steps: readonly Step[]): Promise<void> {
    this.#partition = await this.#openPartition();
    for (const step of steps) await this.#take(step);
    await this.#drain();
    if (this.#isOpen) await this.#take('end');
    await this.#take('mark');
    await this.#drain();
    await this.#judge();
    await this.#logs?.close();
  }

  async #openPartition(): Promise<Partition> {
    const [clock, guard, deadlines] = [this.#clock, this.#guard, this.#deadlines];
    this.#logs = new LogManager({
      disk: new MemoryDisk(),
      clock,
      random: seededRandom(1),
      logDirs: ['/data'],
      brokerId: BROKER_ID,
      clusterId: TOPIC_ID,
      configOf: () => defaultLogConfig,
    });
    await this.#logs.open();
    const log = await this.#logs.getOrCreate('t', 0);
    const identity = { topic: 't', topicId: TOPIC_ID, partition: 0, brokerId: BROKER_ID };
    const surroundings = {
      clock,
      deadlines,
      guard,
      logger: silentLogger,
      lagMsMax: 10_000,
      isAlive: () => true,
      isrChanges: { propose: () => new Promise<never>(() => {}), withdraw: () => {} },
      onBehind: () => {},
      onShort: () => {},
      onIsrCommitted: () => {},
    };
    const partition = new Partition(identity, log, surroundings, new TrafficCounters(noMetrics).of('t'));
    partition.applyState({
      ...identity,
      controllerEpoch: 1,
      leader: BROKER_ID,
      leaderEpoch: 0,
      isr: [BROKER_ID],
      partitionEpoch: 0,
      replicas: [BROKER_ID],
      addingReplicas: [],
      removingReplicas: [],
      leaderRecoveryState: 0,
      isNew: true,
    });
    return partition;
  }

  async #take(step: Step): Promise<void> {
    const undecided = this.#questions.find(({ code }) => code === undefined);
    const decided = this.#questions.findIndex(({ code }) => code !== undefined);
    if (step === 'begin') this.#isOpen ||= this.#demand === 'verify' && !this.#isPrepared;
    else if (step === 'write') this.#write();
    else if (step === 'decide' && undecided !== undefined) undecided.code = this.#decide(undecided);
    else if (step === 'answer' && decided >= 0) this.#answer(decided);
    else if (step === 'end' && this.#isOpen) this.#end();
    else if (step === 'mark') this.#mark();
    else if (step === 'rest') await rest();
    else if (step === 'wait') this.#clock.advance(5);
    await Promise.resolve();
  }

  #decide({ epochs }: Question): number {
    if (epochs[0] !== this.#epoch) return ErrorCode.PRODUCER_FENCED;
    if (this.#isPrepared) return ErrorCode.CONCURRENT_TRANSACTIONS;
    this.#isOpen ||= this.#demand === 'add';
    if (!this.#isOpen) return ErrorCode.TRANSACTION_ABORTABLE;
    this.#granted.set(this.#number, this.#epoch);
    return ErrorCode.NONE;
  }

  #answer(index: number): void {
    const [question] = this.#questions.splice(index, 1);
    question?.answer(question.code ?? ErrorCode.UNKNOWN_SERVER_ERROR);
  }

  #end(): void {
    this.#isOpen = false;
    this.#isPrepared = true;
    if (this.#demand === 'add') this.#epoch += 1;
  }

  #mark(): void {
    if (!this.#isPrepared || this.#isMarking) return;
    this.#isMarking = true;
    const batch = buildEndTxnMarker({
      type: ControlRecordType.COMMIT,
      coordinatorEpoch: 0,
      producerId: PRODUCER_ID,
      producerEpoch: this.#epoch,
      timestampMs: this.#clock.now(),
    });
    const marker = { ...APPEND, origin: 'coordinator', isRaised: this.#demand === 'add' } as const;
    void Promise.resolve(this.#partition!.append(batch, marker)).then(({ errorCode }) => {
      expect(errorCode).toBe(ErrorCode.NONE);
      this.#isMarking = false;
      this.#isPrepared = false;
      this.#number += 1;
    });
  }

  /** What a producer of the present epoch sends; it may come into the log in any later transaction, or not at all. */
  #write(): void {
    const producerEpoch = this.#epoch;
    const sequence = this.#isOfOffsets ? -1 : (this.#taken.get(producerEpoch) ?? 0);
    if (!this.#isOfOffsets) this.#taken.set(producerEpoch, sequence + 1);
    const batch = batchOf(['v'], {
      producerId: PRODUCER_ID,
      producerEpoch,
      baseSequence: sequence,
      isTransactional: true,
    });
    this.#underWay += 1;
    const written = this.#isOfOffsets
      ? this.#writeOffsets(batch, producerEpoch)
      : this.#writeRecords(batch, producerEpoch);
    void written.then((errorCode) => {
      this.#underWay -= 1;
      if (errorCode === ErrorCode.INVALID_TXN_STATE) seen.overtaken += 1;
      if (errorCode !== ErrorCode.NONE && !this.#isOfOffsets && this.#taken.get(producerEpoch) === sequence + 1) {
        // It is sent again as it was.
        this.#taken.set(producerEpoch, sequence);
      }
    });
  }

  async #writeRecords(batch: Buffer, producerEpoch: number): Promise<number> {
    const asker = { transactionalId: 'id', producerId: PRODUCER_ID, producerEpoch };
    const options = { ...APPEND, asker, demand: this.#demand, knowsAbortable: true };
    return (await this.#appends.append(this.#partition!, batch, options)).errorCode;
  }

  async #writeOffsets(batch: Buffer, producerEpoch: number): Promise<number> {
    const asker = { transactionalId: 'id', producerId: PRODUCER_ID, producerEpoch };
    const { errorCode, guard } = await verifyOffsets(
      this.#verifier,
      this.#clock,
      this.#partition!,
      asker,
      this.#demand,
    );
    if (errorCode !== ErrorCode.NONE) return errorCode;
    return (await this.#partition!.append(batch, { ...APPEND, origin: 'coordinator', guard })).errorCode;
  }

  /** Until nothing is under way any more. */
  async #drain(): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX && (this.#underWay > 0 || this.#isMarking); turn += 1) {
      for (const step of ['decide', 'answer', 'wait', 'rest', 'mark'] as const) await this.#take(step);
    }
    expect([this.#underWay, this.#isMarking]).toEqual([0, false]);
  }

  /** Whatever begins a transaction in the log does so between its yes and its marker; in the end nothing is open. */
  async #judge(): Promise<void> {
    const { log } = this.#partition!;
    const { chunks } = await log.read(0, 1_000_000, { isolation: 'logEnd', minOneBatch: true });
    const records = Buffer.concat(chunks);
    let isOpen = false;
    let markers = 0;
    for (const at of splitBatches(records)) {
      if (batchIsControl(records, at)) {
        markers += 1;
        isOpen = false;
        continue;
      }
      if (!isOpen) {
        seen.openings += 1;
        expect(this.#granted.has(markers), `transaction ${markers} was opened, and had not begun`).toBe(true);
      }
      if (this.#demand === 'add') expect(batchProducerEpoch(records, at)).toBe(this.#granted.get(markers));
      isOpen = true;
    }
    expect(isOpen).toBe(false);
    expect(log.lastStableOffset).toBe(log.highWatermark);
  }
}

async function rest(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

it.each([
  ['verify', false],
  ['verify', true],
  ['add', false],
  ['add', true],
] as const)(
  'begin no transaction behind its marker, in whatever order questions, answers, markers and appends come: %s, offsets %s',
  async (demand, isOfOffsets) => {
    Object.assign(seen, { openings: 0, overtaken: 0 });
    const steps = fc.array(fc.constantFrom(...STEPS, 'write', 'mark'), { minLength: 5, maxLength: 30, size: 'max' });
    await fc.assert(
      fc.asyncProperty(steps, (each) => new Scene(demand, isOfOffsets).run(each)),
      { numRuns: 200 },
    );
    expect(seen.openings).toBeGreaterThan(10);
    expect(seen.overtaken).toBeGreaterThan(0);
  },
  120_000,
);
