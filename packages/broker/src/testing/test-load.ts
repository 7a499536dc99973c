import { ErrorCode, Produce } from '@millrace/protocol';
import { readRecords, splitBatches } from '@millrace/records';
import { expect } from 'vitest';
import type { Partition } from '../replicas/partition.ts';
import { isRefusal } from '../shared/refusal.ts';
import { batchOf } from './test-broker.ts';
import type { TestReplicas } from './test-replicas.ts';

const PAUSE_MS = 20;
const TIMEOUT_MS = 3000;

/** Writes to partitions of a topic for as long as it is let, one record of each at a time, to whoever leads, and notes what is acknowledged. */
export class Load {
  readonly #cluster: TestReplicas;
  readonly #topic: string;
  readonly #partitions: number;
  /** By partition, the value at each offset that was acknowledged. */
  readonly #acknowledged: Map<number, string>[];
  /** What was acknowledged though a replica in sync did not have it. */
  readonly #tooEarly: string[] = [];
  readonly #running: Promise<unknown>;
  #isOver = false;

  constructor(cluster: TestReplicas, topic: string, partitions = 1) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.#partitions = partitions;
    this.#acknowledged = Array.from({ length: partitions }, () => new Map<number, string>());
    this.#running = Promise.all(this.#acknowledged.map((_, partition) => this.#write(partition)));
  }

  get acknowledged(): number {
    return this.#acknowledged.reduce((sum, { size }) => sum + size, 0);
  }

  /** Writes no more, and holds all replicas to what was acknowledged and to one another. */
  async endsWell(replicasOf: (partition: number) => readonly number[]): Promise<void> {
    this.#isOver = true;
    let hasEnded = false;
    void this.#running.then(() => {
      hasEnded = true;
    });
    await this.#cluster.until('the end of the load', () => hasEnded, 2 * TIMEOUT_MS);
    // The last high watermark comes with the next fetch.
    await this.#cluster.pass(600);
    expect(this.#tooEarly).toEqual([]);
    for (let partition = 0; partition < this.#partitions; partition += 1) {
      const logs = await Promise.all(replicasOf(partition).map((id) => this.#valuesOf(id, partition)));
      for (const log of logs) expect([...log]).toEqual([...logs[0]!]);
      for (const [offset, value] of this.#acknowledged[partition]!) {
        // What is deleted on demand is before the first.
        if (offset >= Math.min(...logs[0]!.keys())) expect(logs[0]!.get(offset)).toBe(value);
      }
    }
  }

  async #write(partition: number): Promise<void> {
    for (let round = 0; !this.#isOver; round += 1) {
      const value = `${partition}.${round}`;
      const offset = await this.#send(partition, value).catch(() => undefined);
      if (offset !== undefined) this.#acknowledged[partition]!.set(offset, value);
      await new Promise<void>((resolve) => this.#cluster.clock.schedule(PAUSE_MS, resolve));
    }
  }

  /** Where it was written; undefined where it was not acknowledged. It is not sent again. */
  async #send(index: number, value: string): Promise<number | undefined> {
    const leader = this.#cluster.leaderOf(this.#topic, index);
    if (leader < 0) return undefined;
    const partitionData = [{ index, records: batchOf([value]) }];
    const topicData = [{ name: this.#topic, partitionData }];
    const answer = await this.#cluster.ask(leader, Produce, 9, { acks: -1, timeoutMs: TIMEOUT_MS, topicData });
    const { errorCode, baseOffset } = answer.responses[0]!.partitionResponses[0]!;
    if (errorCode !== ErrorCode.NONE) return undefined;
    this.#checkInSync(leader, index, baseOffset);
    return baseOffset;
  }

  /**
   * That in the end all have it would be seen where acks=all waits for nobody, too, as long as no leader dies between an acknowledgement and the
   * next fetch: so who has it is looked up as it is acknowledged.
   */
  #checkInSync(leader: number, index: number, offset: number): void {
    for (const id of this.#replica(leader, index)?.isr ?? []) {
      const log = this.#replica(id, index)?.log;
      if (log === undefined || log.durableEndOffset > offset) continue;
      this.#tooEarly.push(`${this.#topic}-${index} at ${offset}, before broker ${id} had it`);
    }
  }

  /** Undefined while the broker is only starting. */
  #replica(id: number, index: number): Partition | undefined {
    const found = this.#cluster.broker(id).services.replicas.find(this.#topic, index);
    return isRefusal(found) ? undefined : found;
  }

  async #valuesOf(id: number, partition: number): Promise<Map<number, string>> {
    const { log } = this.#cluster.partition(id, this.#topic, partition);
    const read = await log.read(log.logStartOffset, 10_000_000, { isolation: 'logEnd', minOneBatch: true });
    const bytes = Buffer.concat(read.chunks);
    return new Map(
      [...splitBatches(bytes)].flatMap((at) =>
        readRecords(bytes.subarray(at)).map(({ offset, value }) => [offset, String(value)] as const),
      ),
    );
  }
}
