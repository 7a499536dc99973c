import { AlterReplicaLogDirs } from '@millrace/protocol';
import type { ClientTools, SimulatedClient } from './client.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';
import { partitionsOf } from './topics.ts';

const TIMEOUT_MS = 800;
const PAUSE_MS = { least: 10, most: 200 };
const VERSION = 2;

/**
 * Has brokers move replicas from one of their log folders into another while they are used (AlterReplicaLogDirs), there and back, also before a
 * move is over. A broker may die in the middle of it, its disks may fail; none may be left half done, and nothing be lost by it.
 */
export class Porter implements SimulatedClient {
  readonly name = 'porter';
  readonly #tools: ClientTools;
  readonly #router: Router;
  readonly #folders: readonly string[];
  #isStopped = false;
  /** Moves that a broker has begun, or is there with already. */
  movesAccepted = 0;

  constructor(tools: ClientTools, folders: readonly string[]) {
    this.#tools = tools;
    this.#router = new Router(this.name, tools);
    this.#folders = folders;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    while (!this.#isStopped) {
      await clock.sleep(dice.time(PAUSE_MS.least, PAUSE_MS.most));
      try {
        await this.#move();
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
      }
    }
  }

  async #move(): Promise<void> {
    const { dice, hosts, topics } = this.#tools;
    const { topic, index } = dice.pick(partitionsOf(topics));
    const dirs = [{ path: dice.pick(this.#folders), topics: [{ name: topic.name, partitions: [index] }] }];
    const answer = await this.#router.to(dice.pick(hosts)).ask(AlterReplicaLogDirs, VERSION, { dirs }, TIMEOUT_MS);
    if (answer.results[0]?.partitions[0]?.errorCode === 0) this.movesAccepted += 1;
  }
}
