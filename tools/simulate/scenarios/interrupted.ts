import type { CreateOptions, MetadataStore, NodeStat, Operation, OperationResult, Version } from '@millrace/metadata';
import type { Build } from '../build.ts';
import { check } from '../checker/check.ts';
import { NoAnswer, type Requester } from '../clients/requester.ts';
import { Router } from '../clients/router.ts';
import { planSeed, type SeedPlan } from '../plan.ts';
import type { TraceLine } from '../trace.ts';
import { ForwardingStore } from '../world/forwarding-store.ts';
import { World } from '../world/world.ts';
import { EXTRA, idOf, KEPT, REPLICAS, type Stage, type Verb, verbs } from './interrupted-verbs.ts';

const BROKERS = 4;
const PATIENCE_MS = 30_000;
const ATTEMPTS_MAX = 60;
const RECORDS = 5;
/** How long a connection that is lost stays away, and how long a process that was killed is down. */
const AWAY_MS = 40;

/** Whether the write at which something happens is applied. */
export type When = 'before' | 'after';

/**
 * What happens to who writes: the process dies, or it lives and hears no answer, because its connection to the store is lost for a moment, or
 * its session with it.
 */
export type Blow = 'death' | 'loss' | 'expiry';

/** Which write is struck, and how. */
export interface Strike {
  readonly blow: Blow;
  readonly when: When;
  /** Counted from 1 since something was asked for. */
  readonly write: number;
}

/** What came of an interruption. */
export interface Interruption {
  /** Whether there was a write that was struck; false: all writes are through. */
  readonly hasStruck: boolean;
  /** Whether what was to be changed was found under way. */
  readonly hasMet: boolean;
  readonly problems: readonly string[];
}

/**
 * Has a controller begin something, strikes whoever makes the n-th write into the metadata store from then on, which is applied or not, and
 * looks whether it ends well: nothing half done, nothing lost.
 */
export async function interrupt(name: string, strike: Strike, trace?: TraceLine): Promise<Interruption> {
  const verb = verbs[name];
  if (verb === undefined) throw new Error(`There is no verb ${name}`);
  const assassin = new Assassin(strike);
  const world = new World(stillPlan(), assassin.build, trace);
  assassin.world = world;
  await world.begin();
  let hasMet = false;
  const stage = await setUp(world, () => {
    hasMet = true;
  });
  const { prepare } = verb;
  if (prepare !== undefined) await insist(world, (controller) => prepare(controller, stage));
  assassin.isArmed = true;
  await insist(world, (controller) => verb.ask(controller, stage));
  assassin.isArmed = false;
  const problems = await judge(stage, verb);
  return { hasStruck: assassin.hasStruck, hasMet, problems };
}

/** Four brokers, two topics, and nothing that goes wrong by itself. */
function stillPlan(): SeedPlan {
  const plan = planSeed(1, { brokers: BROKERS, faults: [] });
  const topic = { retentionBytes: undefined, retentionMs: undefined, isCompacted: false, configs: {} };
  return {
    ...plan,
    settings: { ...plan.settings, 'auto.leader.rebalance.enable': 'false', 'min.insync.replicas': '2' },
    topics: [
      { ...topic, name: KEPT, partitions: 1, replicationFactor: REPLICAS },
      { ...topic, name: EXTRA, partitions: 2, replicationFactor: REPLICAS },
    ],
    producers: [],
    readers: [],
    faults: [],
    isTended: false,
  };
}

async function setUp(world: World, met: () => void): Promise<Stage> {
  const [kept] = world.partitions;
  await world.clock.run(() => world.states.stateOf(kept!.name)?.isr.length === REPLICAS, PATIENCE_MS);
  for (let record = 0; record < RECORDS; ) {
    if ((await world.until(world.admin.probe(kept!), PATIENCE_MS)) === undefined) record += 1;
    await world.pass(20);
  }
  const replicas = await world.until(world.replicasOf(KEPT, 0), PATIENCE_MS);
  const other = world.machines.map(({ id }) => id).find((id) => !replicas.includes(id));
  const stage = { world, session: world.ensemble.openSession(), replicas, other: other!, extraId: undefined, met };
  return { ...stage, extraId: await world.until(idOf(stage, EXTRA), PATIENCE_MS) };
}

/** Asks until it is taken up, as an operator would who gets no answer. */
async function insist(world: World, ask: (controller: Requester) => Promise<boolean>): Promise<void> {
  const router = new Router('operator', world.toolsFor('operator'));
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

async function judge(stage: Stage, verb: Verb): Promise<string[]> {
  const { world } = stage;
  const { clock, history } = world;
  const limitMs = clock.monotonic() + PATIENCE_MS;
  let left: string | undefined;
  do {
    await world.pass(200);
    left = world.isServing ? (await world.until(world.unrest(), PATIENCE_MS))?.message : 'not all brokers serve';
    left ??= await world.until(verb.left(stage), PATIENCE_MS);
    left ??= await world.until(strayReplica(stage), PATIENCE_MS);
  } while (left !== undefined && clock.monotonic() < limitMs);
  const problems = left === undefined ? [] : [left];
  const [kept] = world.partitions;
  const refusal = await world.until(world.auditOf([kept!]), PATIENCE_MS);
  if (refusal !== undefined) problems.push(refusal);
  problems.push(...check(history).map(({ anomaly, message }) => `${anomaly}: ${message}`));
  return problems;
}

/** A replica on a broker that is not to have one. */
async function strayReplica({ world }: Stage): Promise<string | undefined> {
  for (const { name, topic } of world.partitions) {
    const replicas = await world.replicasOf(topic.name, Number(name.slice(topic.name.length + 1)));
    const strays = world.machines.filter(
      ({ id, folders, disk }) =>
        !replicas.includes(id) && folders.some((folder) => disk.filesBelow(`${folder}/${name}`).length > 0),
    );
    if (strays.length > 0) return `${name} has files on ${strays.map(({ id }) => id)}, and is on ${replicas}`;
  }
  return undefined;
}

/** Strikes a broker at one of its writes: the controller, or whoever writes for it. */
class Assassin {
  world: World | undefined;
  isArmed = false;
  hasStruck = false;
  readonly #strike: Strike;
  #writes = 0;

  constructor(strike: Strike) {
    this.#strike = strike;
  }

  get build(): Build {
    const what = 'the controller is struck at one of its writes';
    return { name: 'assassinated', what, store: (store) => new WatchedStore(store, this) };
  }

  /** Carries a write of a broker out, or what is to happen to that broker. */
  witness<T>(broker: number, write: () => Promise<T>): Promise<T> {
    if (!this.isArmed || this.hasStruck) return write();
    this.#writes += 1;
    if (this.#writes !== this.#strike.write) return write();
    this.hasStruck = true;
    return this.#struck(broker, write);
  }

  async #struck<T>(broker: number, write: () => Promise<T>): Promise<T> {
    const machine = this.world?.machines[broker - 1];
    const { blow, when } = this.#strike;
    if (blow === 'death') {
      if (when === 'after') await write();
      machine?.crash({ keeps: 'all', downMs: AWAY_MS, tellsClients: true, sessionMs: 0 });
      return new Promise(() => {});
    }
    machine?.loseStore(when, AWAY_MS);
    const written = write();
    if (blow === 'expiry') machine?.expireSession();
    return written;
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

function notAnswered(error: unknown): false {
  if (error instanceof NoAnswer) return false;
  throw error;
}
