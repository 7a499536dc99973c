import { ignoreNoNode, type MetadataStore } from '@millrace/metadata';
import { decodeTopic, paths } from './znodes.ts';

/** How many partitions a broker holds replicas of, those that come and go included, and of which topics. */
export interface HeldReplicas {
  readonly partitions: number;
  /** In the order of their names. */
  readonly topics: readonly string[];
}

/** Which brokers hold replicas by what the store says, by their ids; whether they are alive or not. */
export async function replicaHolders(store: MetadataStore): Promise<ReadonlyMap<number, HeldReplicas>> {
  const held = new Map<number, { partitions: number; topics: string[] }>();
  const names = (await store.children(paths.topics).catch(ignoreNoNode)) ?? [];
  for (const topic of names.toSorted()) {
    const node = await store.get(paths.topic(topic)).catch(ignoreNoNode);
    if (node === undefined) continue;
    for (const { replicas } of decodeTopic(topic, node.data).partitions) {
      for (const id of replicas) {
        const holds = held.get(id) ?? { partitions: 0, topics: [] };
        held.set(id, holds);
        holds.partitions += 1;
        if (holds.topics.at(-1) !== topic) holds.topics.push(topic);
      }
    }
  }
  return held;
}
