/**
 * A transaction's coordinator that moves to another broker and back: while what it writes is not replicated yet, and while a marker or the
 * answer to one is on its way. Coordinators elsewhere have kept the memory of their earlier term, and lost the completion of a transaction.
 */
import type { PeerLane, Peers } from '@millrace/broker';
import {
  AlterPartitionReassignments,
  type Api,
  DescribeTransactions,
  ElectLeaders,
  EndTxn,
  ErrorCode,
  encodeVersioned,
  Fetch,
  InitProducerId,
  Produce,
  TransactionLogKey,
  TransactionLogValue,
  WriteTxnMarkers,
} from '@millrace/protocol';
import { RecordBatchBuilder } from '@millrace/records';
import type { Build } from '../build.ts';
import { check } from '../checker/check.ts';
import { NoAnswer, type Requester } from '../clients/requester.ts';
import { Router } from '../clients/router.ts';
import type { PartitionRef } from '../clients/topics.ts';
import { meddlingWith } from '../mutants/request-mutants.ts';
import { planSeed, type SeedPlan } from '../plan.ts';
import type { TraceLine } from '../trace.ts';
import { checkTransactions } from '../transactions/check-transactions.ts';
import { CommittedReader } from '../transactions/committed-reader.ts';
import { TransactionSession } from '../transactions/session.ts';
import { TransactionLedger } from '../transactions/transaction-ledger.ts';
import { World } from '../world/world.ts';

const BROKERS = 3;
const STATE = '__transaction_state';
const ID = 'moved';
const PATIENCE_MS = 30_000;
const TIMEOUT_MS = 1000;
const ATTEMPTS_MAX = 50;
const PAUSE_MS = 50;
/** Longer than a fetch of a follower waits for records. */
const FETCHES_OVER_MS = 1000;
const EXPIRATION_MS = 3000;
/** After which followers that fetch nothing are out of sync. */
const LAG_MS = 500;

/** What is played. */
export type Play =
  | 'within an append'
  | 'in-sync replicas alone change'
  | 'a marker comes late'
  | 'a marker comes late in its own term'
  | 'an answer comes late'
  | 'the id is used anew'
  | 'a marker is slow'
  | 'epochs are exhausted';

/** Plays it with brokers as they are, or broken; says what is wrong in the end. `isNew`: each end of a transaction raises its producer's epoch. */
export async function moveCoordinator(
  play: Play,
  { seed, isNew, build, trace }: { seed: number; isNew: boolean; build?: Build; trace?: TraceLine },
): Promise<string[]> {
  const censor = new Censor();
  const lagMs = play === 'in-sync replicas alone change' ? LAG_MS : 2 * PATIENCE_MS;
  const world = new World(stillPlan(seed, lagMs, play === 'a marker is slow' ? 3 : 2), censor.among(build), trace);
  const stage = await Stage.open(world, censor, isNew);
  await PLAYS[play](stage);
  return stage.judge();
}

const PLAYS: Readonly<Record<Play, (stage: Stage) => Promise<void>>> = {
  async 'within an append'(stage) {
    const { censor, first: coordinator, second } = stage;
    const former = await stage.producer('former');
    const left = await stage.written(former, stage.partitions);
    censor.hold(Fetch, (host) => host === stage.hostOf(coordinator));
    await stage.world.pass(FETCHES_OVER_MS);
    // Nobody replicates it there.
    const ending = former.end(left, true);
    await stage.world.pass(PAUSE_MS);
    await stage.lead(STATE, 0, second);
    await stage.until(ending);
    const between = await stage.producer('between');
    await stage.until(between.end(await stage.written(between, stage.partitions), true));
    await censor.release();
    await stage.lead(STATE, 0, coordinator);
    const last = await stage.producer('last');
    const lasting = await stage.written(last, stage.partitions);
    // Whom it knew in its earlier term, and whom it never knew.
    for (const session of [former, between]) {
      const late = session.open();
      await stage.until(session.write(late, stage.partitions[0]!, [session.value()]));
      await stage.until(session.end(late, true));
    }
    await stage.until(last.end(lasting, true));
  },

  async 'in-sync replicas alone change'(stage) {
    const { censor } = stage;
    const producer = await stage.producer('producer');
    const open = await stage.written(producer, stage.partitions);
    const { leaderEpoch } = stage.world.states.stateOf(`${STATE}-0`)!;
    censor.hold(Fetch, (host) => host === stage.hostOf(stage.first));
    // With nothing to fetch, nobody would be behind.
    const other = stage.initOf('other');
    await stage.whileOngoing(1);
    await censor.release();
    await stage.whileOngoing(BROKERS);
    const after = stage.world.states.stateOf(`${STATE}-0`)!.leaderEpoch;
    await stage.until(other);
    if (after !== leaderEpoch) throw new Error(`it was epoch ${leaderEpoch}, and is ${after}`);
    await stage.until(producer.end(open, true));
  },

  async 'a marker comes late'(stage) {
    const { censor, second } = stage;
    const producer = await stage.producer('producer');
    const before = await stage.written(producer, stage.partitions);
    censor.hold(WriteTxnMarkers, (host) => host === stage.hostOf(stage.third), 1);
    await stage.until(producer.end(before, true));
    await stage.world.pass(PAUSE_MS);
    await stage.lead(STATE, 0, second);
    await stage.untilState('CompleteCommit');
    const after = await stage.written(producer, stage.partitions);
    await censor.release();
    await stage.world.pass(TIMEOUT_MS);
    await stage.until(producer.end(after, false));
  },

  async 'a marker comes late in its own term'(stage) {
    const { censor, second } = stage;
    const producer = await stage.producer('producer');
    const before = await stage.written(producer, stage.partitions);
    const isThird = (host: string): boolean => host === stage.hostOf(stage.third);
    censor.hold(WriteTxnMarkers, isThird, 1);
    await stage.until(producer.end(before, true));
    await stage.world.pass(PAUSE_MS);
    // Whoever takes over knows of the transaction what stands in the log, and sends its marker twice, since it is not heard at first.
    censor.holdUnheard(WriteTxnMarkers, isThird, 1);
    await stage.lead(STATE, 0, second);
    await stage.untilState('CompleteCommit');
    const after = await stage.written(producer, stage.partitions);
    await censor.release();
    await stage.world.pass(TIMEOUT_MS);
    await stage.until(producer.end(after, false));
  },

  async 'an answer comes late'(stage) {
    const { censor, first: coordinator, second } = stage;
    const producer = await stage.producer('producer');
    const before = await stage.written(producer, stage.partitions);
    // Of whoever asks: neither of the two terms hears that it is done.
    censor.holdAnswers(WriteTxnMarkers, (host) => host === stage.hostOf(stage.third));
    await stage.until(producer.end(before, true));
    await stage.world.pass(PAUSE_MS);
    await stage.lead(STATE, 0, second);
    await stage.world.pass(PAUSE_MS);
    await stage.lead(STATE, 0, coordinator);
    await censor.release();
    await stage.untilState('CompleteCommit');
    await stage.until(producer.end(await stage.written(producer, stage.partitions), true));
  },

  async 'the id is used anew'(stage) {
    const { censor, first: coordinator, second } = stage;
    const producer = await stage.producer('producer');
    const before = await stage.written(producer, stage.partitions);
    censor.holdAnswers(WriteTxnMarkers, (host) => host === stage.hostOf(stage.third), 1);
    await stage.until(producer.end(before, true));
    await stage.world.pass(PAUSE_MS);
    await stage.lead(STATE, 0, second);
    await stage.untilState('CompleteCommit');
    await stage.untilState('');
    const next = await stage.producer('next');
    const open = await stage.written(next, stage.partitions);
    await stage.lead(STATE, 0, coordinator);
    await censor.release();
    await stage.world.pass(TIMEOUT_MS);
    await stage.until(next.end(open, false));
    const last = await stage.producer('last');
    await stage.until(last.end(await stage.written(last, stage.partitions), true));
  },

  async 'a marker is slow'(stage) {
    const { censor } = stage;
    const producer = await stage.producer('producer');
    const before = await stage.written(producer, stage.partitions);
    censor.hold(WriteTxnMarkers, (host) => host === stage.hostOf(stage.third), 1);
    await stage.until(producer.end(before, true));
    // It begins at once, in partitions that have their marker and in the one that has not.
    let isWritten = false;
    const next = stage.written(producer, stage.partitions).finally(() => {
      isWritten = true;
    });
    await stage.world.pass(FETCHES_OVER_MS);
    if (isWritten) stage.noteProblem('it has gone on before all markers were written');
    await censor.release();
    await stage.until(producer.end(await stage.until(next), false));
    await stage.until(producer.end(await stage.written(producer, stage.partitions), true));
  },

  async 'epochs are exhausted'(stage) {
    const { first: coordinator, second, ledger } = stage;
    await stage.writeEpoch(ledger.identities.at(-1)!.producerId, EPOCH_BEFORE_LAST);
    await stage.lead(STATE, 0, second);
    const producer = await stage.producer('producer');
    for (let round = 0; round < EXHAUSTING_ROUNDS; round += 1) {
      const open = await stage.written(producer, stage.partitions);
      await stage.until(producer.end(open, round % 2 === 0));
      // Half of the answers are lost and asked for again, of the same coordinator or of the one that has taken over.
      if (round % 3 === 0) await stage.lead(STATE, 0, round % 2 === 0 ? coordinator : second);
    }
    const ids = new Set(ledger.identities.filter(({ client }) => client === 'producer').map((each) => each.producerId));
    if (ids.size !== 2) stage.noteProblem(`it has had ${ids.size} producer ids, and not two`);
  },
};

/** From there on a producer that replaces another is in the last epoch or the one before, and has a new id soon. */
const EPOCH_BEFORE_LAST = 32_760;
const EXHAUSTING_ROUNDS = 8;

/** The first answer to each end of a transaction is lost on its way, and the end is asked for again. */
export const losesEnds: Build = {
  name: 'loses-ends',
  what: 'the first answer to each end of a transaction is lost',
  handler(inner, tools) {
    const lost = new Set<string>();
    return meddlingWith(EndTxn, async ({ request, ask }) => {
      const answer = await ask();
      const key = `${request.producerId} ${request.producerEpoch}`;
      if (answer === null || answer.errorCode !== ErrorCode.NONE || lost.has(key)) return answer;
      lost.add(key);
      return { ...answer, errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE };
    })(inner, tools);
  },
};

/** Three brokers, of which two come to coordinate, and the third leads a partition. */
class Stage {
  readonly world: World;
  readonly censor: Censor;
  readonly ledger = new TransactionLedger();
  readonly #isNew: boolean;
  readonly #router: Router;
  readonly #reader: CommittedReader;
  readonly #problems: string[] = [];
  /** Who coordinates first, and who then. */
  first = -1;
  second = -1;
  third = -1;

  private constructor(world: World, censor: Censor, isNew: boolean) {
    this.world = world;
    this.censor = censor;
    this.#isNew = isNew;
    this.#router = new Router('operator', world.toolsFor('operator'));
    this.#reader = new CommittedReader('committed', world.partitions, this.ledger, world.toolsFor('committed'));
  }

  static async open(world: World, censor: Censor, isNew: boolean): Promise<Stage> {
    await world.begin();
    const stage = new Stage(world, censor, isNew);
    void stage.#reader.run();
    await stage.producer('opener');
    await stage.#settled();
    const ids = world.machines.map(({ id }) => id);
    stage.first = world.states.stateOf(`${STATE}-0`)!.leader;
    [stage.second, stage.third] = ids.filter((id) => id !== stage.first) as [number, number];
    // The third leads the first partition, and coordinates nothing.
    await stage.lead(stage.partitions[0]!.topic.name, 0, stage.third);
    return stage;
  }

  get partitions(): readonly PartitionRef[] {
    return this.world.partitions;
  }

  hostOf(id: number): string {
    return this.world.machines[id - 1]!.host;
  }

  /** A producer with an identity, at which all that had the id before are fenced off. */
  async producer(name: string): Promise<TransactionSession> {
    const { world, ledger } = this;
    const times = { requestTimeoutMs: TIMEOUT_MS, transactionTimeoutMs: PATIENCE_MS };
    const traits = { name, transactionalId: ID, isNew: this.#isNew, ...times };
    const tools = world.toolsFor(name);
    const session = new TransactionSession(traits, ledger, new Router(name, tools), tools);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (await this.until(session.begin(false))) return session;
    }
    throw new Error(`${name} gets no identity`);
  }

  /** A transaction with a record in each partition. */
  async written(session: TransactionSession, partitions: readonly PartitionRef[]) {
    const transaction = session.open();
    for (const partition of partitions) {
      const isWritten = await this.until(session.write(transaction, partition, [session.value()]));
      if (!isWritten) this.#problems.push(`${transaction.client} cannot write to ${partition.name}`);
    }
    return transaction;
  }

  until<T>(promise: Promise<T>): Promise<T> {
    return this.world.until(promise, PATIENCE_MS);
  }

  noteProblem(what: string): void {
    this.#problems.push(what);
  }

  /** Writes into the log of ids, past their coordinator, that the id is at an epoch; who coordinates next knows it. */
  async writeEpoch(producerId: number, producerEpoch: number): Promise<void> {
    const nowMs = this.world.clock.now();
    const builder = new RecordBatchBuilder();
    const value = encodeVersioned(TransactionLogValue, 0, {
      producerId,
      producerEpoch,
      transactionTimeoutMs: PATIENCE_MS,
      transactionStatus: 0,
      transactionPartitions: null,
      transactionLastUpdateTimestampMs: nowMs,
      transactionStartTimestampMs: -1,
    });
    builder.append(nowMs, encodeVersioned(TransactionLogKey, 0, { transactionalId: ID }), value, []);
    const topicData = [{ name: STATE, partitionData: [{ index: 0, records: builder.build() }] }];
    const body = { transactionalId: null, acks: -1, timeoutMs: TIMEOUT_MS, topicData };
    // Nobody else may write there.
    const name = '__admin_client';
    const way = new Router(name, this.world.toolsFor(name)).to(this.hostOf(this.first));
    const { responses } = await this.until(way.ask(Produce, 9, body, TIMEOUT_MS));
    const errorCode = responses[0]?.partitionResponses[0]?.errorCode;
    if (errorCode !== ErrorCode.NONE) throw new Error(`the state of ${ID} cannot be written: ${errorCode}`);
  }

  /** Until the transactional id is in a state; '' until nobody knows it. */
  async untilState(wanted: string): Promise<void> {
    let state: string | undefined;
    for (let attempt = 0; attempt < 4 * ATTEMPTS_MAX; attempt += 1) {
      state = await this.#stateOfId();
      if (state === wanted) return;
      await this.world.pass(PAUSE_MS);
    }
    this.#problems.push(`it should come to be '${wanted}', and stays '${state}'`);
  }

  /** Until so many replicas are in sync; its coordinator knows the transaction all the while. */
  async whileOngoing(inSync: number): Promise<void> {
    for (let attempt = 0; attempt < 4 * ATTEMPTS_MAX; attempt += 1) {
      const state = await this.#stateOfId();
      if (state !== 'Ongoing') this.#problems.push(`its coordinator says that it is '${state}'`);
      if (this.world.states.stateOf(`${STATE}-0`)?.isr.length === inSync) return;
      await this.world.pass(PAUSE_MS / 2);
    }
    throw new Error(`there are not ${inSync} replicas in sync`);
  }

  /** Asks for an identity of another transactional id, which has its coordinator write. */
  async initOf(transactionalId: string): Promise<void> {
    // Over a connection of its own: answers come in the order of requests.
    const way = new Router(transactionalId, this.world.toolsFor(transactionalId)).to(this.hostOf(this.first));
    const body = { transactionalId, transactionTimeoutMs: PATIENCE_MS };
    await way.ask(InitProducerId, 4, body, PATIENCE_MS).catch(notAnswered);
  }

  async #stateOfId(): Promise<string | undefined> {
    const leader = this.world.states.stateOf(`${STATE}-0`)!.leader;
    const way = this.#router.to(this.hostOf(leader));
    const asked = way.ask(DescribeTransactions, 0, { transactionalIds: [ID] }, TIMEOUT_MS);
    return (await this.until(asked.catch(notAnswered)))?.transactionStates[0]?.transactionState;
  }

  /** Has a broker lead a partition. */
  async lead(topic: string, index: number, to: number): Promise<void> {
    const { states } = this.world;
    const name = `${topic}-${index}`;
    const replicas = [to, ...this.world.machines.map(({ id }) => id).filter((id) => id !== to)];
    const partitions = [{ partitionIndex: index, replicas }];
    const elected = { electionType: 0, topicPartitions: [{ topic, partitions: [index] }], timeoutMs: TIMEOUT_MS };
    for (let attempt = 0; attempt < ATTEMPTS_MAX && states.stateOf(name)?.leader !== to; attempt += 1) {
      const body = { timeoutMs: TIMEOUT_MS, topics: [{ name: topic, partitions }] };
      await this.#ask((controller) => controller.ask(AlterPartitionReassignments, 0, body, TIMEOUT_MS));
      await this.#ask((controller) => controller.ask(ElectLeaders, 2, elected, TIMEOUT_MS));
      await this.world.pass(PAUSE_MS);
    }
    if (states.stateOf(name)?.leader !== to) throw new Error(`broker ${to} does not come to lead ${name}`);
    // Until it has been told, and has read what it leads.
    await this.world.pass(PAUSE_MS);
  }

  /** What is wrong once nothing is held back any more. */
  async judge(): Promise<string[]> {
    await this.censor.release();
    await this.world.pass(EXPIRATION_MS);
    this.#reader.stop();
    const problems = this.#problems;
    const reader = new CommittedReader('last', this.partitions, this.ledger, this.world.toolsFor('last'));
    for (const partition of this.partitions) {
      const refusal = await this.until(reader.readToEnd(partition));
      if (refusal !== undefined) problems.push(refusal);
    }
    const violations = [...check(this.world.history, this.ledger.uncommitted), ...checkTransactions(this.ledger)];
    problems.push(...violations.map(({ anomaly, message }) => `${anomaly}: ${message}`));
    const committed = this.ledger.transactions.filter(({ outcome }) => outcome === 'committed').length;
    if (committed === 0) problems.push('nothing was committed');
    return problems;
  }

  async #ask(ask: (controller: Requester) => Promise<unknown>): Promise<void> {
    const answer = await this.until(this.#router.controller().then(ask).catch(notAnswered));
    if (answer === undefined) this.#router.forget();
  }

  async #settled(): Promise<void> {
    const { world } = this;
    const names = [...this.partitions.map(({ name }) => name), `${STATE}-0`];
    const isInSync = (name: string): boolean => world.states.stateOf(name)?.isr.length === BROKERS;
    await world.clock.run(() => names.every(isInSync), world.clock.monotonic() + PATIENCE_MS);
  }
}

function stillPlan(seed: number, lagMs: number, partitions: number): SeedPlan {
  const plan = planSeed(seed, { brokers: BROKERS, faults: [] });
  const topic = { retentionBytes: undefined, retentionMs: undefined, isCompacted: false, configs: {} };
  return {
    ...plan,
    settings: {
      ...plan.settings,
      'auto.leader.rebalance.enable': 'false',
      // Below 3.8 nothing in the log tells the next coordinator that an end has raised the epoch.
      'inter.broker.protocol.version': '3.9',
      'min.insync.replicas': '1',
      'replica.lag.time.max.ms': String(lagMs),
      'transaction.state.log.num.partitions': '1',
      'transaction.state.log.replication.factor': String(BROKERS),
      'transaction.state.log.min.isr': '2',
      'transactional.id.expiration.ms': String(EXPIRATION_MS),
      'transaction.remove.expired.transaction.cleanup.interval.ms': String(PAUSE_MS),
    },
    topics: [{ ...topic, name: 'kept', partitions, replicationFactor: BROKERS }],
    producers: [],
    readers: [],
    faults: [],
    isTended: false,
  };
}

function notAnswered(error: unknown): undefined {
  if (error instanceof NoAnswer) return undefined;
  throw error;
}

/** What is held back: the request; the request, of which its sender believes soon that it is lost; or the answer. */
type Held = 'request' | 'unheard request' | 'answer';

interface Holding {
  readonly apiKey: number;
  readonly isMeant: (host: string) => boolean;
  readonly what: Held;
  left: number;
}

/** An API by its key. */
type Named = Pick<Api<unknown, unknown>, 'key'>;

/** Holds back what brokers say to one another. */
class Censor {
  #holding: Holding | undefined;
  readonly #held: (() => void)[] = [];

  /** Requests of an API to some hosts; `count`: how many. */
  hold(api: Named, isMeant: (host: string) => boolean, count: number = Infinity): void {
    this.#hold('request', api, isMeant, count);
  }

  /** Those do not arrive before they are let go, and who sends them is told at once that the connection is lost. */
  holdUnheard(api: Named, isMeant: (host: string) => boolean, count: number = Infinity): void {
    this.#hold('unheard request', api, isMeant, count);
  }

  /** Those arrive, and their answers do not. */
  holdAnswers(api: Named, isMeant: (host: string) => boolean, count: number = Infinity): void {
    this.#hold('answer', api, isMeant, count);
  }

  #hold(what: Held, { key: apiKey }: Named, isMeant: (host: string) => boolean, left: number): void {
    this.#holding = { apiKey, isMeant, what, left };
  }

  /** Lets go of everything, in order. */
  async release(): Promise<void> {
    this.#holding = undefined;
    for (const go of this.#held.splice(0)) go();
  }

  /** A build whose brokers it stands between. */
  among(build: Build | undefined): Build {
    const what = 'what brokers say to one another is held back';
    return {
      ...(build ?? { name: 'held-back', what }),
      peers: (peers, tools) => this.#between(build?.peers?.(peers, tools) ?? peers),
    };
  }

  async #pass<T>(apiKey: number, host: string, send: () => Promise<T>): Promise<T> {
    const holding = this.#holding;
    if (holding === undefined || holding.apiKey !== apiKey || !holding.isMeant(host) || holding.left === 0) {
      return send();
    }
    holding.left -= 1;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.push(resolve);
    if (holding.what === 'unheard request') {
      void promise.then(send).catch(() => {});
      throw new Error('The connection is lost, and the request is still on its way');
    }
    if (holding.what === 'request') await promise;
    const answer = await send();
    if (holding.what === 'answer') await promise;
    return answer;
  }

  #between(peers: Peers): Peers {
    return {
      lane: (address, clientId): PeerLane => {
        const lane = peers.lane(address, clientId);
        return {
          send: <Req, Res, ReqInput, ResInput>(
            api: Api<Req, Res, ReqInput, ResInput>,
            version: number | 'auto',
            body: ReqInput | ((version: number) => ReqInput),
            options: { readonly timeoutMs: number },
          ): Promise<Res> => this.#pass(api.key, address.host, () => lane.send(api, version, body, options)),
          reset: () => lane.reset(),
          close: () => lane.close(),
        };
      },
    };
  }
}
