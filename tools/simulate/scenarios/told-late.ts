/**
 * A broker that has just started, leads and coordinates, and has not been told of a topic yet: what it says to clients meanwhile. Consumers
 * and their groups have ended for good where it called the topic unknown, or refused to make it for want of brokers. And transactions whose
 * markers it is to write, which stay open in the topic where it takes that for deleted.
 */
import type { PeerLane, Peers } from '@millrace/broker';
import {
  type Api,
  ErrorCode,
  FindCoordinator,
  Metadata,
  OffsetCommit,
  UpdateMetadata,
  type UpdateMetadataRequestInput,
  WriteTxnMarkers,
} from '@millrace/protocol';
import type { Build } from '../build.ts';
import { check } from '../checker/check.ts';
import { Router } from '../clients/router.ts';
import { planSeed, type SeedPlan } from '../plan.ts';
import type { TraceLine } from '../trace.ts';
import { checkTransactions } from '../transactions/check-transactions.ts';
import { CommittedReader } from '../transactions/committed-reader.ts';
import { TransactionSession } from '../transactions/session.ts';
import { TransactionLedger } from '../transactions/transaction-ledger.ts';
import type { Machine } from '../world/machine.ts';
import { World } from '../world/world.ts';

const BROKERS = 3;
const TOPIC = 'kept';
const PARTITIONS = 2;
const GROUPS = 8;
const TRANSACTIONAL_IDS = 8;
const STATE = '__transaction_state';
/** Longer than a topic may be unknown until it is looked for (5 s). */
const UNTOLD_MS = 8000;
const PATIENCE_MS = 30_000;
/** A broker waits 10 s for news of a topic that it has found to be there. */
const TIMEOUT_MS = 15_000;
const ATTEMPTS_MAX = 50;
/** Longer than anything here takes: nobody else shall come back meanwhile. */
const AWAY_MS = 20_000;

/** What the broker said, by what it was asked. */
export interface ToldLate {
  readonly metadata: { readonly errorCode: number; readonly partitions: number };
  readonly commits: readonly number[];
  readonly problems: readonly string[];
}

/** What is kept from it: the topic, so that it knows who else is there, leads and coordinates; or everything, the brokers included. */
export type Kept = 'topic' | 'everything';

export async function toldLate(kept: Kept, seed: number, trace?: TraceLine): Promise<ToldLate> {
  const censor = new Censor(kept);
  const world = new World(stillPlan(seed), censor.build, trace);
  await world.begin();
  await untilInSync(world);
  const router = new Router('late client', world.toolsFor('late client'));
  // Who asks for a coordinator first has the topic of offsets made.
  for (let attempt = 0; attempt < ATTEMPTS_MAX && !(await hasCoordinator(world, router)); attempt += 1) {
    await world.pass(200);
  }
  await untilInSync(world, partitionsOf(world, '__consumer_offsets'));
  const { late, other } = await startLate(world, censor, router);
  if (kept === 'everything') {
    const metadata = await askForTopic(world, router, late);
    await world.until(censor.release(), PATIENCE_MS);
    return { metadata, commits: [], problems: await judge(world) };
  }
  await untilInSync(world, partitionsOf(world, '__consumer_offsets'));
  // Now it comes to lead what this one led.
  other.crash({ keeps: 'all', downMs: AWAY_MS, tellsClients: true, sessionMs: 0 });
  await world.pass(1500);
  const commits: number[] = [];
  for (let group = 0; group < GROUPS; group += 1) commits.push(await commit(world, router, late, group));
  const metadata = await askForTopic(world, router, late);
  await world.until(censor.release(), PATIENCE_MS);
  return { metadata, commits, problems: await judge(world) };
}

/** What became of transactions that were decided, and whose markers are left to a broker that knows nothing of their topic. */
export interface LateMarkers {
  /** How many partitions of ids it coordinates. */
  readonly coordinated: number;
  readonly problems: readonly string[];
}

export async function markLate(seed: number, trace?: TraceLine): Promise<LateMarkers> {
  const censor = new Censor('topic');
  const world = new World(stillPlan(seed), censor.build, trace);
  await world.begin();
  await untilInSync(world);
  const ledger = new TransactionLedger();
  const sessions: TransactionSession[] = [];
  for (let index = 0; index < TRANSACTIONAL_IDS; index += 1)
    sessions.push(await newSession(world, ledger, `id${index}`));
  await untilInSync(world, partitionsOf(world, STATE));
  const { late, other } = await startLate(world, censor, new Router('operator', world.toolsFor('operator')));
  await untilInSync(world, partitionsOf(world, STATE));
  censor.holdsMarkers = true;
  for (const session of sessions) {
    const transaction = session.open();
    for (const partition of world.partitions) {
      await world.until(session.write(transaction, partition, [session.value()]), PATIENCE_MS);
    }
    await world.until(session.end(transaction, true), PATIENCE_MS);
  }
  other.crash({ keeps: 'all', downMs: AWAY_MS, tellsClients: true, sessionMs: 0 });
  await world.pass(1500);
  const coordinated = partitionsOf(world, STATE).filter((name) => world.states.stateOf(name)?.leader === late.id);
  censor.holdsMarkers = false;
  await world.pass(UNTOLD_MS);
  await world.until(censor.release(), PATIENCE_MS);
  const problems = await judge(world, ledger.uncommitted);
  const reader = new CommittedReader('last', world.partitions, ledger, world.toolsFor('last'));
  for (const partition of world.partitions) {
    const refusal = await world.until(reader.readToEnd(partition), PATIENCE_MS);
    if (refusal !== undefined) problems.push(refusal);
  }
  problems.push(...checkTransactions(ledger).map(({ anomaly, message }) => `${anomaly}: ${message}`));
  const committed = ledger.transactions.filter(({ outcome }) => outcome === 'committed').length;
  if (committed < TRANSACTIONAL_IDS) problems.push(`${committed} of ${TRANSACTIONAL_IDS} transactions are committed`);
  return { coordinated: coordinated.length, problems };
}

async function newSession(world: World, ledger: TransactionLedger, name: string): Promise<TransactionSession> {
  const tools = world.toolsFor(name);
  const times = { requestTimeoutMs: 1000, transactionTimeoutMs: PATIENCE_MS };
  const traits = { name, transactionalId: name, isNew: false, ...times };
  const session = new TransactionSession(traits, ledger, new Router(name, tools), tools);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    if (await world.until(session.begin(false), PATIENCE_MS)) return session;
  }
  throw new Error(`${name} gets no identity`);
}

/** Starts one anew that is no controller, and from then on is told of less; and gives another that is none. */
async function startLate(world: World, censor: Censor, router: Router): Promise<{ late: Machine; other: Machine }> {
  const controller = await world.until(router.controller(), PATIENCE_MS);
  const [late, other] = world.machines.filter(({ host }) => router.to(host) !== controller);
  if (late === undefined || other === undefined) throw new Error('There are not two brokers beside the controller');
  censor.brokerId = late.id;
  late.crash({ keeps: 'all', downMs: 40, tellsClients: true, sessionMs: 0 });
  await world.clock.run(() => late.serving === undefined, PATIENCE_MS);
  await world.clock.run(() => late.serving !== undefined, world.clock.monotonic() + PATIENCE_MS);
  return { late, other };
}

function stillPlan(seed: number): SeedPlan {
  const plan = planSeed(seed, { brokers: BROKERS, faults: [] });
  const topic = { retentionBytes: undefined, retentionMs: undefined, isCompacted: false, configs: {} };
  return {
    ...plan,
    settings: {
      ...plan.settings,
      'auto.create.topics.enable': 'true',
      'auto.leader.rebalance.enable': 'false',
      'default.replication.factor': '3',
      'min.insync.replicas': '1',
      'transaction.state.log.num.partitions': '4',
      'transaction.state.log.replication.factor': '3',
      'transaction.state.log.min.isr': '1',
    },
    topics: [{ ...topic, name: TOPIC, partitions: PARTITIONS, replicationFactor: BROKERS }],
    producers: [],
    readers: [],
    faults: [],
    isTended: false,
  };
}

/** Until every replica is in sync everywhere: of the topic, and of what else is named. */
async function untilInSync(world: World, others: readonly string[] = []): Promise<void> {
  const names = [...world.partitions.map(({ name }) => name), ...others];
  const isInSync = (name: string): boolean => world.states.stateOf(name)?.isr.length === BROKERS;
  await world.clock.run(() => names.every(isInSync), world.clock.monotonic() + PATIENCE_MS);
}

/** Those that there are; the first is there when there are any. */
function partitionsOf({ states }: World, topic: string): string[] {
  const names: string[] = [];
  for (let index = 0; states.stateOf(`${topic}-${index}`) !== undefined; index += 1) names.push(`${topic}-${index}`);
  return names;
}

async function askForTopic(world: World, router: Router, { host }: Machine): Promise<ToldLate['metadata']> {
  const body = { topics: [{ name: TOPIC }], allowAutoTopicCreation: true };
  const { topics } = await world.until(router.to(host).ask(Metadata, 9, body, TIMEOUT_MS), PATIENCE_MS);
  return { errorCode: topics[0]!.errorCode, partitions: topics[0]!.partitions.length };
}

async function hasCoordinator(world: World, router: Router): Promise<boolean> {
  const asked = router.to(world.machines[0]!.host).ask(FindCoordinator, 3, { key: 'group 0', keyType: 0 }, TIMEOUT_MS);
  return (await world.until(asked, PATIENCE_MS)).errorCode === ErrorCode.NONE;
}

async function commit(world: World, router: Router, { host }: Machine, group: number): Promise<number> {
  const partitions = [{ partitionIndex: 1, committedOffset: 0, committedMetadata: '' }];
  const topics = [{ name: TOPIC, partitions }];
  const body = { groupId: `group ${group}`, memberId: '', generationIdOrMemberEpoch: -1, topics };
  const answer = await world.until(router.to(host).ask(OffsetCommit, 7, body, TIMEOUT_MS), PATIENCE_MS);
  return answer.topics[0]!.partitions[0]!.errorCode;
}

async function judge(world: World, uncommitted?: Parameters<typeof check>[1]): Promise<string[]> {
  const limitMs = world.clock.monotonic() + PATIENCE_MS + AWAY_MS;
  let left: string | undefined;
  do {
    await world.pass(200);
    left = world.isServing ? (await world.until(world.unrest(), PATIENCE_MS))?.message : 'not all brokers serve';
  } while (left !== undefined && world.clock.monotonic() < limitMs);
  const found = check(world.history, uncommitted).map(({ anomaly, message }) => `${anomaly}: ${message}`);
  return left === undefined ? found : [left, ...found];
}

/** Keeps from a broker what the controller tells it of the topic, but for what it is to lead and to follow. */
class Censor {
  brokerId: number | undefined;
  /** Whether no marker gets to another broker. */
  holdsMarkers = false;
  readonly #what: Kept;
  readonly #kept: (() => Promise<unknown>)[] = [];

  constructor(what: Kept) {
    this.#what = what;
  }

  get build(): Build {
    const what = 'a broker is told of a topic late';
    return { name: 'told-late', what, peers: (peers) => this.#between(peers) };
  }

  /** Has everything told that was kept, in order. */
  async release(): Promise<void> {
    this.brokerId = undefined;
    for (const tell of this.#kept.splice(0)) await tell();
  }

  #between(peers: Peers): Peers {
    return {
      lane: (address, clientId) => {
        const lane = peers.lane(address, clientId);
        const keeps = (tell: () => Promise<unknown>): boolean => {
          const isMeant = address.brokerId === this.brokerId;
          if (isMeant) this.#kept.push(tell);
          return isMeant;
        };
        return new CensoredLane(lane, this.#what, keeps, () => this.holdsMarkers);
      },
    };
  }
}

class CensoredLane implements PeerLane {
  readonly #lane: PeerLane;
  readonly #what: Kept;
  /** Whether to keep something to oneself. */
  readonly #keeps: (tell: () => Promise<unknown>) => boolean;
  readonly #holdsMarkers: () => boolean;

  constructor(
    lane: PeerLane,
    what: Kept,
    keeps: (tell: () => Promise<unknown>) => boolean,
    holdsMarkers: () => boolean,
  ) {
    this.#lane = lane;
    this.#what = what;
    this.#keeps = keeps;
    this.#holdsMarkers = holdsMarkers;
  }

  send<Req, Res, ReqInput, ResInput>(
    api: Api<Req, Res, ReqInput, ResInput>,
    version: number | 'auto',
    body: ReqInput | ((version: number) => ReqInput),
    options: { readonly timeoutMs: number },
  ): Promise<Res> {
    if (api.key === WriteTxnMarkers.key && this.#holdsMarkers()) return Promise.reject(new Error('Markers are held'));
    const isNews = api.key === UpdateMetadata.key;
    if (!isNews || !this.#keeps(() => this.#lane.send(api, version, body, options))) {
      return this.#lane.send(api, version, body, options);
    }
    // The key says that it is this request, and so whose its answer and its body are.
    if (this.#what === 'everything') return Promise.resolve({ errorCode: ErrorCode.NONE } as Res);
    const censor = (whole: ReqInput): ReqInput => withoutTopic(whole as UpdateMetadataRequestInput) as ReqInput;
    const censored =
      typeof body === 'function'
        ? (spoken: number) => censor((body as (spoken: number) => ReqInput)(spoken))
        : censor(body);
    return this.#lane.send(api, version, censored, options);
  }

  reset(): void {
    this.#lane.reset();
  }

  close(): void {
    this.#lane.close();
  }
}

function withoutTopic(news: UpdateMetadataRequestInput): UpdateMetadataRequestInput {
  const { topicStates = [], ungroupedPartitionStates = [] } = news;
  return {
    ...news,
    topicStates: topicStates.filter(({ topicName }) => topicName !== TOPIC),
    ungroupedPartitionStates: ungroupedPartitionStates.filter(({ topicName }) => topicName !== TOPIC),
  };
}
