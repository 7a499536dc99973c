import type { Anomaly } from '../checker/violation.ts';
import { GARDEN_TOPIC } from '../clients/gardener.ts';
import { VANDALS_TOPIC } from '../clients/vandal.ts';
import type { SimulatedBroker } from './simulated-broker.ts';
import type { StateWatch } from './state-watch.ts';

/** A replica as its broker has it in memory. */
type Replica =
  SimulatedBroker['broker']['services']['replicas']['partitions'] extends Iterable<infer Each> ? Each : never;

/** A broker that serves. */
export interface Watched {
  readonly id: number;
  readonly process: SimulatedBroker;
}

type Protest = (anomaly: Anomaly, partition: string, message: string) => void;

/**
 * Looks into the brokers of a cluster while they work, every few milliseconds:
 * - what was ever committed (lies below any replica's high watermark), every replica has that the store calls in sync: `taken-back`;
 * - no two brokers lead a partition in one epoch: `two-leaders`;
 * - nobody leads, or follows, otherwise than the store has had it in that epoch: `invented-state`;
 * - a replica's epoch never goes back: `epoch-back`.
 */
export class ReplicaWatch {
  readonly #states: StateWatch;
  readonly #protest: Protest;
  /** By partition, the highest high watermark that any replica has had, and whose it was. */
  readonly #committed = new Map<string, { readonly offset: number; readonly by: number }>();
  /** By partition and epoch, who leads. */
  readonly #leaders = new Map<string, number>();
  readonly #epochs = new WeakMap<Replica, number>();
  /** What was protested already. */
  readonly #told = new Set<string>();
  looks = 0;

  constructor(states: StateWatch, protest: Protest) {
    this.#states = states;
    this.#protest = protest;
  }

  look(brokers: readonly Watched[]): void {
    this.looks += 1;
    const replicas = brokers.flatMap(({ id, process }) =>
      [...process.broker.services.replicas.partitions].map((replica) => ({ id, replica, name: nameOf(replica) })),
    );
    for (const { id, replica, name } of replicas) {
      if (this.#states.stateOf(name) === undefined) continue;
      this.#lookAtLeader(id, replica, name);
      // Of a topic that is made anew under its name, a broker may for a time still have a replica of the one before.
      if (GARDEN_TOPIC.test(name) || VANDALS_TOPIC.test(name)) continue;
      this.#lookAtRole(id, replica, name);
      const { highWatermark, state } = replica.log;
      const before = this.#committed.get(name);
      if (state !== 'failed' && highWatermark > (before?.offset ?? -1)) {
        this.#committed.set(name, { offset: highWatermark, by: id });
      }
    }
    for (const { id, replica, name } of replicas) this.#lookAtEnd(id, replica, name);
  }

  #lookAtRole(id: number, replica: Replica, name: string): void {
    const { leaderEpoch, leaderId } = replica;
    const before = this.#epochs.get(replica) ?? -1;
    this.#epochs.set(replica, leaderEpoch);
    if (leaderEpoch < before) {
      this.#tell('epoch-back', name, `broker ${id} goes back from epoch ${before} to ${leaderEpoch}`);
    }
    if (leaderEpoch < 0) return;
    if (!this.#states.hasHad(name, leaderEpoch, leaderId) && !this.#hasResigned(id, replica, name)) {
      const message = `broker ${id} believes that ${leaderId} leads in epoch ${leaderEpoch}, which never stood in the store`;
      this.#tell('invented-state', name, message);
    }
  }

  /** Out of the store's reach a leader resigns as soon as it hears from others of a later epoch than its own, whoever leads in that. */
  #hasResigned(id: number, { leaderEpoch, leaderId }: Replica, name: string): boolean {
    const newest = this.#states.stateOf(name)?.leaderEpoch ?? -1;
    return leaderId < 0 && this.#states.hasHad(name, leaderEpoch, id) && newest > leaderEpoch;
  }

  #lookAtLeader(id: number, replica: Replica, name: string): void {
    const { leaderEpoch } = replica;
    if (!replica.isLeader) return;
    const key = `${replica.topicId} ${name} ${leaderEpoch}`;
    const leader = this.#leaders.get(key) ?? id;
    this.#leaders.set(key, leader);
    if (leader !== id) this.#tell('two-leaders', name, `brokers ${leader} and ${id} lead in epoch ${leaderEpoch}`);
  }

  #lookAtEnd(id: number, { log }: Replica, name: string): void {
    const committed = this.#committed.get(name);
    const state = this.#states.stateOf(name);
    if (committed === undefined || state === undefined || log.state === 'failed') return;
    if (!state.isr.includes(id) || log.logEndOffset >= committed.offset) return;
    const message = `broker ${id} is in sync (${state.isr}, epoch ${state.leaderEpoch}) and ends at ${log.logEndOffset}; on broker ${committed.by} all before ${committed.offset} was committed`;
    this.#tell('taken-back', name, message);
  }

  #tell(anomaly: Anomaly, partition: string, message: string): void {
    const key = `${anomaly} ${partition} ${message}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#protest(anomaly, partition, message);
  }
}

function nameOf({ topic, partition }: Replica): string {
  return `${topic}-${partition}`;
}
