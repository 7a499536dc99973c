import type { Random } from '@millrace/ports';

/** A broker that replicas can be put on. */
export interface AssignableBroker {
  readonly id: number;
  readonly rack: string | null;
}

/** Where the spreading begins; given only when partitions are added to a topic that has some. */
export interface AssignmentStart {
  /** The broker that leads partition 0 by preference. */
  readonly firstBroker: number;
  /** The number of the first partition to assign. */
  readonly partition: number;
}

/**
 * Spreads replicas over brokers: first replicas go round the brokers, and the others follow at a distance that grows with
 * every round, so that the partitions of a broker that fails fall to many others. With racks, brokers of different racks
 * take turns, and the replicas of a partition are in as many racks as possible (`AdminUtils.assignReplicasToBrokers`).
 *
 * The caller has checked that `replicationFactor` is from 1 to the number of brokers.
 */
export function assignReplicas(
  brokers: readonly AssignableBroker[],
  partitionCount: number,
  replicationFactor: number,
  random: Random,
  start?: AssignmentStart,
): number[][] {
  const hasRacks = brokers.every((broker) => broker.rack !== null);
  const ordered = hasRacks ? alternateRacks(brokers) : brokers.toSorted((a, b) => a.id - b.id);
  const rackCount = new Set(ordered.map((broker) => broker.rack)).size;
  const known = ordered.findIndex((broker) => broker.id === start?.firstBroker);
  const startIndex = known === -1 ? random.nextInt(ordered.length) : known;
  const firstPartition = start?.partition ?? 0;
  let shift = known === -1 ? random.nextInt(ordered.length) : known;
  const assignment: number[][] = [];
  for (let partition = firstPartition; partition < firstPartition + partitionCount; partition += 1) {
    if (partition > 0 && partition % ordered.length === 0) shift += 1;
    const first = (partition + startIndex) % ordered.length;
    assignment.push(
      hasRacks && rackCount > 1
        ? rackAware(ordered, first, shift, replicationFactor, rackCount)
        : rackUnaware(ordered, first, shift, replicationFactor),
    );
  }
  return assignment;
}

function rackUnaware(
  brokers: readonly AssignableBroker[],
  first: number,
  shift: number,
  replicationFactor: number,
): number[] {
  const replicas: number[] = [];
  for (let replica = 0; replica < replicationFactor; replica += 1) {
    replicas.push((brokers[placeOf(first, shift, replica, brokers.length)] as AssignableBroker).id);
  }
  return replicas;
}

function rackAware(
  brokers: readonly AssignableBroker[],
  first: number,
  shift: number,
  replicationFactor: number,
  rackCount: number,
): number[] {
  const leader = brokers[first] as AssignableBroker;
  const replicas = [leader.id];
  const racks = new Set([leader.rack]);
  for (let step = 0; replicas.length < replicationFactor; step += 1) {
    const broker = brokers[placeOf(first, shift * rackCount, step + 1, brokers.length)] as AssignableBroker;
    // A rack comes twice only when all have come once, a broker never.
    const wantsNewRack = racks.size < rackCount && racks.has(broker.rack) && step < brokers.length * rackCount;
    if (replicas.includes(broker.id) || wantsNewRack) continue;
    replicas.push(broker.id);
    racks.add(broker.rack);
  }
  return replicas;
}

/** The place of a partition's n-th replica: its first one's, then at `shift` and more from there. */
function placeOf(first: number, shift: number, replica: number, brokerCount: number): number {
  if (replica === 0 || brokerCount === 1) return first;
  const distance = 1 + ((shift + replica - 1) % (brokerCount - 1));
  return (first + distance) % brokerCount;
}

/** Brokers in an order in which neighbours are in different racks where possible. */
function alternateRacks(brokers: readonly AssignableBroker[]): AssignableBroker[] {
  const byRack = new Map<string | null, AssignableBroker[]>();
  for (const broker of brokers.toSorted((a, b) => a.id - b.id)) {
    const inRack = byRack.get(broker.rack);
    if (inRack === undefined) byRack.set(broker.rack, [broker]);
    else inRack.push(broker);
  }
  const racks = [...byRack.entries()].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)).map(([, inRack]) => inRack);
  const ordered: AssignableBroker[] = [];
  for (let round = 0; ordered.length < brokers.length; round += 1) {
    for (const inRack of racks) {
      const broker = inRack[round];
      if (broker !== undefined) ordered.push(broker);
    }
  }
  return ordered;
}
