import { createHash } from 'node:crypto';
import { checkInvariants } from '@millrace/ports';
import { type Build, SOUND } from './build.ts';
import { check } from './checker/check.ts';
import type { Anomaly, Violation } from './checker/violation.ts';
import type { SimulatedClient } from './clients/client.ts';
import { Gardener } from './clients/gardener.ts';
import { GroupMember } from './clients/group-member.ts';
import { GroupProtocol } from './clients/group-protocol.ts';
import { IdempotentProducer } from './clients/idempotent-producer.ts';
import { Impostor } from './clients/impostor.ts';
import { PlainProducer } from './clients/plain-producer.ts';
import { PlainReader } from './clients/plain-reader.ts';
import { Porter } from './clients/porter.ts';
import { NoAnswer } from './clients/requester.ts';
import { Router } from './clients/router.ts';
import type { PartitionRef } from './clients/topics.ts';
import { Vandal } from './clients/vandal.ts';
import type { History } from './history.ts';
import { type PlanOptions, type ProducerTraits, planSeed, type ReaderTraits, type SeedPlan } from './plan.ts';
import type { TraceLine } from './trace.ts';
import { checkTransactions } from './transactions/check-transactions.ts';
import { CommittedReader } from './transactions/committed-reader.ts';
import { COPY_GROUP, COPY_TOPIC, Copier } from './transactions/copier.ts';
import { TransactionLedger } from './transactions/transaction-ledger.ts';
import { TransactionalProducer } from './transactions/transactional-producer.ts';
import { planCrash } from './world/fault-plan.ts';
import type { Machine } from './world/machine.ts';
import { Nemesis } from './world/nemesis.ts';
import { ClockStopped } from './world/simulated-clock.ts';
import { World, WorldStuck } from './world/world.ts';

// A world is run to find mistakes, so what must always hold is looked at.
checkInvariants();

/** What a seed is run with. */
export interface RunOptions extends PlanOptions {
  readonly build?: Build;
  /** Takes the trace down, which costs time. */
  readonly trace?: TraceLine | undefined;
  /**
   * What a broken build is to be caught by: where the world itself sees it, the world ends with it. What else the checker says of the
   * history then is said of one that was cut short.
   */
  readonly lookedFor?: Anomaly | undefined;
}

/** What happened in a world, in numbers. */
export interface SeedFigures {
  /** Deaths of the broker's process or machine, the last one before the final audit included. */
  readonly crashes: number;
  readonly powerLosses: number;
  readonly restarts: number;
  readonly failedStarts: number;
  /** How often a broker's own metadata had to be brought back by hand. */
  readonly metadataRestorations: number;
  /** Faults that struck, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** Operations that the checker has looked at. */
  readonly operations: number;
  readonly recordsAcknowledged: number;
  readonly recordsRead: number;
  readonly commits: number;
  readonly audits: number;
  /** Reassignments that were accepted. */
  readonly moves: number;
  /** Those that were done: the replicas of a partition are on other brokers, or fewer, and nothing is left to do. */
  readonly movesDone: number;
  /** Leaders that were elected though they were not in sync, where topics allow that. */
  readonly uncleanElections: number;
  /** How often followers have given readers records, where these have racks. */
  readonly followerReads: number;
  /** Moves between log folders that were accepted. */
  readonly folderMoves: number;
  readonly diskCalls: number;
  /** Time that has passed in the world. */
  readonly simulatedMs: number;
}

/** The verdict on a seed. */
export interface SeedResult {
  readonly seed: number;
  readonly plan: SeedPlan;
  readonly violations: readonly Violation[];
  readonly history: History;
  /** Of all that happened: two runs of one seed have the same. */
  readonly hash: string;
  readonly figures: SeedFigures;
}

const PATIENCE_MS = 30_000;
/** Batches are tried for so long; clients have somewhat longer to finish. */
const DELIVERY_TIMEOUT_MS = 4000;
const FINISH_MS = 12_000;
/** How long a world is left alone, so that what is under way is over. */
const QUIET_MS = 500;
const PROBES_MAX = 60;
/** How long partitions may have no leader, or not take records, when one machine is down and nothing else goes wrong. */
const LEADERS_MS = 15_000;
const PROBE_PAUSE_MS = 200;

/** Lets one world run from its beginning to its end, and judges it. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<SeedResult> {
  let world: World | undefined;
  // What nobody awaits: the real process ends of it.
  const rejected = (error: unknown): void => {
    world?.protest('escaped', null, `${String(error)} is the end of a promise that nobody waits for`);
  };
  process.on('unhandledRejection', rejected);
  try {
    return await run(seed, options, (begun) => {
      world = begun;
    });
  } finally {
    process.off('unhandledRejection', rejected);
  }
}

async function run(seed: number, options: RunOptions, begins: (world: World) => void): Promise<SeedResult> {
  const { build = SOUND } = options;
  const plan = planSeed(seed, { ...options, transactions: options.transactions ?? build.hasTransactions ?? false });
  const world = new World(plan, build, options.trace, options.lookedFor);
  begins(world);
  const nemesis = new Nemesis(world);
  const ledger = new TransactionLedger();
  const helpers: Helpers = { gardeners: [], porters: [] };
  await live(world, nemesis, ledger, helpers).catch((error: unknown) => {
    if (!(error instanceof ClockStopped)) throw error;
  });
  const { history } = world;
  for (const { name } of world.partitions) if (world.states.uncleanEpoch(name) >= 0) history.unclean.add(name);
  const violations = [...check(history, ledger.uncommitted), ...checkTransactions(ledger)];
  return { seed, plan, violations, history, hash: hashOf(world), figures: figuresOf(world, nemesis, helpers) };
}

/** Those of whom is counted what they got done. */
interface Helpers {
  readonly gardeners: Gardener[];
  readonly porters: Porter[];
}

/** From the first start to the last audit. */
async function live(world: World, nemesis: Nemesis, ledger: TransactionLedger, helpers: Helpers): Promise<void> {
  const { plan } = world;
  await world.begin();
  world.groups = [...new Set(plan.readers.flatMap(({ group }) => group ?? []))];
  const { gardeners, porters } = helpers;
  const factor = plan.topics[0]?.replicationFactor ?? 1;
  if (plan.isTended) gardeners.push(new Gardener(world.toolsFor('gardener'), factor));
  if (plan.hasPorter) porters.push(new Porter(world.toolsFor('porter'), world.machines[0]!.folders));
  const clients = [
    ...plan.producers.map((traits) => makeProducer(traits, world)),
    ...plan.readers.map((traits) => makeReader(traits, world)),
    ...(plan.hasVandals ? vandals(world) : []),
    ...gardeners,
    ...porters,
  ];
  if (plan.transactional.length > 0) clients.push(...transactionalClients(world, ledger));
  nemesis.start(plan.faults);
  const timeIsUp = (): void => nemesis.stop();
  await world.run(clients, plan.durationMs, FINISH_MS, timeIsUp, () => getsOnWithoutOne(world));
  await finish(world);
  if (plan.transactional.length > 0) await readCommitted(world, ledger);
}

function vandals(world: World): SimulatedClient[] {
  const vandal = new Vandal(world.toolsFor('vandal'));
  return world.plan.brokers === 1 ? [vandal] : [vandal, new Impostor(world.toolsFor('impostor'))];
}

function makeProducer(traits: ProducerTraits, world: World): SimulatedClient {
  const tools = world.toolsFor(traits.name);
  // Copies are of those that copy alone.
  const plan = { ...traits, partitions: copyPartitions(world).sources };
  if (traits.kind === 'idempotent') {
    return new IdempotentProducer({ ...plan, deliveryTimeoutMs: DELIVERY_TIMEOUT_MS }, tools);
  }
  return new PlainProducer({ ...plan, attemptsMax: traits.kind === 'once' ? 1 : 5 }, tools);
}

function makeReader(traits: ReaderTraits, world: World): SimulatedClient {
  const tools = world.toolsFor(traits.name);
  const { partitions } = world;
  const { group } = traits;
  return group === undefined
    ? new PlainReader({ ...traits, partitions }, tools)
    : new GroupMember({ ...traits, group, partitions }, tools);
}

function transactionalClients(world: World, ledger: TransactionLedger): SimulatedClient[] {
  const { plan, partitions } = world;
  const { sources, sinks } = copyPartitions(world);
  const producers = plan.transactional.map(
    (traits) => new TransactionalProducer(traits, sources, ledger, world.toolsFor(traits.name)),
  );
  const copiers = plan.copiers.map(
    (traits) => new Copier(traits, { sources, sinks }, ledger, world.toolsFor(traits.name)),
  );
  const tools = world.toolsFor('committed');
  return [...producers, ...copiers, new CommittedReader('committed', partitions, ledger, tools, plan.committedRack)];
}

/** Where the copiers read, and where they write. */
function copyPartitions({ partitions }: World): { sources: PartitionRef[]; sinks: PartitionRef[] } {
  const { true: sinks = [], false: sources = [] } = Object.groupBy(partitions, ({ topic }) =>
    topic.name === COPY_TOPIC ? 'true' : 'false',
  );
  return { sources, sinks };
}

/** How far the group of the copiers has come; says why not, when nobody can say. */
async function readCopies(world: World, ledger: TransactionLedger): Promise<string | undefined> {
  const { sources, sinks } = copyPartitions(world);
  if (sinks.length === 0) return undefined;
  const group = new GroupProtocol(COPY_GROUP, new Router('last', world.toolsFor('last')), LAST_VERSIONS, 1000);
  const committed = await group.committed(sources).catch((error: unknown) => {
    if (error instanceof NoAnswer) return undefined;
    throw error;
  });
  if (committed === undefined) return `the offsets of ${COPY_GROUP} are not stable`;
  ledger.copies = {
    sinks: sinks.map(({ name }) => name),
    committed: new Map(Array.from(committed, ([{ name }, offset]) => [name, offset])),
  };
  return undefined;
}

const LAST_VERSIONS = { find: 3, join: 5, sync: 3, heartbeat: 3, leave: 3, commit: 7, fetch: 7 } as const;

/** What is committed in the end. Transactions that nobody ends do so by themselves. */
async function readCommitted(world: World, ledger: TransactionLedger): Promise<void> {
  const limitMs = world.clock.monotonic() + PATIENCE_MS;
  for (;;) {
    const reader = new CommittedReader('last', world.partitions, ledger, world.toolsFor('last'));
    const read = Promise.all([
      ...world.partitions.map((partition) => reader.readToEnd(partition)),
      readCopies(world, ledger),
    ]);
    const told = await world.until(read, PATIENCE_MS).catch((error: unknown) => [onlyStuck(error)]);
    const refusals = told.flatMap((refusal) => refusal ?? []);
    const isOver = refusals.length === 0 && [...ledger.final.values()].every(({ lag }) => lag === 0);
    if (isOver) return;
    if (world.clock.monotonic() > limitMs) {
      for (const refusal of refusals) protest(world, null, refusal);
      return;
    }
    await world.pass(PROBE_PAUSE_MS);
  }
}

/** With nothing going wrong any more, everything works; and after a last crash, everything is still there. */
async function finish(world: World): Promise<void> {
  const { plan, dice } = world;
  if (!(await serves(world))) return;
  await settles(world);
  for (const partition of world.partitions) await probe(world, partition);
  await finalAudit(world);
  await answersAll(world);
  const ending = dice.for('ending');
  for (const machine of world.machines) {
    if (ending.chance(25)) await world.until(machine.restart(10), PATIENCE_MS).catch(onlyStuck);
    else machine.crash({ ...planCrash(ending, plan.isDurable ? ending.pick(['none', 'some']) : 'all'), downMs: 10 });
  }
  if (!(await serves(world))) return;
  await settles(world);
  await finalAudit(world);
  await answersAll(world);
  if (plan.brokers === 1) return;
  world.compareReplicas();
  await comesToRest(world);
}

/**
 * With one machine down and nothing else going wrong, every partition that somebody can lead has a leader within bounded time, and takes
 * records where enough replicas of it are left.
 */
async function getsOnWithoutOne(world: World): Promise<void> {
  const { clock, plan } = world;
  const others = world.machines.filter(({ id }) => id !== plan.absent?.brokerId);
  const serve = (): boolean => others.every(({ serving }) => serving !== undefined);
  const tell = (partition: string | null, message: string): void => world.protest('leaderless', partition, message);
  const away = `without broker ${plan.absent?.brokerId}`;
  await clock.run(serve, clock.monotonic() + PATIENCE_MS);
  for (const machine of others) machine.replaceFailedFolders();
  const limitMs = clock.monotonic() + LEADERS_MS;
  const isLed = await clock.run(() => serve() && world.notLed() === undefined, limitMs);
  if (!isLed) {
    return tell(null, `${away} nobody leads within ${LEADERS_MS} ms: ${world.notLed() ?? 'others do not serve'}`);
  }
  for (const partition of world.partitions) {
    let refusal: string | undefined = 'nobody was asked';
    while (refusal !== undefined && canTakeRecords(world, partition) && clock.monotonic() < limitMs) {
      refusal = await world.until(world.admin.probe(partition), PATIENCE_MS).catch(onlyStuck);
      if (refusal !== undefined) await world.pass(PROBE_PAUSE_MS);
    }
    if (refusal !== undefined && canTakeRecords(world, partition)) tell(partition.name, `${away}: ${refusal}`);
  }
}

/** Whether one can lead, and as many of its replicas are left as must be in sync for what is acknowledged. */
function canTakeRecords({ states, plan }: World, { topic, index, name }: PartitionRef): boolean {
  const isLeft = (id: number): boolean => id !== plan.absent?.brokerId;
  const replicas = states.replicasOf(topic.name, index).filter(isLeft);
  const candidates = states.uncleanTopics.has(topic.name) ? replicas : (states.stateOf(name)?.isr ?? []);
  return replicas.length >= Number(plan.settings['min.insync.replicas']) && candidates.some(isLeft);
}

/** Every partition has its leader, and all its replicas come into sync, within bounded time. */
async function settles(world: World): Promise<void> {
  const { clock, plan } = world;
  if (plan.brokers === 1) return;
  await clock.run(() => world.notInSync() === undefined, clock.monotonic() + PATIENCE_MS);
  const late = world.notInSync();
  if (late !== undefined) protest(world, null, `not in sync within ${PATIENCE_MS} ms: ${late}`);
  // What followers have fetched last, they also write.
  await world.pass(QUIET_MS);
}

/** With nothing going wrong any more, nobody waits for ever for an answer, and no broker for somebody who is gone. */
async function answersAll(world: World): Promise<void> {
  const late = await world.nobodyWaits(PATIENCE_MS);
  if (late !== undefined) world.protest('unanswered', null, late);
}

/** Brokers know what is, and nothing is left of what was asked for. */
async function comesToRest(world: World): Promise<void> {
  let unrest = await world.until(world.unrest(), PATIENCE_MS);
  const limitMs = world.clock.monotonic() + PATIENCE_MS;
  while (unrest !== undefined && world.clock.monotonic() < limitMs) {
    await world.pass(PROBE_PAUSE_MS);
    unrest = await world.until(world.unrest(), PATIENCE_MS);
  }
  if (unrest !== undefined) world.protest(unrest.anomaly, null, `after ${PATIENCE_MS} ms of rest ${unrest.message}`);
}

async function serves(world: World): Promise<boolean> {
  const { clock, machines } = world;
  // A broker that is stopped in order serves until it has begun to stop.
  await world.pass(1);
  await clock.run(() => world.isServing, clock.monotonic() + PATIENCE_MS);
  for (const machine of machines) machine.replaceFailedFolders();
  const isServing = await clock.run(() => world.isServing, clock.monotonic() + PATIENCE_MS);
  if (!isServing) protest(world, null, `the brokers do not all serve within ${PATIENCE_MS} ms`);
  return isServing;
}

async function probe(world: World, partition: World['partitions'][number]): Promise<void> {
  let refusal: string | undefined;
  for (let attempt = 0; attempt < PROBES_MAX; attempt += 1) {
    refusal = await world.until(world.admin.probe(partition), PATIENCE_MS).catch(onlyStuck);
    if (refusal === undefined) return;
    await world.pass(PROBE_PAUSE_MS);
  }
  protest(world, partition.name, refusal ?? 'Produce is never answered');
}

async function finalAudit(world: World): Promise<void> {
  let refusal = await world.until(world.audit(true), PATIENCE_MS).catch(onlyStuck);
  // Brokers that serve know their leaderships a moment later.
  for (let attempt = 1; refusal !== undefined && world.plan.brokers > 1 && attempt < PROBES_MAX; attempt += 1) {
    await world.pass(PROBE_PAUSE_MS);
    refusal = await world.until(world.audit(true), PATIENCE_MS).catch(onlyStuck);
  }
  if (refusal !== undefined) protest(world, null, `not everything can be read: ${refusal}`);
}

function onlyStuck(error: unknown): string {
  if (error instanceof WorldStuck) return error.message;
  throw error;
}

function protest(world: World, partition: string | null, message: string): void {
  world.protest('unavailable', partition, message);
}

function hashOf({ history, notes, clock }: World): string {
  const hash = createHash('sha1');
  hash.update(JSON.stringify([history.events, notes, clock.monotonic(), clock.fired]));
  return hash.digest('hex');
}

function figuresOf(world: World, nemesis: Nemesis, { gardeners, porters }: Helpers): SeedFigures {
  const { history, machines, clock } = world;
  const sum = (of: (machine: Machine) => number): number => machines.reduce((all, machine) => all + of(machine), 0);
  const sends = history.events.filter((event) => event.kind === 'send');
  const reads = history.events.filter((event) => event.kind === 'poll' || event.kind === 'audit');
  return {
    crashes: sum(({ crashes }) => crashes),
    powerLosses: sum(({ powerLosses }) => powerLosses),
    restarts: sum(({ restarts }) => restarts),
    failedStarts: sum(({ failedStarts }) => failedStarts),
    metadataRestorations: sum(({ metadataRestorations }) => metadataRestorations),
    faults: Object.fromEntries(nemesis.struck),
    operations: history.events.length,
    recordsAcknowledged: sends.reduce((sum, { outcome, values }) => sum + (outcome === 'ok' ? values.length : 0), 0),
    recordsRead: reads.reduce((sum, { records }) => sum + records.length, 0),
    commits: history.events.filter((event) => event.kind === 'commit').length,
    audits: world.audits,
    moves: gardeners.reduce((all, { movesAccepted }) => all + movesAccepted, 0),
    movesDone: world.states.movesDone,
    uncleanElections: world.states.uncleanElections,
    followerReads: history.followerReads,
    folderMoves: porters.reduce((all, { movesAccepted }) => all + movesAccepted, 0),
    diskCalls: sum(({ faults }) => faults.calls),
    simulatedMs: clock.monotonic(),
  };
}
