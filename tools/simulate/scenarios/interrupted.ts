import type { CreateOptions, MetadataStore, NodeStat, Operation, OperationResult, Version } from '@millrace/metadata';
import {
  AlterPartitionReassignments,
  CreatePartitions,
  CreateTopics,
  DeleteTopics,
  ElectLeaders,
  ErrorCode,
} from '@millrace/protocol';
import type { Build } from '../build.ts';
import { check } from '../checker/check.ts';
import type { ClientTools } from '../clients/client.ts';
import { NoAnswer, type Requester } from '../clients/requester.ts';
import { Router } from '../clients/router.ts';
import { planSeed, type SeedPlan } from '../plan.ts';
import type { TraceLine } from '../trace.ts';
import { ForwardingStore } from '../world/forwarding-store.ts';
import { World } from '../world/world.ts';

const BROKERS = 4;
const REPLICAS = 3;
const PATIENCE_MS = 30_000;
const TIMEOUT_MS = 1000;
const ATTEMPTS_MAX = 60;
const RECORDS = 5;

/** Whether the write at which the controller dies is applied. */
export type When = 'before' | 'after';

/** What is asked of a controller; says whether it is taken up, so that it need not be asked again. */
interface Verb {
  /** What comes before, and is not interrupted. */
  prepare?(controller: Requester, stage: Stage): Promise<boolean>;
  ask(controller: Requester, world: World, stage: Stage): Promise<boolean>;
  /** Why it is not done in the end; undefined when it is. */
  left(world: World, stage: Stage): Promise<string | undefined>;
}

/** The partition that all verbs are about, with its brokers. */
interface Stage {
  readonly topic: string;
  /** Where its replicas are. */
  readonly replicas: readonly number[];
  /** The broker that has none. */
  readonly other: number;
}

const EXTRA = 'extra';

const remove: Verb = {
  ask: async (controller) => {
    const answer = await controller.ask(DeleteTopics, 5, { topicNames: [EXTRA], timeoutMs: TIMEOUT_MS }, TIMEOUT_MS);
    const code = answer.responses[0]?.errorCode;
    return code === ErrorCode.NONE || code === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
  },
  left: async (world) => (world.states.topics.has(EXTRA) ? 'the topic is still there' : undefined),
};

const create: Verb = {
  ask: async (controller) => {
    const topic = { name: 'made', numPartitions: 2, replicationFactor: REPLICAS, assignments: [], configs: [] };
    const body = { topics: [topic], timeoutMs: TIMEOUT_MS, validateOnly: false };
    const answer = await controller.ask(CreateTopics, 5, body, TIMEOUT_MS);
    const code = answer.topics[0]?.errorCode;
    return code === ErrorCode.NONE || code === ErrorCode.TOPIC_ALREADY_EXISTS;
  },
  left: async ({ states }) => leaderless(states, 'made', 2),
};

const extend: Verb = {
  ask: async (controller) => {
    const topics = [{ name: EXTRA, count: 3, assignments: null }];
    const body = { topics, timeoutMs: TIMEOUT_MS, validateOnly: false };
    const answer = await controller.ask(CreatePartitions, 1, body, TIMEOUT_MS);
    const code = answer.results[0]?.errorCode;
    return code === ErrorCode.NONE || code === ErrorCode.INVALID_PARTITIONS;
  },
  left: async ({ states }) => leaderless(states, EXTRA, 3),
};

const elect: Verb = {
  prepare: (controller, stage) => reassign(controller, stage, stage.replicas.toReversed()),
  ask: async (controller) => {
    const body = { electionType: 0, topicPartitions: null, timeoutMs: TIMEOUT_MS };
    return (await controller.ask(ElectLeaders, 2, body, TIMEOUT_MS)).errorCode === ErrorCode.NONE;
  },
  left: async ({ states }, { topic, replicas }) => {
    const leader = states.stateOf(`${topic}-0`)?.leader;
    return leader === replicas.at(-1) ? undefined : `it is led by ${leader}`;
  },
};

/** The replicas of a partition to other brokers. */
function move(target: (stage: Stage) => readonly number[]): Verb {
  return {
    ask: (controller, _, stage) => reassign(controller, stage, target(stage)),
    left: async (world, stage) => {
      const wanted = target(stage);
      const replicas = await world.replicasOf(stage.topic, 0);
      return replicas.join() === wanted.join()
        ? undefined
        : `its replicas are on ${replicas}, and shall be on ${wanted}`;
    },
  };
}

/** A move that is cancelled as soon as it is taken up: the same brokers in the end, in any order. */
const cancel: Verb = {
  ask: async (controller, _, stage) => {
    await reassign(controller, stage, [stage.other, ...stage.replicas.slice(1)]);
    return reassign(controller, stage, null);
  },
  left: async (world, stage) => {
    const now = (await world.replicasOf(stage.topic, 0)).toSorted();
    // Done before it could be cancelled, it is done.
    const places = [stage.replicas, [stage.other, ...stage.replicas.slice(1)]].map((each) => each.toSorted().join());
    return places.includes(now.join()) ? undefined : `its replicas are on ${now}`;
  },
};

/** What controllers are interrupted in. */
export const verbs: Readonly<Record<string, Verb>> = {
  'creation of a topic': create,
  'expansion of a topic': extend,
  'deletion of a topic': remove,
  'election of preferred leaders': elect,
  'move of one replica': move(({ replicas, other }) => [other, ...replicas.slice(1)]),
  'move of a leader and another order': move(({ replicas: [first, ...rest], other }) =>
    [...rest, other, first!].slice(0, 3),
  ),
  'loss of a replica': move(({ replicas }) => replicas.slice(1)),
  'gain of a replica': move(({ replicas, other }) => [...replicas, other]),
  'move that is cancelled': cancel,
};

/** What came of an interruption. */
export interface Interruption {
  /** Whether there was a write at which the controller died; false: all writes are through. */
  readonly hasStruck: boolean;
  readonly problems: readonly string[];
}

/**
 * Has a controller begin something, kills the process of whoever makes the n-th write into the metadata store from then on, which is applied
 * or not, and looks whether the next one ends it well: nothing half done, nothing lost.
 */
export async function interrupt(name: string, write: number, when: When, trace?: TraceLine): Promise<Interruption> {
  const verb = verbs[name];
  if (verb === undefined) throw new Error(`There is no verb ${name}`);
  const assassin = new Assassin(write, when);
  const world = new World(stillPlan(), assassin.build, trace);
  assassin.world = world;
  await world.begin();
  const stage = await setUp(world);
  const { prepare } = verb;
  if (prepare !== undefined) await insist(world, (controller) => prepare(controller, stage));
  assassin.isArmed = true;
  await insist(world, (controller) => verb.ask(controller, world, stage));
  assassin.isArmed = false;
  const problems = await judge(world, stage, verb);
  return { hasStruck: assassin.hasStruck, problems };
}

/** Four brokers, one topic, and nothing that goes wrong by itself. */
function stillPlan(): SeedPlan {
  const plan = planSeed(1, { brokers: BROKERS, faults: [] });
  const topic = { retentionBytes: undefined, retentionMs: undefined, isCompacted: false, configs: {} };
  return {
    ...plan,
    settings: { ...plan.settings, 'auto.leader.rebalance.enable': 'false', 'min.insync.replicas': '2' },
    topics: [
      { ...topic, name: 'kept', partitions: 1, replicationFactor: REPLICAS },
      { ...topic, name: EXTRA, partitions: 2, replicationFactor: REPLICAS },
    ],
    producers: [],
    readers: [],
    faults: [],
    isTended: false,
  };
}

async function setUp(world: World): Promise<Stage> {
  const [kept] = world.partitions;
  await world.clock.run(() => world.states.stateOf(kept!.name)?.isr.length === REPLICAS, PATIENCE_MS);
  for (let record = 0; record < RECORDS; ) {
    if ((await world.until(world.admin.probe(kept!), PATIENCE_MS)) === undefined) record += 1;
    await world.pass(20);
  }
  const replicas = await world.until(world.replicasOf('kept', 0), PATIENCE_MS);
  const other = world.machines.map(({ id }) => id).find((id) => !replicas.includes(id));
  return { topic: 'kept', replicas, other: other! };
}

/** Asks until it is taken up, as an operator would who gets no answer. */
async function insist(world: World, ask: (controller: Requester) => Promise<boolean>): Promise<void> {
  const tools: ClientTools = world.toolsFor('operator');
  const router = new Router('operator', tools);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const asked = router.controller().then(ask);
    const isTaken = await world.until(asked.catch(notAnswered), PATIENCE_MS);
    if (isTaken) break;
    router.forget();
    await world.pass(100);
  }
  // What it has set off goes on by itself.
  await world.pass(1500);
}

async function judge(world: World, stage: Stage, verb: Verb): Promise<string[]> {
  const { clock, history } = world;
  const limitMs = clock.monotonic() + PATIENCE_MS;
  let left: string | undefined;
  do {
    await world.pass(200);
    left = world.isServing ? (await world.until(world.unrest(), PATIENCE_MS))?.message : 'not all brokers serve';
    left ??= await world.until(verb.left(world, stage), PATIENCE_MS);
  } while (left !== undefined && clock.monotonic() < limitMs);
  const problems = left === undefined ? [] : [left];
  const [kept] = world.partitions;
  const refusal = await world.until(world.auditOf([kept!]), PATIENCE_MS);
  if (refusal !== undefined) problems.push(refusal);
  problems.push(...check(history).map(({ anomaly, message }) => `${anomaly}: ${message}`));
  return problems;
}

/** Kills a broker's process at one of its writes: the controller's, or of whoever wrote for it. */
class Assassin {
  world: World | undefined;
  isArmed = false;
  hasStruck = false;
  readonly #write: number;
  readonly #when: When;
  #writes = 0;

  constructor(write: number, when: When) {
    this.#write = write;
    this.#when = when;
  }

  get build(): Build {
    const what = 'the controller dies at one of its writes';
    return { name: 'assassinated', what, store: (store) => new WatchedStore(store, this) };
  }

  /** Carries a write of a broker out, or the death of that broker. */
  async witness<T>(broker: number, write: () => Promise<T>): Promise<T> {
    if (!this.isArmed || this.hasStruck) return write();
    this.#writes += 1;
    if (this.#writes !== this.#write) return write();
    this.hasStruck = true;
    if (this.#when === 'after') await write();
    this.world?.machines[broker - 1]?.crash({ keeps: 'all', downMs: 40, tellsClients: true, sessionMs: 0 });
    return new Promise(() => {});
  }
}

/** A broker's session, whose every write the assassin hears of. */
class WatchedStore extends ForwardingStore {
  readonly #assassin: Assassin;
  #broker = -1;

  constructor(store: MetadataStore, assassin: Assassin) {
    super(store);
    this.#assassin = assassin;
  }

  override create(path: string, data: Uint8Array, options?: CreateOptions): Promise<string> {
    return this.#assassin.witness(this.#broker, () => super.create(path, data, options));
  }

  override set(path: string, data: Uint8Array, expected: Version): Promise<NodeStat> {
    return this.#assassin.witness(this.#broker, () => super.set(path, data, expected));
  }

  override delete(path: string, expected: Version): Promise<void> {
    return this.#assassin.witness(this.#broker, () => super.delete(path, expected));
  }

  override multi(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    this.#broker = registeredIn(operations) ?? this.#broker;
    return this.#assassin.witness(this.#broker, () => super.multi(operations));
  }
}

/** Which broker registers. */
function registeredIn(operations: readonly Operation[]): number | undefined {
  for (const { type, path } of operations) {
    const id = type === 'create' ? /^\/brokers\/ids\/(\d+)$/.exec(path)?.[1] : undefined;
    if (id !== undefined) return Number(id);
  }
  return undefined;
}

async function reassign(controller: Requester, { topic }: Stage, replicas: readonly number[] | null): Promise<boolean> {
  const partitions = [{ partitionIndex: 0, replicas: replicas && [...replicas] }];
  const body = { timeoutMs: TIMEOUT_MS, topics: [{ name: topic, partitions }] };
  const answer = await controller.ask(AlterPartitionReassignments, 0, body, TIMEOUT_MS);
  const code = answer.errorCode || answer.responses[0]?.partitions[0]?.errorCode;
  return code === ErrorCode.NONE || code === ErrorCode.NO_REASSIGNMENT_IN_PROGRESS;
}

function leaderless(states: World['states'], topic: string, partitions: number): string | undefined {
  for (let index = 0; index < partitions; index += 1) {
    if ((states.stateOf(`${topic}-${index}`)?.leader ?? -1) < 0) return `${topic}-${index} has no leader`;
  }
  return undefined;
}

function notAnswered(error: unknown): false {
  if (error instanceof NoAnswer) return false;
  throw error;
}
