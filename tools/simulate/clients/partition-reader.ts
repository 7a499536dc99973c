import { ErrorCode, errorInfo } from '@millrace/protocol';
import type { ClientTools } from './client.ts';
import { type FetchedPartition, type FetchPlan, fetchFrom } from './fetching.ts';
import { NoAnswer } from './requester.ts';
import type { Router } from './router.ts';
import type { PartitionRef } from './topics.ts';
import { decodeRecords } from './values.ts';

/** Where one reader stands in all its partitions, and what it has read goes into the history. */
export class PartitionReader {
  readonly #tools: ClientTools;
  readonly #router: Router;
  readonly #plan: FetchPlan;
  readonly #group: string | null;
  readonly #positions = new Map<PartitionRef, number>();
  #pollStart = 0;
  /** Partitions whose position the broker says does not exist: they wait for a seek. */
  readonly lost = new Set<PartitionRef>();

  constructor(tools: ClientTools, router: Router, plan: FetchPlan, group: string | null) {
    this.#tools = tools;
    this.#router = router;
    this.#plan = plan;
    this.#group = group;
  }

  get positions(): ReadonlyMap<PartitionRef, number> {
    return this.#positions;
  }

  /** Takes up partitions, and no others, at these offsets. */
  assign(positions: ReadonlyMap<PartitionRef, number>, generation: number): void {
    this.#positions.clear();
    this.lost.clear();
    for (const [partition, offset] of positions) this.seek(partition, offset, generation);
  }

  seek(partition: PartitionRef, position: number, generation: number): void {
    const { history } = this.#tools;
    this.#positions.set(partition, position);
    this.lost.delete(partition);
    const client = this.#router.client;
    history.add({
      kind: 'assign',
      at: history.tick(),
      client,
      group: this.#group,
      generation,
      partition: partition.name,
      position,
    });
  }

  /** Fetches once and takes in what came. False when there was no answer. */
  async poll(): Promise<boolean> {
    if (this.#positions.size === 0) return true;
    const positions = Array.from(this.#positions, ([partition, offset]) => ({ partition, offset }));
    this.#pollStart = this.#tools.history.tick();
    try {
      for (const fetched of await fetchFrom(this.#router, positions, this.#plan)) this.#take(fetched);
      return true;
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#router.forget();
      this.#tools.trace?.(this.#router.client, `fetch: ${error.message}`);
      return false;
    }
  }

  #take(fetched: FetchedPartition): void {
    const { position, errorCode } = fetched;
    const { partition, offset } = position;
    // Whoever was given other partitions meanwhile has no use for the answer.
    if (this.#positions.get(partition) !== offset) return;
    if (errorCode === ErrorCode.NONE) this.#takeRecords(fetched);
    else if (errorCode === ErrorCode.CORRUPT_MESSAGE) this.#note(partition, offset, [], offset + 1, 'damaged');
    else if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) this.#outOfRange(partition, offset);
    else this.#tools.trace?.(this.#router.client, `fetch of ${partition.name}: ${errorInfo(errorCode).name}`);
  }

  /** Not fetched again before somebody seeks. */
  #outOfRange(partition: PartitionRef, offset: number): void {
    this.#note(partition, offset, [], offset, 'out of range');
    this.#positions.delete(partition);
    this.lost.add(partition);
  }

  #takeRecords({ position: { partition, offset }, records, isFollowers }: FetchedPartition): void {
    const { history } = this.#tools;
    const fetched = decodeRecords(records, offset);
    if (isFollowers && fetched.records.length > 0) history.followerReads += 1;
    if (fetched.fault !== undefined) {
      history.add({
        kind: 'protest',
        at: history.tick(),
        client: this.#router.client,
        partition: partition.name,
        anomaly: 'served-damaged',
        message: `a fetch at ${offset} gave a batch that is damaged: ${fetched.fault}`,
      });
    }
    if (fetched.next > offset) this.#note(partition, offset, fetched.records, fetched.next);
  }

  #note(
    partition: PartitionRef,
    position: number,
    records: ReturnType<typeof decodeRecords>['records'],
    next: number,
    skipped?: 'damaged' | 'out of range',
  ): void {
    const { history } = this.#tools;
    this.#positions.set(partition, next);
    history.add({
      kind: 'poll',
      start: this.#pollStart,
      end: history.tick(),
      client: this.#router.client,
      group: this.#group,
      partition: partition.name,
      position,
      records,
      next,
      ...(skipped === undefined ? {} : { skipped }),
    });
  }
}
