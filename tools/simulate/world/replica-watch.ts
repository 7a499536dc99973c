import type { MemoryDisk } from '@millrace/ports';
import type { Anomaly } from '../checker/violation.ts';
import { GARDEN_TOPIC } from '../clients/gardener.ts';
import { VANDALS_TOPIC } from '../clients/vandal.ts';
import { CommittedBatches, type CommittedPrefix, CommittedRecords, type PrefixPart } from './committed-prefix.ts';
import type { StateWatch } from './state-watch.ts';
import { storedBatches } from './stored-batches.ts';

/** What is looked at of a replica as its broker has it in memory. */
export interface WatchedReplica {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly leaderEpoch: number;
  /** The version of the state that the replica knows. */
  readonly partitionEpoch: number;
  readonly leaderId: number;
  readonly isLeader: boolean;
  readonly log: {
    readonly state: string;
    readonly folder: string;
    readonly logStartOffset: number;
    readonly highWatermark: number;
    readonly durableEndOffset: number;
    readonly logEndOffset: number;
    readonly config: { readonly cleanupPolicy: readonly string[] };
  };
}

/** A broker that serves. */
export interface WatchedBroker {
  readonly id: number;
  /** Its process: another after each start. */
  readonly process: object;
  readonly replicas: Iterable<WatchedReplica>;
  readonly disk: Pick<MemoryDisk, 'namesIn' | 'peek'>;
}

interface Seen {
  readonly broker: WatchedBroker;
  readonly replica: WatchedReplica;
  readonly name: string;
}

/** How far a replica's files were held against the others', and as what it was then. */
interface Held {
  readonly end: number;
  readonly leaderEpoch: number;
}

/** What a broker has known of a replica's state. */
interface KnownEpochs {
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
}

type WatchedStates = Pick<StateWatch, 'stateOf' | 'hasHad' | 'uncleanEpoch'>;

type Protest = (anomaly: Anomaly, partition: string, message: string) => void;

/**
 * Looks into the brokers of a cluster while they work, every few milliseconds:
 * - what was ever committed (lies below any replica's high watermark), every replica has that the store calls in sync: `taken-back`;
 * - and has it as the others have it, in its files: `diverged`;
 * - no two brokers lead a partition in one epoch: `two-leaders`;
 * - nobody leads, or follows, otherwise than the store has had it in that epoch: `invented-state`;
 * - a replica's epoch never goes back while its broker lives, not even where it was taken from it and given back, nor does the version of
 *   the state that it has been told with an epoch, or has as the leader: `epoch-back`.
 */
export class ReplicaWatch {
  readonly #states: WatchedStates;
  readonly #protest: Protest;
  /** By partition, the highest high watermark that any replica has had, and whose it was. */
  readonly #committed = new Map<string, { readonly offset: number; readonly by: number }>();
  readonly #prefixes = new Map<string, CommittedPrefix>();
  /** Of the replicas in sync. */
  #held = new Map<WatchedReplica, Held>();
  /** By partition and epoch, who leads. */
  readonly #leaders = new Map<string, number>();
  /** By partition, the epoch in which a leader that was not in sync was elected last; what was committed before is of no account since. */
  readonly #unclean = new Map<string, number>();
  /** By process, the epoch that each replica had last, with the version of its state. */
  readonly #epochs = new WeakMap<object, Map<string, KnownEpochs>>();
  /** What was protested already. */
  readonly #told = new Set<string>();
  looks = 0;

  constructor(states: WatchedStates, protest: Protest) {
    this.#states = states;
    this.#protest = protest;
  }

  look(brokers: readonly WatchedBroker[]): void {
    this.looks += 1;
    const all = brokers.flatMap((broker) =>
      [...broker.replicas].map((replica) => ({ broker, replica, name: nameOf(replica) })),
    );
    for (const seen of all) {
      const { broker, replica, name } = seen;
      if (this.#states.stateOf(name) === undefined) continue;
      this.#lookAtLeader(seen);
      if (isTransient(name)) continue;
      this.#lookAtRole(seen);
      if (!this.#isOfAccount(seen)) continue;
      const { highWatermark, state } = replica.log;
      const before = this.#committed.get(name);
      if (state !== 'failed' && highWatermark > (before?.offset ?? -1)) {
        this.#committed.set(name, { offset: highWatermark, by: broker.id });
      }
    }
    const held = new Map<WatchedReplica, Held>();
    for (const seen of all) {
      const end = this.#lookAtEnd(seen);
      if (end !== undefined) held.set(seen.replica, { end, leaderEpoch: seen.replica.leaderEpoch });
    }
    this.#held = held;
  }

  /**
   * Whether what a replica calls committed is so. Behind an election of a leader that was not in sync it begins anew with what that one has;
   * others learn only then what of theirs is not.
   */
  #isOfAccount({ replica, name }: Seen): boolean {
    const unclean = this.#states.uncleanEpoch(name);
    if (unclean > (this.#unclean.get(name) ?? -1)) {
      this.#unclean.set(name, unclean);
      this.#committed.delete(name);
      this.#prefixes.delete(name);
      for (const held of this.#held.keys()) if (nameOf(held) === name) this.#held.delete(held);
    }
    return unclean < 0 || (replica.isLeader && replica.leaderEpoch >= unclean);
  }

  /** Holds the whole of all replicas in sync against each other, when nothing happens any more. */
  lookAtRest(brokers: readonly WatchedBroker[]): void {
    this.look(brokers);
    for (const broker of brokers) {
      for (const replica of broker.replicas) {
        const name = nameOf(replica);
        const committed = this.#committed.get(name);
        if (committed === undefined || !this.#isInSync(broker.id, name)) continue;
        const { highWatermark, logEndOffset } = replica.log;
        const ends = `ends at ${logEndOffset}, with a high watermark of ${highWatermark}`;
        const isAtEnd = highWatermark === committed.offset && logEndOffset === committed.offset;
        if (!isAtEnd) this.#tell('diverged', name, `broker ${broker.id} ${ends}; ${committed.offset} is committed`);
        const difference = this.#prefix(replica, name).holdAtRest(partOf(broker, replica, 0, committed.offset));
        if (difference !== undefined) this.#tell(difference.anomaly, name, difference.message);
      }
    }
  }

  #lookAtRole({ broker: { id, process }, replica, name }: Seen): void {
    const { leaderEpoch, leaderId } = replica;
    const epochs = this.#epochs.get(process) ?? new Map<string, KnownEpochs>();
    this.#epochs.set(process, epochs);
    // One that was just opened has been told of none yet.
    if (leaderEpoch < 0) return;
    this.#lookAtEpochs(id, replica, name, epochs);
    if (!this.#states.hasHad(name, leaderEpoch, leaderId) && !this.#hasResigned(id, replica, name)) {
      const message = `broker ${id} believes that ${leaderId} leads in epoch ${leaderEpoch}, which never stood in the store`;
      this.#tell('invented-state', name, message);
    }
  }

  #lookAtEpochs(id: number, replica: WatchedReplica, name: string, epochs: Map<string, KnownEpochs>): void {
    const { leaderEpoch, partitionEpoch, isLeader } = replica;
    // A topic that is made anew under its name begins with the first epoch.
    const incarnation = `${replica.topicId} ${name}`;
    const before = epochs.get(incarnation) ?? { leaderEpoch: -1, partitionEpoch: -1 };
    if (leaderEpoch < before.leaderEpoch) {
      this.#tell('epoch-back', name, `broker ${id} goes back from epoch ${before.leaderEpoch} to ${leaderEpoch}`);
    }
    // A leader that has resigned knows what it was told with its epoch, and no more what it has heard as the leader: no matter.
    const counts = isLeader || leaderEpoch > before.leaderEpoch;
    if (counts && partitionEpoch < before.partitionEpoch) {
      const message = `broker ${id} goes back from partition epoch ${before.partitionEpoch} to ${partitionEpoch} in epoch ${leaderEpoch}`;
      this.#tell('epoch-back', name, message);
    }
    epochs.set(incarnation, { leaderEpoch, partitionEpoch: counts ? partitionEpoch : before.partitionEpoch });
  }

  /** Out of the store's reach a leader resigns as soon as it hears from others of a later epoch than its own, whoever leads in that. */
  #hasResigned(id: number, { leaderEpoch, leaderId }: WatchedReplica, name: string): boolean {
    const newest = this.#states.stateOf(name)?.leaderEpoch ?? -1;
    return leaderId < 0 && this.#states.hasHad(name, leaderEpoch, id) && newest > leaderEpoch;
  }

  #lookAtLeader({ broker: { id }, replica, name }: Seen): void {
    const { leaderEpoch } = replica;
    if (!replica.isLeader) return;
    const key = `${replica.topicId} ${name} ${leaderEpoch}`;
    const leader = this.#leaders.get(key) ?? id;
    this.#leaders.set(key, leader);
    if (leader !== id) this.#tell('two-leaders', name, `brokers ${leader} and ${id} lead in epoch ${leaderEpoch}`);
  }

  /** How far a replica in sync was held against the others; undefined where there is nothing to hold. */
  #lookAtEnd({ broker, replica, name }: Seen): number | undefined {
    const { log } = replica;
    const committed = this.#committed.get(name);
    if (committed === undefined || log.state === 'failed' || !this.#isInSync(broker.id, name)) return undefined;
    if (log.logEndOffset < committed.offset) {
      const { isr, leaderEpoch } = this.#states.stateOf(name)!;
      const message = `broker ${broker.id} is in sync (${isr}, epoch ${leaderEpoch}) and ends at ${log.logEndOffset}; on broker ${committed.by} all before ${committed.offset} was committed`;
      this.#tell('taken-back', name, message);
      return undefined;
    }
    return this.#lookAtFiles({ broker, replica, name }, committed.offset);
  }

  /** Only what has come since the last look, but for a replica that was opened anew, came into sync or has changed its role: of that all. */
  #lookAtFiles({ broker, replica, name }: Seen, end: number): number | undefined {
    const before = this.#held.get(replica);
    const from = before?.leaderEpoch === replica.leaderEpoch ? before.end : 0;
    if (from >= end) return from;
    // A folder is being renamed at the end of a move; a log whose files are really gone is one at rest as well.
    if (broker.disk.namesIn(replica.log.folder).length === 0) return undefined;
    const difference = this.#prefix(replica, name).hold(partOf(broker, replica, from, end));
    if (difference !== undefined) this.#tell(difference.anomaly, name, difference.message);
    return end;
  }

  #isInSync(id: number, name: string): boolean {
    return this.#states.stateOf(name)?.isr.includes(id) ?? false;
  }

  #prefix({ log }: WatchedReplica, name: string): CommittedPrefix {
    const isCompacted = log.config.cleanupPolicy.includes('compact');
    const known = this.#prefixes.get(name) ?? (isCompacted ? new CommittedRecords() : new CommittedBatches());
    this.#prefixes.set(name, known);
    return known;
  }

  #tell(anomaly: Anomaly, partition: string, message: string): void {
    const key = `${anomaly} ${partition} ${message}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#protest(anomaly, partition, message);
  }
}

/** Of a topic that is made anew under its name, a broker may for a time still have a replica of the one before. */
function isTransient(name: string): boolean {
  return GARDEN_TOPIC.test(name) || VANDALS_TOPIC.test(name);
}

function partOf({ id, disk }: WatchedBroker, { log }: WatchedReplica, from: number, end: number): PrefixPart {
  const { folder, logStartOffset } = log;
  return { broker: id, batches: storedBatches(disk, folder, from), from, end, logStartOffset };
}

function nameOf({ topic, partition }: WatchedReplica): string {
  return `${topic}-${partition}`;
}
