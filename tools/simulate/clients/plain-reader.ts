import type { ClientTools, SimulatedClient } from './client.ts';
import type { FetchPlan } from './fetching.ts';
import { EARLIEST, LATEST, listOffsets } from './offsets.ts';
import { PartitionReader } from './partition-reader.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';
import type { PartitionRef } from './topics.ts';

/** The plan of a reader that assigns itself its partitions. */
export interface PlainReaderPlan {
  readonly name: string;
  readonly partitions: readonly PartitionRef[];
  readonly fetch: FetchPlan;
  readonly listOffsetsVersion: number;
  readonly pauseMsMax: number;
}

/** Reads partitions from their beginning on, now and then from the beginning again, and asks for their ends. */
export class PlainReader implements SimulatedClient {
  readonly name: string;
  readonly #plan: PlainReaderPlan;
  readonly #tools: ClientTools;
  readonly #router: Router;
  readonly #reader: PartitionReader;
  #isStopped = false;

  constructor(plan: PlainReaderPlan, tools: ClientTools) {
    this.name = plan.name;
    this.#plan = plan;
    this.#tools = tools;
    this.#router = new Router(plan.name, tools);
    this.#reader = new PartitionReader(tools, this.#router, plan.fetch, null);
    this.#reader.assign(new Map(plan.partitions.map((partition) => [partition, 0])), 0);
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    while (!this.#isStopped) {
      await clock.sleep(dice.time(0, this.#plan.pauseMsMax));
      if (dice.chance(10)) await this.#askForOffsets();
      else if (dice.chance(2)) this.#seekBack();
      await this.#reader.poll();
      for (const partition of [...this.#reader.lost]) await this.#reset(partition);
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Reads a partition from somewhere before its position again. */
  #seekBack(): void {
    const { dice } = this.#tools;
    const partition = dice.pick(this.#plan.partitions);
    const position = this.#reader.positions.get(partition);
    if (position !== undefined) this.#reader.seek(partition, dice.between(0, position), 0);
  }

  async #askForOffsets(): Promise<void> {
    const { dice, history } = this.#tools;
    const partition = dice.pick(this.#plan.partitions);
    const start = history.tick();
    const latest = (await this.#list([partition], LATEST)).get(partition);
    const earliest = (await this.#list([partition], EARLIEST)).get(partition);
    if (latest === undefined || earliest === undefined) return;
    const end = history.tick();
    history.add({ kind: 'offsets', start, end, client: this.name, partition: partition.name, earliest, latest });
  }

  /** As `auto.offset.reset=earliest` does. */
  async #reset(partition: PartitionRef): Promise<void> {
    const earliest = (await this.#list([partition], EARLIEST)).get(partition);
    if (earliest !== undefined) this.#reader.seek(partition, earliest, 0);
  }

  async #list(partitions: readonly PartitionRef[], timestamp: number): Promise<Map<PartitionRef, number>> {
    const { listOffsetsVersion, fetch } = this.#plan;
    try {
      return await listOffsets(this.#router, listOffsetsVersion, partitions, timestamp, fetch.timeoutMs);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      this.#router.forget();
      return new Map();
    }
  }
}
