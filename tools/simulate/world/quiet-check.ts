import type { Anomaly } from '../checker/violation.ts';
import type { Machine } from './machine.ts';
import type { StateWatch } from './state-watch.ts';

/** Something that is not yet as it must be when nothing goes wrong any more. */
export interface Unrest {
  readonly anomaly: Anomaly;
  readonly message: string;
}

/**
 * What must hold in a cluster in which nothing goes wrong any more, and time enough has passed: every broker knows of the cluster what
 * stands in the metadata store, and has replicas of no topic that is gone.
 */
export function unrestOf(machines: readonly Machine[], states: StateWatch): Unrest | undefined {
  const topics = states.topics;
  for (const machine of machines) {
    const stale = staleView(machine, machines, states, topics);
    if (stale !== undefined) return { anomaly: 'stale-view', message: `broker ${machine.id} ${stale}` };
    const paths = machine.folders.flatMap((folder) => machine.disk.filesBelow(folder).map(({ path }) => path));
    const stray = strayReplica(paths, topics);
    if (stray !== undefined) return { anomaly: 'stray-replica', message: `broker ${machine.id} still has ${stray}` };
    const copy = copyUnderWay(paths);
    if (copy !== undefined) return { anomaly: 'unavailable', message: `broker ${machine.id} still moves ${copy}` };
  }
  return undefined;
}

function staleView(
  { serving }: Machine,
  machines: readonly Machine[],
  states: StateWatch,
  topics: ReadonlySet<string>,
): string | undefined {
  if (serving === undefined) return 'does not serve';
  const { cluster } = serving.broker.services;
  const gone = machines.find(({ id }) => !cluster.brokers.has(id));
  if (gone !== undefined) return `knows nothing of broker ${gone.id}`;
  if (!cluster.brokers.has(cluster.controllerId)) return `takes ${cluster.controllerId} for the controller`;
  for (const [name, { partitions }] of cluster.topics) {
    if (!topics.has(name)) return `knows the topic ${name}, which is gone`;
    // Of a partition that never had a leader, brokers are told nothing.
    for (const { partition, leader, leaderEpoch, isr } of partitions.filter((each) => each !== undefined)) {
      const state = states.stateOf(`${name}-${partition}`);
      const isSame =
        state?.leader === leader && state.leaderEpoch === leaderEpoch && state.isr.join() === [...isr].join();
      if (!isSame) {
        return `takes ${name}-${partition} for ${leader}, ${leaderEpoch}, [${isr}]: ${JSON.stringify(state)}`;
      }
    }
  }
  for (const topic of topics) if (!cluster.topics.has(topic)) return `knows nothing of the topic ${topic}`;
  return undefined;
}

/** A folder of a replica; those that are about to be removed have another name. */
const REPLICA_FOLDER = /\/([^/]+)-\d+\/[^/]+$/;

/** A copy of a log that is on its way into another folder. */
const COPY_FOLDER = /\/[^/]+-future\/[^/]+$/;

function copyUnderWay(paths: readonly string[]): string | undefined {
  return paths.find((path) => COPY_FOLDER.test(path));
}

function strayReplica(paths: readonly string[], topics: ReadonlySet<string>): string | undefined {
  const stray = paths.find((path) => {
    const topic = REPLICA_FOLDER.exec(path)?.[1];
    return topic !== undefined && !topics.has(topic);
  });
  return stray === undefined ? undefined : `${stray}, and the topic is gone`;
}
