import { ErrorCode, errorInfo, Produce } from '@millrace/protocol';
import type { Compression } from '@millrace/records';
import type { Pending } from '../history.ts';
import type { ClientTools, SimulatedClient } from './client.ts';
import { produceOutcome } from './produce-outcome.ts';
import { NoAnswer, type Requester } from './requester.ts';
import { Router } from './router.ts';
import type { PartitionRef } from './topics.ts';
import { encodeBatch, type OutgoingRecord } from './values.ts';

/** What every producer is told. */
export interface ProducerPlan {
  readonly name: string;
  readonly partitions: readonly PartitionRef[];
  readonly produceVersion: number;
  readonly recordsMax: number;
  readonly valueBytesMax: number;
  readonly compression: Compression;
  /** How many keys it has; 0: its records have none. */
  readonly keys: number;
  readonly pauseMsMax: number;
  readonly requestTimeoutMs: number;
  /** How many requests may be under way. */
  readonly inFlightMax: number;
}

/** The plan of a producer without sequence numbers. */
export interface PlainProducerPlan extends ProducerPlan {
  readonly acks: 0 | 1 | -1;
  /** Attempts for each request; with several, one request is under way at a time, and a record may come twice. */
  readonly attemptsMax: number;
}

interface Part {
  readonly partition: PartitionRef;
  readonly batch: Buffer;
  readonly pending: Pending;
  /** Whether an attempt may have been carried out. */
  isInDoubt: boolean;
  isOver: boolean;
}

/** How long a producer waits before it tries again. */
const RETRY_MS = 60;

/** Makes values that no other record of a world has. */
export class ValueMaker {
  readonly #plan: ProducerPlan;
  readonly #tools: ClientTools;
  #count = 0;

  constructor(plan: ProducerPlan, tools: ClientTools) {
    this.#plan = plan;
    this.#tools = tools;
  }

  records(): OutgoingRecord[] {
    const { dice } = this.#tools;
    const { name, recordsMax, valueBytesMax, keys } = this.#plan;
    return Array.from({ length: dice.between(1, recordsMax) }, () => ({
      value: `${name}.${this.#count++}`,
      key: keys === 0 ? null : `k${dice.nextInt(keys)}`,
      sizeBytes: dice.between(16, valueBytesMax),
    }));
  }
}

/** A producer without idempotence: sends once and takes what comes, or tries again and may write twice. */
export class PlainProducer implements SimulatedClient {
  readonly name: string;
  readonly #plan: PlainProducerPlan;
  readonly #tools: ClientTools;
  readonly #router: Router;
  readonly #values: ValueMaker;
  readonly #underWay = new Set<Promise<void>>();
  #order = 0;
  #isStopped = false;

  constructor(plan: PlainProducerPlan, tools: ClientTools) {
    this.name = plan.name;
    this.#plan = plan;
    this.#tools = tools;
    this.#router = new Router(plan.name, tools);
    this.#values = new ValueMaker(plan, tools);
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    // Of several requests to a partition whose leader moves, the later may be taken first.
    const isOrdered = this.#plan.attemptsMax > 1 || this.#tools.hosts.length > 1;
    const inFlightMax = isOrdered ? 1 : this.#plan.inFlightMax;
    while (!this.#isStopped) {
      await clock.sleep(dice.time(0, this.#plan.pauseMsMax));
      while (this.#underWay.size >= inFlightMax) await Promise.race(this.#underWay);
      if (this.#isStopped) break;
      const request: Promise<void> = this.#send().finally(() => this.#underWay.delete(request));
      this.#underWay.add(request);
    }
    await Promise.all(this.#underWay);
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #send(): Promise<void> {
    const { clock, dice } = this.#tools;
    const parts = this.#parts();
    for (let attempt = 1; attempt <= this.#plan.attemptsMax; attempt += 1) {
      if (attempt > 1) await clock.sleep(dice.time(RETRY_MS / 2, RETRY_MS));
      const open = parts.filter(({ isOver }) => !isOver);
      if (open.length === 0) return;
      await this.#attempt(open);
    }
    for (const { isOver, isInDoubt, pending } of parts) {
      if (isOver) continue;
      if (isInDoubt) pending.unknown();
      else pending.failed();
    }
  }

  #parts(): Part[] {
    const { clock, dice, history } = this.#tools;
    const { partitions, compression, attemptsMax } = this.#plan;
    const first = dice.nextInt(partitions.length);
    const count = dice.chance(20) ? dice.between(1, partitions.length) : 1;
    return Array.from({ length: count }, (_, index) => {
      const partition = partitions[(first + index) % partitions.length]!;
      const records = this.#values.records();
      const timestampMs = clock.now();
      const pending = history.send({
        timestampMs,
        client: this.name,
        partition: partition.name,
        values: records.map(({ value }) => value),
        keys: records.map(({ key }) => key),
        acks: this.#plan.acks,
        isOnce: attemptsMax === 1,
        order: this.#order++,
      });
      const batch = encodeBatch(records, timestampMs, { compression });
      return { partition, batch, pending, isInDoubt: false, isOver: false };
    });
  }

  /** Sends each part to its leader. */
  async #attempt(parts: readonly Part[]): Promise<void> {
    try {
      const byLeader = await this.#router.byLeader(parts);
      await Promise.all(Array.from(byLeader, ([leader, led]) => this.#attemptAt(leader, led)));
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#tools.trace?.(this.name, `metadata: ${error.message}`);
    }
  }

  async #attemptAt(leader: Requester, parts: readonly Part[]): Promise<void> {
    try {
      await this.#produce(leader, parts);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#tools.trace?.(this.name, `produce: ${error.message}`);
      this.#router.forget();
      for (const part of parts) part.isInDoubt ||= error.wasSent;
    }
  }

  async #produce(leader: Requester, parts: readonly Part[]): Promise<void> {
    const { acks, produceVersion, requestTimeoutMs } = this.#plan;
    const body = { acks, timeoutMs: requestTimeoutMs, topicData: topicData(parts) };
    if (acks === 0) {
      await leader.tell(Produce, produceVersion, body);
      for (const part of parts) part.isInDoubt = true;
      return;
    }
    const answer = await leader.ask(Produce, produceVersion, body, requestTimeoutMs);
    for (const part of parts) {
      const outcome = answer.responses
        .find(({ name }) => name === part.partition.topic.name)
        ?.partitionResponses.find(({ index }) => index === part.partition.index);
      if (outcome !== undefined) this.#judge(part, outcome.errorCode, outcome.baseOffset);
    }
  }

  #judge(part: Part, errorCode: number, baseOffset: number): void {
    if (errorCode !== ErrorCode.NONE) {
      this.#router.noteError(errorCode);
      this.#tools.trace?.(this.name, `${part.partition.name}: ${errorInfo(errorCode).name}`);
    }
    const outcome = produceOutcome(errorCode, this.#plan.produceVersion, this.#tools.hosts.length > 1);
    if (outcome === 'unknown') part.isInDoubt = true;
    if (outcome !== 'written') return;
    part.isOver = true;
    part.pending.ok(baseOffset);
  }
}

function topicData(parts: readonly Part[]): {
  name: string;
  partitionData: { index: number; records: Buffer }[];
}[] {
  const topics = new Map<string, { index: number; records: Buffer }[]>();
  for (const { partition, batch } of parts) {
    const data = topics.get(partition.topic.name) ?? [];
    topics.set(partition.topic.name, data);
    data.push({ index: partition.index, records: batch });
  }
  return Array.from(topics, ([name, partitionData]) => ({ name, partitionData }));
}
