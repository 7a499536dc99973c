import type { MemoryDisk } from '@millrace/ports';
import type { Anomaly } from '../checker/violation.ts';
import { GARDEN_TOPIC } from '../clients/gardener.ts';
import { VANDALS_TOPIC } from '../clients/vandal.ts';
import type { StateWatch } from './state-watch.ts';

/** What is looked at of a broker's machine. */
export interface QuietMachine {
  readonly id: number;
  readonly folders: readonly string[];
  readonly disk: Pick<MemoryDisk, 'namesIn' | 'filesBelow'>;
  /** Undefined where no broker serves. */
  readonly serving: { readonly broker: { readonly services: { readonly cluster: KnownCluster } } } | undefined;
}

/** What a broker knows of the cluster. */
interface KnownCluster {
  readonly brokers: { has(id: number): boolean };
  readonly controllerId: number;
  readonly topics: ReadonlyMap<string, { readonly partitions: readonly (KnownPartition | undefined)[] }>;
}

interface KnownPartition {
  readonly partition: number;
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
}

/** Something that is not yet as it must be when nothing goes wrong any more. */
export interface Unrest {
  readonly anomaly: Anomaly;
  readonly message: string;
}

/**
 * What must hold in a cluster in which nothing goes wrong any more, and time enough has passed: every broker knows of the cluster what
 * stands in the metadata store, and has replicas of no topic that is gone.
 */
export function unrestOf(machines: readonly QuietMachine[], states: StateWatch): Unrest | undefined {
  const topics = states.topics;
  for (const machine of machines) {
    const stale = staleView(machine, machines, states, topics);
    if (stale !== undefined) return { anomaly: 'stale-view', message: `broker ${machine.id} ${stale}` };
    const stray = fileIn(machine, (name) => isOfGoneTopic(name, topics));
    if (stray !== undefined) {
      return { anomaly: 'stray-replica', message: `broker ${machine.id} still has ${stray}, and the topic is gone` };
    }
    const copy = fileIn(machine, (name) => name.endsWith('-future'));
    if (copy !== undefined) return { anomaly: 'unavailable', message: `broker ${machine.id} still moves ${copy}` };
  }
  return undefined;
}

/**
 * A partition, of whatever topic, that has no leader or of which others are in sync than its replicas; says what stands in the store of it.
 * Topics of a plan have as many replicas as that says besides, however often somebody has moved them.
 */
export function partitionNotInSync(
  states: StateWatch,
  plannedReplicas: ReadonlyMap<string, number>,
): string | undefined {
  for (const { topic, partition, replicas } of states.assignments()) {
    const name = `${topic}-${partition}`;
    const state = states.stateOf(name);
    const isInSync =
      state !== undefined &&
      state.leader >= 0 &&
      state.isr.length === replicas.length &&
      replicas.every((id) => state.isr.includes(id));
    const planned = plannedReplicas.get(topic) ?? replicas.length;
    if (!isInSync || replicas.length !== planned) return `${name} on ${replicas}: ${JSON.stringify(state)}`;
  }
  return undefined;
}

/**
 * A partition, of whatever topic that is not being deleted, that one of the live brokers could lead, for it is in sync, or the topic lets any
 * replica lead, and that none of them leads as far as the store says and it knows itself; says what stands in the store of it.
 */
export function partitionNotLed(
  live: readonly { readonly id: number; leads(topic: string, partition: number): boolean }[],
  states: StateWatch,
): string | undefined {
  const brokers = new Map(live.map((broker) => [broker.id, broker]));
  for (const { topic, partition, replicas } of states.assignments()) {
    // Those of the gardener and the vandal come and go.
    if (states.deletions.has(topic) || GARDEN_TOPIC.test(topic) || VANDALS_TOPIC.test(topic)) continue;
    const state = states.stateOf(`${topic}-${partition}`);
    const candidates = states.uncleanTopics.has(topic) ? replicas : (state?.isr ?? []);
    if (!candidates.some((id) => brokers.has(id))) continue;
    if (brokers.get(state?.leader ?? -1)?.leads(topic, partition) === true) continue;
    return `${topic}-${partition} on ${replicas}: ${JSON.stringify(state)}`;
  }
  return undefined;
}

function staleView(
  { serving }: QuietMachine,
  machines: readonly QuietMachine[],
  states: StateWatch,
  topics: ReadonlySet<string>,
): string | undefined {
  if (serving === undefined) return 'does not serve';
  const { cluster } = serving.broker.services;
  const gone = machines.find(({ id }) => !cluster.brokers.has(id));
  if (gone !== undefined) return `knows nothing of broker ${gone.id}`;
  if (cluster.controllerId !== states.controllerId) {
    return `takes ${cluster.controllerId} for the controller, and ${states.controllerId} has taken office last`;
  }
  for (const { topic, partition } of states.assignments()) {
    const image = cluster.topics.get(topic);
    if (image === undefined) return `knows nothing of the topic ${topic}`;
    if (image.partitions[partition] === undefined) return `knows nothing of ${topic}-${partition}`;
  }
  for (const [name, { partitions }] of cluster.topics) {
    if (!topics.has(name)) return `knows the topic ${name}, which is gone`;
    for (const { partition, leader, leaderEpoch, isr } of partitions.filter((each) => each !== undefined)) {
      const state = states.stateOf(`${name}-${partition}`);
      const isSame =
        state?.leader === leader && state.leaderEpoch === leaderEpoch && state.isr.join() === [...isr].join();
      if (!isSame) {
        return `takes ${name}-${partition} for ${leader}, ${leaderEpoch}, [${isr}]: ${JSON.stringify(state)}`;
      }
    }
  }
  return undefined;
}

/** A file in one of a broker's folders of partitions that are sought; the names are looked at first, for this is asked often. */
function fileIn({ disk, folders }: QuietMachine, isSought: (name: string) => boolean): string | undefined {
  for (const folder of folders) {
    for (const name of disk.namesIn(folder)) {
      const file = isSought(name) ? disk.filesBelow(`${folder}/${name}`)[0] : undefined;
      if (file !== undefined) return file.path;
    }
  }
  return undefined;
}

/** Replicas that are about to be removed, and copies on their way into another folder, have other names. */
function isOfGoneTopic(name: string, topics: ReadonlySet<string>): boolean {
  const topic = /^(.+)-\d+$/.exec(name)?.[1];
  return topic !== undefined && !topics.has(topic);
}
