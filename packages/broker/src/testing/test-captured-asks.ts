/**
 * What brokers asked one another beside a controller's commands, as lines that compare: whom they followed in which leader epoch, which in-sync
 * replicas leaders wanted, how they went, and what they asked for the sake of transactions.
 */
import type {
  AddPartitionsToTxnRequest,
  AlterPartitionRequest,
  ControlledShutdownRequest,
  FetchRequest,
  LeaderAndIsrRequest,
  ListOffsetsRequest,
  UpdateMetadataRequest,
  WriteTxnMarkersRequest,
} from '@millrace/protocol';
import { leaderAndIsrCommand, updateMetadataCommand } from '../commands/wire.ts';
import { type Command, Epochs } from './test-captured-cluster.ts';

/** The topic whose records are the same on both sides: there it counts from where followers fetch. */
const SAME_RECORDS = /^trim-/;

/** What was asked in one scenario. */
export interface Asked {
  /** By follower and partition, in order: whom it asked in which leader epoch, when that was new. */
  readonly followed: readonly string[];
  /** By partition, in order: the in-sync replicas that its leader wanted. */
  readonly wanted: readonly string[];
  /** By broker that stopped in order: what came after what. */
  readonly stops: readonly string[];
  /** By broker, in order: what it asked whom for producers and their transactions. */
  readonly transactions: readonly string[];
  /** In-sync replicas that came without their leader's word, and numbers in fetch sessions that do not go up. */
  readonly faults: readonly string[];
}

/** Follows what brokers ask through all scenarios of one cluster. */
export class Asks {
  readonly #epochs = new Epochs();
  readonly #names = new Map<string, string>();
  /** By follower and partition, whom it asked last and in which epoch. */
  readonly #followed = new Map<string, string>();
  /** By follower and leader, the session and its last number. */
  readonly #sessions = new Map<string, readonly [id: number, epoch: number]>();
  /** By partition, its leader epoch, and the in-sync replicas of it that were told or asked for. */
  readonly #isrs = new Map<string, { epoch: number; isr: readonly number[]; readonly wanted: Set<string> }>();
  readonly #fetches = new Set<string>();
  /** Producer ids in the order in which they were heard of: what they begin with depends on what has taken some before. */
  readonly #producers: number[] = [];
  #lists = new Lists();

  /** How fetches of followers have looked in all scenarios. */
  get fetches(): readonly string[] {
    return [...this.#fetches].sort();
  }

  asked(commands: readonly Command[]): Asked {
    this.#epochs.begin();
    this.#lists = new Lists();
    // What comes of no broker was asked by hand.
    for (const command of commands) if (command.from > 0) this.#take(command);
    return this.#lists.all();
  }

  #take({ api, from, to, body }: Command): void {
    if (api === 'LeaderAndIsr') this.#ordered(to, body as LeaderAndIsrRequest);
    if (api === 'UpdateMetadata') this.#told(body as UpdateMetadataRequest);
    if (api === 'StopReplica') this.#lists.stop(to, 'is told to stop');
    if (api === 'Fetch') this.#fetched(from, to, body as FetchRequest);
    if (api === 'ListOffsets') this.#listed(from, to, body as ListOffsetsRequest);
    if (api === 'AlterPartition') this.#wants(from, body as AlterPartitionRequest);
    if (api === 'AllocateProducerIds') this.#lists.asked(from, to, 'for producer ids');
    if (api === 'AddPartitionsToTxn') this.#verifies(from, to, body as AddPartitionsToTxnRequest);
    if (api === 'WriteTxnMarkers') this.#ends(from, to, body as WriteTxnMarkersRequest);
    if (api === 'ControlledShutdown') {
      this.#lists.stopping((body as ControlledShutdownRequest).brokerId, `asks ${to} to take over`);
    }
  }

  #ordered(to: number, request: LeaderAndIsrRequest): void {
    for (const { topicId, topicName } of request.topicStates) this.#names.set(topicId, topicName);
    for (const { topic, partition, leader, leaderEpoch, partitionEpoch } of leaderAndIsrCommand(request).partitions) {
      const name = `${topic}-${partition}`;
      this.#epochs.note(name, leaderEpoch, partitionEpoch);
      if (to === leader) this.#lists.stopOfOthers(to, 'others lead');
    }
  }

  #told(request: UpdateMetadataRequest): void {
    const { partitions, liveBrokers } = updateMetadataCommand(request);
    this.#lists.live(liveBrokers.map(({ id }) => id));
    for (const { topic, partition, leaderEpoch, isr } of partitions) {
      const name = `${topic}-${partition}`;
      const known = this.#isrOf(name, leaderEpoch, isr);
      if (known === undefined) continue;
      const come = isr.filter((id) => !known.isr.includes(id));
      if (come.length > 0 && !known.wanted.has(textOf(isr))) {
        this.#lists.faults.push(`${name} has ${come} in sync, whom its leader has not asked for`);
      }
      known.isr = isr;
    }
  }

  /** What is known of a partition in this leader epoch; undefined where it is a new one, or that of a partition that goes. */
  #isrOf(
    name: string,
    epoch: number,
    isr: readonly number[],
  ): { isr: readonly number[]; wanted: Set<string> } | undefined {
    const known = this.#isrs.get(name);
    if (epoch < 0 || (known !== undefined && epoch < known.epoch)) return undefined;
    if (known?.epoch === epoch) return known;
    this.#isrs.set(name, { epoch, isr, wanted: new Set() });
    return undefined;
  }

  #fetched(from: number, to: number, request: FetchRequest): void {
    const { sessionId, sessionEpoch, topics, maxWaitMs, minBytes, maxBytes, isolationLevel, rackId } = request;
    const pair = `${from} of ${to}`;
    const [id, epoch] = this.#sessions.get(pair) ?? [0, 0];
    this.#sessions.set(pair, [sessionId, sessionEpoch]);
    // A new session has no id yet, or that of the one which ends with it; its numbers go on from 1.
    const begins = sessionEpoch === 0 && (sessionId === 0 || sessionId === id);
    const goesOn = sessionEpoch > 0 && sessionId !== 0 && (epoch === 0 || (id === sessionId && sessionEpoch > epoch));
    if (!begins && !goesOn) {
      this.#lists.faults.push(`${pair}: session ${sessionId}, ${sessionEpoch} comes after ${id}, ${epoch}`);
    }
    this.#fetches.add(
      `for ${maxWaitMs} ms, ${minBytes} to ${maxBytes} bytes, isolation ${isolationLevel}, rack "${rackId}"`,
    );
    for (const { topic, topicId, partitions } of topics) {
      for (const { partition, currentLeaderEpoch, fetchOffset, logStartOffset, partitionMaxBytes } of partitions) {
        const name = `${topic || this.#names.get(topicId)}-${partition}`;
        const where = SAME_RECORDS.test(name) ? ` at ${fetchOffset} from ${logStartOffset}` : '';
        this.#fetches.add(`of a partition at most ${partitionMaxBytes} bytes`);
        this.#follows(from, name, to, currentLeaderEpoch, where);
      }
    }
  }

  #follows(from: number, name: string, to: number, epoch: number, where: string): void {
    const [key, now] = [`${from} in ${name}`, `${to} ${epoch}`];
    if (this.#followed.get(key) === now) return;
    this.#followed.set(key, now);
    this.#lists.add('followed', `${from} follows in ${name}`, `${to} in ${this.#epochs.epoch(name, epoch)}${where}`);
  }

  #listed(from: number, to: number, { topics }: ListOffsetsRequest): void {
    for (const { name: topic, partitions } of topics) {
      for (const { partitionIndex, currentLeaderEpoch, timestamp } of partitions) {
        const name = `${topic}-${partitionIndex}`;
        const epoch = this.#epochs.epoch(name, currentLeaderEpoch);
        this.#lists.add('followed', `${from} follows in ${name}`, `${to} in ${epoch} asked for ${timestamp}`);
      }
    }
  }

  #verifies(from: number, to: number, { transactions }: AddPartitionsToTxnRequest): void {
    for (const { transactionalId, producerId, producerEpoch, verifyOnly, topics } of transactions) {
      const who = `${transactionalId} of ${this.#producer(producerId)} in epoch ${producerEpoch}`;
      const what = verifyOnly ? 'has' : 'is to have';
      this.#lists.asked(from, to, `whether ${who} ${what} ${namesOf(topics)}`);
    }
  }

  #ends(from: number, to: number, { markers }: WriteTxnMarkersRequest): void {
    for (const marker of markers) {
      const { producerId, producerEpoch, coordinatorEpoch, transactionVersion, topics } = marker;
      const partitions = namesOf(topics.map(({ name, partitionIndexes }) => ({ name, partitions: partitionIndexes })));
      const what = marker.transactionResult ? 'commit' : 'abort';
      const whose = `${this.#producer(producerId)} in epoch ${producerEpoch}`;
      const by = `coordinator in ${coordinatorEpoch}, version ${transactionVersion}`;
      this.#lists.asked(from, to, `to ${what} ${whose} in ${partitions}, ${by}`);
    }
  }

  #producer(id: number): string {
    if (!this.#producers.includes(id)) this.#producers.push(id);
    return `producer ${this.#producers.indexOf(id) + 1}`;
  }

  #wants(from: number, { topics }: AlterPartitionRequest): void {
    for (const { topicName, topicId, partitions } of topics) {
      for (const { partitionIndex, leaderEpoch, partitionEpoch, newIsr, newIsrWithEpochs } of partitions) {
        const name = `${topicName || this.#names.get(topicId)}-${partitionIndex}`;
        const isr = newIsrWithEpochs.length > 0 ? newIsrWithEpochs.map(({ brokerId }) => brokerId) : newIsr;
        const [epoch, version] = [this.#epochs.epoch(name, leaderEpoch), this.#epochs.version(name, partitionEpoch)];
        this.#isrs.get(name)?.wanted.add(textOf(isr));
        this.#lists.add('wanted', name, `${from} wants [${textOf(isr)}] in ${epoch} after ${version}`);
      }
    }
  }
}

/** Partitions of topics, in the order of their names. */
function namesOf(topics: readonly { readonly name: string; readonly partitions: readonly number[] }[]): string {
  return topics
    .flatMap(({ name, partitions }) => partitions.map((partition) => `${name}-${partition}`))
    .sort()
    .join(' ');
}

function textOf(isr: readonly number[]): string {
  return isr.toSorted().join();
}

/** What comes of one scenario. */
class Lists {
  readonly faults: string[] = [];
  readonly #lines = {
    followed: new Map<string, string[]>(),
    wanted: new Map<string, string[]>(),
    transactions: new Map<string, string[]>(),
  };
  /** By broker that stops in order, what happened since, each once. */
  readonly #stops = new Map<number, string[]>();

  add(kind: 'followed' | 'wanted' | 'transactions', key: string, line: string): void {
    const lines = this.#lines[kind].get(key) ?? [];
    this.#lines[kind].set(key, lines);
    lines.push(line);
  }

  asked(from: number, to: number, what: string): void {
    this.add('transactions', `for transactions ${from}`, `${from} asks ${to} ${what}`);
  }

  stopping(id: number, how: string): void {
    this.#stops.set(id, [how]);
  }

  stop(id: number, what: string): void {
    const events = this.#stops.get(id);
    if (events !== undefined && !events.includes(what) && !events.includes(GONE)) events.push(what);
  }

  stopOfOthers(leader: number, what: string): void {
    for (const id of this.#stops.keys()) if (id !== leader) this.stop(id, what);
  }

  live(ids: readonly number[]): void {
    for (const id of this.#stops.keys()) if (!ids.includes(id)) this.stop(id, GONE);
  }

  all(): Asked {
    const text = (lines: ReadonlyMap<string, readonly string[]>): string[] =>
      [...lines].map(([key, each]) => `${key}: ${each.join('; ')}`).sort();
    const stops = [...this.#stops].map(([id, events]) => `${id} ${events.join(', ')}`);
    const { followed, wanted, transactions } = this.#lines;
    const { faults } = this;
    return { followed: text(followed), wanted: text(wanted), transactions: text(transactions), stops, faults };
  }
}

const GONE = 'is gone';
