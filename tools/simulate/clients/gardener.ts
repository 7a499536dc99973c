import {
  AlterConfigs,
  AlterPartitionReassignments,
  CreatePartitions,
  CreateTopics,
  DeleteGroups,
  DeleteTopics,
  ElectLeaders,
  IncrementalAlterConfigs,
} from '@millrace/protocol';
import type { ClientTools, SimulatedClient } from './client.ts';
import { NoAnswer } from './requester.ts';
import { Router } from './router.ts';
import { partitionsOf } from './topics.ts';

const TIMEOUT_MS = 800;
const PAUSE_MS = { least: 20, most: 300 };
const TOPICS = 2;
const TOPIC_RESOURCE = 2;
const BROKER_RESOURCE = 4;
const NOT_CONTROLLER = 41;

/** How often the replicas of the world's topics are moved back where they were when it is over. */
const RESTORE_ATTEMPTS_MAX = 40;

/** What a topic of the gardener's is called. */
export const GARDEN_TOPIC = /^garden-/;

/**
 * Works on a cluster while it is in use, as an operator does: makes, extends, configures and deletes topics of its own, moves the
 * replicas of all topics about, calls elections. What it asks for may fail; nothing of it may be left half done.
 */
export class Gardener implements SimulatedClient {
  readonly name = 'gardener';
  readonly #tools: ClientTools;
  readonly #router: Router;
  readonly #brokers: readonly number[];
  readonly #replicationFactor: number;
  readonly #moved = new Set<string>();
  #isStopped = false;
  /** Moves of replicas that a controller has taken up. */
  movesAccepted = 0;

  constructor(tools: ClientTools, replicationFactor: number) {
    this.#tools = tools;
    this.#router = new Router(this.name, tools);
    this.#brokers = tools.hosts.map((_, index) => index + 1);
    this.#replicationFactor = replicationFactor;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async run(): Promise<void> {
    const { clock, dice } = this.#tools;
    const deeds = [
      () => this.#create(),
      () => this.#create(),
      () => this.#extend(),
      () => this.#delete(),
      () => this.#configure(),
      () => this.#configureBrokers(),
      () => this.#elect(),
      () => this.#move(),
      () => this.#move(),
      () => this.#ask(DeleteGroups, 2, { groupsNames: ['garden'] }),
    ];
    while (!this.#isStopped) {
      await clock.sleep(dice.time(PAUSE_MS.least, PAUSE_MS.most));
      await dice
        .pick(deeds)()
        .catch((error: unknown) => this.#unanswered(error));
    }
    await this.#tidyUp();
  }

  /** All replicas back where they were, and on as many brokers. */
  async #tidyUp(): Promise<void> {
    for (let attempt = 0; attempt < RESTORE_ATTEMPTS_MAX && this.#moved.size > 0; attempt += 1) {
      const [name] = this.#moved;
      const isDone = await this.#reassign(name!, this.#replicasOf()).catch((error: unknown) => this.#unanswered(error));
      if (isDone === true) this.#moved.delete(name!);
      else await this.#tools.clock.sleep(PAUSE_MS.most);
    }
  }

  #unanswered(error: unknown): undefined {
    if (!(error instanceof NoAnswer)) throw error;
    this.#router.forget();
    return undefined;
  }

  async #ask<Res, ReqInput>(
    api: Parameters<ReturnType<Router['any']>['ask']>[0] & { readonly key: number },
    version: number,
    body: ReqInput,
  ): Promise<Res> {
    const controller = await this.#router.controller();
    const answer = (await controller.ask(api, version, body, TIMEOUT_MS)) as Res & { errorCode?: number };
    if (answer.errorCode === NOT_CONTROLLER) this.#router.forget();
    return answer;
  }

  #name(): string {
    return `garden-${this.#tools.dice.nextInt(TOPICS)}`;
  }

  #create(): Promise<unknown> {
    const numPartitions = this.#tools.dice.between(1, 3);
    const replicationFactor = this.#replicationFactor;
    const topics = [{ name: this.#name(), numPartitions, replicationFactor, assignments: [], configs: [] }];
    return this.#ask(CreateTopics, 5, { topics, timeoutMs: TIMEOUT_MS, validateOnly: false });
  }

  #extend(): Promise<unknown> {
    const topics = [{ name: this.#name(), count: this.#tools.dice.between(2, 4), assignments: null }];
    return this.#ask(CreatePartitions, 1, { topics, timeoutMs: TIMEOUT_MS, validateOnly: false });
  }

  #delete(): Promise<unknown> {
    return this.#ask(DeleteTopics, 5, { topicNames: [this.#name()], timeoutMs: TIMEOUT_MS });
  }

  /** Settings of topics of its own, by both requests. */
  #configure(): Promise<unknown> {
    const { dice } = this.#tools;
    const resource = { resourceType: TOPIC_RESOURCE, resourceName: this.#name() };
    const config = { name: dice.pick(['retention.ms', 'segment.ms']), value: String(dice.between(1000, 100_000)) };
    return dice.chance(50)
      ? this.#ask(AlterConfigs, 1, { resources: [{ ...resource, configs: [config] }], validateOnly: false })
      : this.#ask(IncrementalAlterConfigs, 1, {
          resources: [{ ...resource, configs: [{ ...config, configOperation: dice.nextInt(2) }] }],
          validateOnly: false,
        });
  }

  /** Settings of all brokers that matter to nobody's records. */
  #configureBrokers(): Promise<unknown> {
    const { dice } = this.#tools;
    const count = dice.between(1, 4);
    const name = dice.pick(['num.replica.fetchers', 'background.threads']);
    // Counts of threads change by half or double at a time: 10 of these are the default.
    const value = String(name === 'background.threads' ? 5 * count : count);
    const configs = [{ name, configOperation: 0, value }];
    const resources = [{ resourceType: BROKER_RESOURCE, resourceName: '', configs }];
    return this.#ask(IncrementalAlterConfigs, 1, { resources, validateOnly: false });
  }

  #elect(): Promise<unknown> {
    return this.#ask(ElectLeaders, 2, { electionType: 0, topicPartitions: null, timeoutMs: TIMEOUT_MS });
  }

  /** One partition to other brokers, to fewer, or in another order; or back, while it is still under way. */
  async #move(): Promise<void> {
    const { dice, topics } = this.#tools;
    const partition = dice.pick(partitionsOf(topics));
    const others = this.#replicasOf();
    // Two replicas at the least, or there would be too few in sync to write at all.
    const count = dice.chance(30) && others.length > 2 ? others.length - 1 : others.length;
    this.#moved.add(partition.name);
    await this.#reassign(partition.name, dice.chance(20) ? null : others.slice(0, count));
  }

  /** As many brokers as there shall be replicas, in any order. */
  #replicasOf(): number[] {
    const left = [...this.#brokers];
    return Array.from({ length: this.#replicationFactor }, () => {
      const [one] = left.splice(this.#tools.dice.nextInt(left.length), 1);
      return one!;
    });
  }

  /** Whether the controller has taken it up. */
  async #reassign(partition: string, replicas: readonly number[] | null): Promise<boolean> {
    const at = partition.lastIndexOf('-');
    const partitions = [{ partitionIndex: Number(partition.slice(at + 1)), replicas: replicas && [...replicas] }];
    const topics = [{ name: partition.slice(0, at), partitions }];
    const answer = await this.#ask<
      { errorCode: number; responses: { partitions: { errorCode: number }[] }[] },
      unknown
    >(AlterPartitionReassignments, 0, { timeoutMs: TIMEOUT_MS, topics });
    const isAccepted = answer.errorCode === 0 && answer.responses[0]?.partitions[0]?.errorCode === 0;
    if (isAccepted && replicas !== null) this.movesAccepted += 1;
    return isAccepted;
  }
}
