/** What waits for a broker that is busy with another command. */
import {
  type CommandHeader,
  type CommandOutcome,
  LEADER_OF_DELETED,
  type LeaderAndIsrCommand,
  type PartitionState,
  type ReplicaState,
  type StopReplicaCommand,
  type UpdateMetadataCommand,
} from '../cluster/broker-channel.ts';

/** A command by its name. */
export type Order =
  | { readonly api: 'LeaderAndIsr'; readonly command: LeaderAndIsrCommand }
  | { readonly api: 'UpdateMetadata'; readonly command: UpdateMetadataCommand }
  | { readonly api: 'StopReplica'; readonly command: StopReplicaCommand };

/** Told what came of a command; undefined for one that was dropped. */
export type OnOutcome = (outcome: CommandOutcome | undefined) => void;

/** An order, and who waits for what comes of it: of joined ones, several. */
export interface QueuedOrder {
  order: Order;
  readonly heard: OnOutcome[];
}

/** What tells of partitions' states. */
type StatesCommand = CommandHeader & { readonly partitions: readonly PartitionState[] | readonly ReplicaState[] };

interface NamedPartition {
  readonly topic: string;
  readonly partition: number;
}

/**
 * The commands for one broker, in their order. What waits is joined: a controller that takes office commands three times within
 * milliseconds, and partitions would be without a leader for as many round trips. States are told whole, so the last of a partition stands
 * for those before it. A LeaderAndIsr joins the one that waits; an UpdateMetadata takes the one that waits with it to the end. Neither passes
 * a StopReplica, nor an UpdateMetadata of live brokers alone, which followers must know first. (Kafka sends all of them.)
 */
export class CommandQueue {
  readonly #queue: QueuedOrder[] = [];
  /** The first is under way: the broker may have it already. */
  #isFirstSent = false;

  /** How many commands wait or are under way. */
  get length(): number {
    return this.#queue.length;
  }

  put(order: Order, onOutcome: OnOutcome): void {
    const at = this.joinable(order);
    const waiting = this.#queue[at];
    if (waiting === undefined) {
      this.#queue.push({ order, heard: [onOutcome] });
      return;
    }
    waiting.order = joined(waiting.order, order);
    waiting.heard.push(onOutcome);
    if (order.api === 'UpdateMetadata') this.#queue.push(...this.#queue.splice(at, 1));
  }

  /** The one to be sent now, which nothing joins any more; it stays the first until it is {@link CommandQueue.done}. */
  first(): QueuedOrder | undefined {
    this.#isFirstSent = this.#queue.length > 0;
    return this.#queue[0];
  }

  /** Takes out the first. @returns whether it is this one still */
  done(queued: QueuedOrder): boolean {
    if (this.#queue[0] !== queued) return false;
    this.#queue.shift();
    this.#isFirstSent = false;
    return true;
  }

  /** Takes out all. */
  drop(): QueuedOrder[] {
    this.#isFirstSent = false;
    return this.#queue.splice(0);
  }

  /** Where the one waits that an order joins; -1 where none does. */
  joinable(order: Order): number {
    if (order.api === 'StopReplica' || isOfBrokersAlone(order)) return -1;
    const first = this.#isFirstSent ? 1 : 0;
    for (let at = this.#queue.length - 1; at >= first; at -= 1) {
      const waiting = this.#queue[at]!.order;
      if (waiting.api === 'StopReplica' || isOfBrokersAlone(waiting)) return -1;
      if (waiting.api === order.api) return isOfSameTopics(waiting.command, order.command) ? at : -1;
    }
    return -1;
  }
}

function isOfBrokersAlone({ api, command }: Order): boolean {
  return api === 'UpdateMetadata' && command.partitions.length === 0;
}

/** Whether two commands are of one controller to one life of the broker, and mean the same topics by their names, none of which goes. */
function isOfSameTopics(one: StatesCommand, other: StatesCommand): boolean {
  if (one.controllerEpoch !== other.controllerEpoch || one.brokerEpoch !== other.brokerEpoch) return false;
  const ids = new Map<string, string>();
  for (const { topic, topicId, leader } of [...one.partitions, ...other.partitions]) {
    if (leader === LEADER_OF_DELETED || (ids.get(topic) ?? topicId) !== topicId) return false;
    ids.set(topic, topicId);
  }
  return true;
}

/** One order that says what two say, of which the later counts. */
function joined(earlier: Order, later: Order): Order {
  if (earlier.api === 'LeaderAndIsr' && later.api === 'LeaderAndIsr') {
    return joinedReplicas(earlier.command, later.command);
  }
  if (earlier.api !== 'UpdateMetadata' || later.api !== 'UpdateMetadata') return later;
  const partitions = byName(earlier.command.partitions);
  for (const [name, state] of byName(later.command.partitions)) partitions.set(name, state);
  return { api: 'UpdateMetadata', command: { ...later.command, partitions: [...partitions.values()] } };
}

function joinedReplicas(earlier: LeaderAndIsrCommand, later: LeaderAndIsrCommand): Order {
  const partitions = byName(earlier.partitions);
  for (const [name, state] of byName(later.partitions)) {
    partitions.set(name, { ...state, isNew: state.isNew || partitions.get(name)?.isNew === true });
  }
  const leaders = new Map([...earlier.liveLeaders, ...later.liveLeaders].map((broker) => [broker.id, broker]));
  const command = { ...later, partitions: [...partitions.values()], liveLeaders: [...leaders.values()] };
  return { api: 'LeaderAndIsr', command };
}

function byName<State extends NamedPartition>(states: readonly State[]): Map<string, State> {
  return new Map(states.map((state) => [`${state.topic}-${state.partition}`, state]));
}
