import type { Operation, OperationResult } from '@millrace/metadata';
import type { Anomaly } from '../checker/violation.ts';

/** A state of a partition as it stands in the metadata store. */
export interface WrittenState {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly controllerEpoch: number;
  readonly isr: readonly number[];
}

/** A partition that there is, with the brokers that have replicas of it. */
export interface AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly replicas: readonly number[];
}

const CONTROLLER_PATH = '/controller';
const CONTROLLER_EPOCH_PATH = '/controller_epoch';
const TOPIC_PATH = /^\/brokers\/topics\/([^/]+)$/;
const DELETION_PATH = /^\/admin\/delete_topics\/([^/]+)$/;
const STATE_PATH = /^\/brokers\/topics\/([^/]+)\/partitions\/(\d+)\/state$/;

/**
 * Sees every transaction that the store has applied, and holds the states of partitions and the offices of controllers in it against
 * those before:
 * - leader and controller epochs only rise, an epoch has one leader, who is in sync, whoever is elected was in sync before, and with a
 *   leader that changes nobody joins, and at no time one that has no replica: `bad-state`; but where a topic allows it, one that was not in
 *   sync may be elected alone;
 * - an office comes with a higher epoch than all before it: `two-controllers`;
 * - no state is written in the epoch of a controller that was replaced: `zombie-write`;
 * - every state is changed on the condition that nobody has changed it: `unconditional-write`.
 */
export class StateWatch {
  readonly #last = new Map<string, WrittenState>();
  /** By topic, which brokers have replicas of each partition. */
  readonly #assignments = new Map<string, ReadonlyMap<number, readonly number[]>>();
  /** Partitions whose replicas are being moved, each with where they were before. */
  readonly #moving = new Map<string, readonly number[]>();
  /** By partition and epoch, who leads. */
  readonly #leaders = new Map<string, number>();
  /** Partitions with each epoch and leader that they have had. */
  readonly #had = new Set<string>();
  /** By partition, the epoch in which a leader that was not in sync was elected last. */
  readonly #unclean = new Map<string, number>();
  /** Topics that allow such elections. */
  readonly uncleanTopics = new Set<string>();
  readonly #protest: (anomaly: Anomaly, partition: string | null, message: string) => void;
  #controllerEpoch = -1;
  /** Who has taken the office of the controller last; -1 before anybody has. */
  controllerId = -1;
  /** Topics whose deletion has been asked for and is not over. */
  readonly deletions = new Set<string>();
  states = 0;
  /** How often a leader was elected that was not in sync, where that is allowed. */
  uncleanElections = 0;
  /** How often the replicas of a partition have come to be on other brokers, or fewer, and nothing of the move was left to do. */
  movesDone = 0;

  constructor(protest: (anomaly: Anomaly, partition: string | null, message: string) => void) {
    this.#protest = protest;
  }

  /** The last state of a partition. */
  stateOf(partition: string): WrittenState | undefined {
    return this.#last.get(partition);
  }

  /** Whether somebody, or nobody (-1), was the leader of a partition in an epoch. */
  hasHad(partition: string, leaderEpoch: number, leader: number): boolean {
    return this.#had.has(`${partition} ${leaderEpoch} ${leader}`);
  }

  /** In which epoch a leader of a partition was elected last that was not in sync; -1 where that was never so. */
  uncleanEpoch(partition: string): number {
    return this.#unclean.get(partition) ?? -1;
  }

  /** The brokers that have replicas of a partition; none where there is no such partition. */
  replicasOf(topic: string, partition: number): readonly number[] {
    return this.#assignments.get(topic)?.get(partition) ?? [];
  }

  /** The partitions that there are, each with the brokers that have replicas of it. */
  *assignments(): Generator<AssignedPartition> {
    for (const [topic, partitions] of this.#assignments) {
      for (const [partition, replicas] of partitions) yield { topic, partition, replicas };
    }
  }

  /** Topics that have states. */
  get topics(): ReadonlySet<string> {
    return new Set([...this.#last.keys()].map((partition) => partition.slice(0, partition.lastIndexOf('-'))));
  }

  /** Operations that the store has applied. */
  applied(operations: readonly Operation[], results: readonly OperationResult[]): void {
    this.#lookAtOffice(operations);
    for (const [index, operation] of operations.entries()) {
      if (results[index] !== undefined) {
        this.#lookAtTopic(operation);
        this.#lookAtDeletion(operation);
      }
      const match = STATE_PATH.exec(operation.path);
      if (match === null || results[index] === undefined) continue;
      const partition = `${match[1]}-${match[2]}`;
      if (operation.type === 'create' || operation.type === 'set') this.#written(partition, stateIn(operation.data));
      else if (operation.type === 'delete') this.#deleted(partition);
      if (operation.type === 'set' && operation.expected === 'any') {
        this.#protest('unconditional-write', partition, 'its state is overwritten, whatever its version');
      }
    }
  }

  #lookAtTopic(operation: Operation): void {
    const topic = TOPIC_PATH.exec(operation.path)?.[1];
    if (topic === undefined) return;
    if (operation.type === 'delete') {
      this.#assignments.delete(topic);
      for (const name of [...this.#moving.keys()]) if (name.startsWith(`${topic}-`)) this.#moving.delete(name);
    }
    if (operation.type !== 'create' && operation.type !== 'set') return;
    const { partitions, adding_replicas: adding = {}, removing_replicas: removing = {} } = topicIn(operation.data);
    for (const [partition, replicas] of Object.entries(partitions)) {
      this.#lookAtMove(`${topic}-${partition}`, replicas, adding[partition] ?? [], removing[partition] ?? []);
    }
    const replicasOf = Object.entries(partitions).map(
      ([partition, replicas]) => [Number(partition), replicas] as const,
    );
    this.#assignments.set(topic, new Map(replicasOf));
  }

  #lookAtDeletion({ type, path }: Operation): void {
    const topic = DELETION_PATH.exec(path)?.[1];
    if (topic === undefined) return;
    if (type === 'create') this.deletions.add(topic);
    else if (type === 'delete') this.deletions.delete(topic);
  }

  #lookAtMove(name: string, replicas: readonly number[], adding: readonly number[], removing: readonly number[]): void {
    const before = this.#moving.get(name);
    if (adding.length + removing.length > 0) {
      this.#moving.set(name, before ?? replicas.filter((id) => !adding.includes(id)));
      return;
    }
    if (before === undefined) return;
    this.#moving.delete(name);
    // One that was cancelled is back where it was.
    if (before.toSorted().join() !== replicas.toSorted().join()) this.movesDone += 1;
  }

  #lookAtOffice(operations: readonly Operation[]): void {
    const taken = operations.find(({ type, path }) => type === 'create' && path === CONTROLLER_PATH);
    if (taken?.type === 'create') this.controllerId = Number(JSON.parse(Buffer.from(taken.data).toString()).brokerid);
    const raised = operations.find(({ type, path }) => type === 'set' && path === CONTROLLER_EPOCH_PATH);
    const epoch = raised?.type === 'set' ? Number(Buffer.from(raised.data).toString()) : this.#controllerEpoch;
    if (taken !== undefined && epoch <= this.#controllerEpoch) {
      const message = `an office is taken in epoch ${epoch}, and one was held in ${this.#controllerEpoch} before`;
      this.#protest('two-controllers', null, message);
    }
    this.#controllerEpoch = Math.max(this.#controllerEpoch, epoch);
  }

  #written(partition: string, state: WrittenState): void {
    this.states += 1;
    const before = this.#last.get(partition);
    this.#last.set(partition, state);
    const { leader, leaderEpoch, controllerEpoch, isr } = state;
    this.#had.add(`${partition} ${leaderEpoch} ${leader}`);
    const isBad = (message: string): void => this.#protest('bad-state', partition, message);
    if (leader >= 0 && !isr.includes(leader)) isBad(`leader ${leader} is not in sync (${isr})`);
    if (isr.length === 0) isBad('nobody is in sync');
    const strangers = this.#strangersIn(partition, isr, before?.isr ?? []);
    if (strangers.length > 0) isBad(`${strangers} comes into sync (${isr}), and has no replica`);
    const key = `${partition} ${leaderEpoch}`;
    const known = this.#leaders.get(key);
    if (known !== undefined && known >= 0 && leader >= 0 && known !== leader) {
      isBad(`epoch ${leaderEpoch} has two leaders, ${known} and ${leader}`);
    }
    if (leader >= 0) this.#leaders.set(key, leader);
    if (controllerEpoch < this.#controllerEpoch) {
      const message = `controller ${controllerEpoch} writes a state, and ${this.#controllerEpoch} is in office`;
      this.#protest('zombie-write', partition, message);
    }
    if (before === undefined) return;
    if (leaderEpoch < before.leaderEpoch || controllerEpoch < before.controllerEpoch) {
      isBad(`epochs go back from ${JSON.stringify(before)} to ${JSON.stringify(state)}`);
    }
    const isUnclean = leader >= 0 && leader !== before.leader && !before.isr.includes(leader);
    if (isUnclean && isr.length === 1 && this.uncleanTopics.has(partition.slice(0, partition.lastIndexOf('-')))) {
      this.#unclean.set(partition, leaderEpoch);
      this.uncleanElections += 1;
      return;
    }
    if (isUnclean) isBad(`${leader} is elected, and was not in sync (${before.isr})`);
    if (leader !== before.leader && isr.some((id) => !before.isr.includes(id))) {
      isBad(`with a new leader the replicas in sync become ${isr}, and were ${before.isr}`);
    }
  }

  /** One whose replica is being taken away is in sync until the state says otherwise, which it does after the assignment. */
  #strangersIn(partition: string, isr: readonly number[], before: readonly number[]): readonly number[] {
    const at = partition.lastIndexOf('-');
    const replicas = this.replicasOf(partition.slice(0, at), Number(partition.slice(at + 1)));
    if (replicas.length === 0) return [];
    return isr.filter((id) => !before.includes(id) && !replicas.includes(id));
  }

  /** A topic that is made anew under its name begins at epoch 0. */
  #deleted(partition: string): void {
    this.#last.delete(partition);
    this.#unclean.delete(partition);
    for (const key of [...this.#leaders.keys()]) if (key.startsWith(`${partition} `)) this.#leaders.delete(key);
    for (const key of [...this.#had]) if (key.startsWith(`${partition} `)) this.#had.delete(key);
  }
}

function stateIn(data: Uint8Array): WrittenState {
  const json = JSON.parse(Buffer.from(data).toString()) as Record<string, unknown>;
  return {
    leader: json['leader'] as number,
    leaderEpoch: json['leader_epoch'] as number,
    controllerEpoch: json['controller_epoch'] as number,
    isr: json['isr'] as number[],
  };
}

interface WrittenTopic {
  readonly partitions: Readonly<Record<string, readonly number[]>>;
  readonly adding_replicas?: Readonly<Record<string, readonly number[]>>;
  readonly removing_replicas?: Readonly<Record<string, readonly number[]>>;
}

function topicIn(data: Uint8Array): WrittenTopic {
  return JSON.parse(Buffer.from(data).toString()) as WrittenTopic;
}
