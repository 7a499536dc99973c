import { ErrorCode, WriteTxnMarkers, type WriteTxnMarkersResponse } from '@millrace/protocol';
import type { ClusterImage } from '../cluster/cluster-image.ts';
import type { Deadlines } from '../shared/deadlines.ts';
import { Deadline } from '../shared/deadlines.ts';
import type { Guard } from '../shared/guard.ts';
import type { Logger } from '../shared/logger.ts';
import type { BrokerLanes } from './broker-lanes.ts';
import type { Marker, MarkerWriter } from './marker-writer.ts';
import type { PartitionsByTopic } from './transaction.ts';

/** How long until a marker is sent again that was not taken. */
const RETRY_PAUSE_MS = 100;

/** `transaction.version` of those who raise the epoch with each transaction (KIP-890). */
const RAISED_VERSION = 2;

/** How long a topic may be unknown to this broker until it is looked for: it may not have been told of all topics yet. */
const UNKNOWN_TOPIC_MS = 5000;

/** How large a request with markers may become, by the names in it; what is beyond goes with the next. */
const REQUEST_BYTES_MAX = 1024 * 1024;
/** What a partition and a marker take beside the names. */
const PARTITION_BYTES = 4;
const TOPIC_BYTES = 16;

/** How many names of deleted topics are kept in mind. */
const DELETED_TOPICS_MAX = 1000;

/** Finds out whether partitions are there that this broker has not been told of (`TopicLookup`). */
export interface TopicLooks {
  forRequest(): {
    /** NONE where it is, COORDINATOR_NOT_AVAILABLE where that could not be found out, and another error where it is not. */
    errorOf(topic: string, partition: number): number | Promise<number>;
  };
}

export interface MarkerSenderOptions {
  readonly brokerId: number;
  readonly cluster: ClusterImage;
  readonly topics: TopicLooks;
  readonly lanes: BrokerLanes;
  readonly writer: MarkerWriter;
  readonly deadlines: Deadlines;
  readonly guard: Guard;
  readonly logger: Logger;
  readonly timeoutMs: number;
}

/** A transaction whose markers are to be written. */
export interface EndedTransaction {
  readonly id: string;
  readonly marker: Marker;
  readonly partitions: PartitionsByTopic;
  /** Whether this broker still is who is to write them: the coordinator of the term that decided, or that took over. */
  isWanted(): boolean;
  /** All partitions that there are have the marker. */
  done(): void;
}

/** One partition of a transaction. */
interface Target {
  readonly topic: string;
  readonly partition: number;
}

/** What is left of an {@link EndedTransaction}. */
interface Sending {
  readonly ended: EndedTransaction;
  left: number;
  /** A newer coordinator, or a newer epoch of the producer, does the rest. */
  isFenced: boolean;
  /** For how long each topic has not been found. */
  readonly unknownForMs: Map<string, number>;
}

/** Markers on their way to a broker. */
interface Parcel {
  readonly sending: Sending;
  readonly targets: readonly Target[];
}

/** What stays refused however often it is sent. */
const FENCED: ReadonlySet<number> = new Set([
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.TRANSACTION_COORDINATOR_FENCED,
]);

/** Partitions that cannot have transactions: nothing is open in them. */
const IMPOSSIBLE: ReadonlySet<number> = new Set([
  ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
  ErrorCode.UNSUPPORTED_VERSION,
]);

/** Brings the markers of ended transactions to the leaders of their partitions, again and again until they are written. */
export class MarkerSender {
  readonly #options: MarkerSenderOptions;
  /** By broker. The first of each line is under way as soon as there is one. */
  readonly #queues = new Map<number, Parcel[]>();
  readonly #deleted = new Set<string>();
  /** What waits until the markers are let go; undefined while they are not held back. */
  #held: (() => void)[] | undefined;
  #unknown = 0;
  readonly #stopListening: () => void;
  #isClosed = false;

  constructor(options: MarkerSenderOptions) {
    this.#options = options;
    this.#stopListening = options.cluster.onChange(({ topics, deletedTopics }) => {
      for (const topic of topics) this.#deleted.delete(topic);
      for (const topic of deletedTopics) this.#deleted.add(topic);
      while (this.#deleted.size > DELETED_TOPICS_MAX) this.#deleted.delete(this.#deleted.values().next().value ?? '');
    });
  }

  /** How many partitions' markers wait because nobody leads, or they are not known; for metrics. */
  get withoutLeader(): number {
    return this.#unknown;
  }

  /** Keeps markers from being written until the returned function is called; for tests of what happens meanwhile. */
  hold(): () => void {
    this.#held ??= [];
    return () => {
      const held = this.#held ?? [];
      this.#held = undefined;
      for (const go of held) go();
    };
  }

  /** How many partitions' markers wait for other brokers; for metrics. */
  get queued(): number {
    let count = 0;
    for (const queue of this.#queues.values()) for (const { targets } of queue) count += targets.length;
    return count;
  }

  send(ended: EndedTransaction): void {
    const targets: Target[] = [];
    for (const [topic, partitions] of ended.partitions) {
      for (const partition of partitions) targets.push({ topic, partition });
    }
    this.#dispatch({ ended, left: targets.length, isFenced: false, unknownForMs: new Map() }, targets);
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    this.#queues.clear();
  }

  #dispatch(sending: Sending, targets: readonly Target[]): void {
    if (this.#isClosed || sending.isFenced || !sending.ended.isWanted()) return;
    if (this.#held !== undefined) {
      this.#held.push(() => this.#dispatch(sending, targets));
      return;
    }
    const { brokerId, guard } = this.#options;
    const { cluster } = this.#options;
    const byLeader = Map.groupBy(targets, ({ topic, partition }) => cluster.partition(topic, partition)?.leader);
    this.#wait(sending, byLeader.get(-1) ?? []);
    this.#awaitTopics(sending, byLeader.get(undefined) ?? []);
    for (const [leader, part] of byLeader) {
      if (leader === undefined || leader < 0) continue;
      if (leader === brokerId) guard.settle('Writing markers', this.#writeHere(sending, part));
      else this.#queue(leader, { sending, targets: part });
    }
    if (targets.length === 0) this.#settle(sending, 0);
  }

  /** Tries again soon, counted as without a leader until then. */
  #wait(sending: Sending, targets: readonly Target[]): void {
    if (targets.length === 0) return;
    this.#unknown += targets.length;
    this.#again(sending, targets, () => {
      this.#unknown -= targets.length;
    });
  }

  /** Waits until this broker is told of the partitions' topics, and for no longer than they are there. */
  #awaitTopics(sending: Sending, targets: readonly Target[]): void {
    const byTopic = Map.groupBy(targets, ({ topic }) => topic);
    const { unknownForMs } = sending;
    for (const [topic, partitions] of byTopic) {
      const forMs = unknownForMs.get(topic) ?? 0;
      if (forMs >= UNKNOWN_TOPIC_MS || this.#deleted.has(topic)) {
        unknownForMs.delete(topic);
        this.#options.guard.settle('Looking for topics of a transaction', this.#lookFor(sending, partitions));
      } else {
        unknownForMs.set(topic, forMs + RETRY_PAUSE_MS);
        this.#wait(sending, partitions);
      }
    }
  }

  /**
   * A marker that is not written leaves its transaction open in a partition for ever, so only a topic that is not in the metadata store
   * counts as gone: of one that is there, this broker may be told later than of anything else.
   */
  async #lookFor(sending: Sending, targets: readonly Target[]): Promise<void> {
    // Of one topic: a request has looks for so many of them only.
    const lookup = this.#options.topics.forRequest();
    const left: Target[] = [];
    this.#unknown += targets.length;
    try {
      for (const target of targets) {
        const code = await lookup.errorOf(target.topic, target.partition);
        if (code === ErrorCode.NONE || code === ErrorCode.COORDINATOR_NOT_AVAILABLE) left.push(target);
      }
    } finally {
      this.#unknown -= targets.length;
    }
    this.#settle(sending, targets.length - left.length);
    this.#wait(sending, left);
  }

  async #writeHere(sending: Sending, targets: readonly Target[]): Promise<void> {
    const { writer } = this.#options;
    const { marker } = sending.ended;
    const outcomes = await Promise.all(
      targets.map(({ topic, partition }) =>
        writer.write(topic, partition, marker).catch((error: unknown) => {
          this.#options.guard.report('Writing a marker', error);
          return ErrorCode.UNKNOWN_SERVER_ERROR;
        }),
      ),
    );
    this.#finish(sending, targets, (_target, index) => outcomes[index] as number);
  }

  #queue(leader: number, parcel: Parcel): void {
    const queue = this.#queues.get(leader);
    if (queue !== undefined) {
      queue.push(parcel);
      return;
    }
    this.#queues.set(leader, [parcel]);
    this.#options.guard.settle(`Sending markers to broker ${leader}`, this.#work(leader));
  }

  /** One request at a time to each broker; what comes meanwhile goes into the next. */
  async #work(leader: number): Promise<void> {
    for (let queue = this.#queues.get(leader); queue !== undefined; queue = this.#queues.get(leader)) {
      const parcels = takeParcels(queue);
      if (parcels.length === 0) {
        this.#queues.delete(leader);
        return;
      }
      const answer = await this.#ask(leader, parcels);
      for (const parcel of parcels) {
        const codes = answer === undefined ? undefined : codesOf(answer, parcel);
        this.#finish(parcel.sending, parcel.targets, ({ topic, partition }) => codes?.get(topic)?.get(partition));
      }
    }
  }

  async #ask(leader: number, parcels: readonly Parcel[]): Promise<WriteTxnMarkersResponse | undefined> {
    const { lanes, timeoutMs, logger } = this.#options;
    const lane = lanes.to(leader);
    if (lane === undefined) return undefined;
    const markers = parcels.map(({ sending: { ended }, targets }) => ({
      producerId: ended.marker.producerId,
      producerEpoch: ended.marker.producerEpoch,
      transactionResult: ended.marker.isCommit,
      coordinatorEpoch: ended.marker.coordinatorEpoch,
      transactionVersion: ended.marker.isRaised ? RAISED_VERSION : 0,
      topics: Array.from(
        Map.groupBy(targets, ({ topic }) => topic),
        ([name, partitions]) => ({ name, partitionIndexes: partitions.map(({ partition }) => partition) }),
      ),
    }));
    try {
      return await lane.send(WriteTxnMarkers, 'auto', { markers }, { timeoutMs });
    } catch (err) {
      logger.debug({ err, brokerId: leader }, 'A broker has not answered to markers, which are sent again');
      return undefined;
    }
  }

  #finish(
    sending: Sending,
    targets: readonly Target[],
    codeOf: (target: Target, index: number) => number | undefined,
  ): void {
    const again: Target[] = [];
    let done = 0;
    for (const [index, target] of targets.entries()) {
      const code = codeOf(target, index);
      if (code === ErrorCode.NONE || (code !== undefined && IMPOSSIBLE.has(code))) {
        done += 1;
      } else if (code !== undefined && FENCED.has(code)) {
        sending.isFenced = true;
        const { id } = sending.ended;
        this.#options.logger.info({ transactionalId: id, ...target, code }, 'A newer coordinator ends a transaction');
      } else {
        again.push(target);
      }
    }
    this.#settle(sending, done);
    if (again.length > 0) this.#again(sending, again);
  }

  #again(sending: Sending, targets: readonly Target[], before: () => void = () => {}): void {
    const retry = new Deadline(() => {
      before();
      this.#dispatch(sending, targets);
    });
    this.#options.deadlines.set(retry, RETRY_PAUSE_MS);
  }

  #settle(sending: Sending, count: number): void {
    sending.left -= count;
    const isDone = sending.left === 0;
    if (!isDone || sending.isFenced || this.#isClosed) return;
    sending.left = -1;
    if (sending.ended.isWanted()) sending.ended.done();
  }
}

/** What waits, up to a request's size, but of each producer one: answers tell producers alone apart. */
export function takeParcels(queue: Parcel[], bytesMax: number = REQUEST_BYTES_MAX): readonly Parcel[] {
  const producers = new Set<number>();
  const taken: Parcel[] = [];
  const rest: Parcel[] = [];
  let bytes = 0;
  for (const parcel of queue) {
    const { producerId } = parcel.sending.ended.marker;
    const isFull = taken.length > 0 && bytes + bytesOf(parcel) > bytesMax;
    if (isFull || producers.has(producerId)) {
      rest.push(parcel);
    } else {
      taken.push(parcel);
      bytes += bytesOf(parcel);
    }
    producers.add(producerId);
  }
  queue.splice(0, queue.length, ...rest);
  return taken;
}

function bytesOf({ targets }: Parcel): number {
  let bytes = TOPIC_BYTES;
  let last: string | undefined;
  for (const { topic } of targets) {
    bytes += PARTITION_BYTES + (topic === last ? 0 : TOPIC_BYTES + topic.length);
    last = topic;
  }
  return bytes;
}

function codesOf(answer: WriteTxnMarkersResponse, { sending }: Parcel): Map<string, Map<number, number>> {
  const codes = new Map<string, Map<number, number>>();
  for (const { producerId, topics } of answer.markers) {
    if (producerId !== sending.ended.marker.producerId) continue;
    for (const { name, partitions } of topics) {
      codes.set(name, new Map(partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode])));
    }
  }
  return codes;
}
