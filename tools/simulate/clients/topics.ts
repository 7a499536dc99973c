import type { PartitionName } from '../history.ts';

/** A topic of a world. */
export interface Topic {
  readonly name: string;
  /** Known once it has been created. */
  readonly id: string;
  readonly partitions: number;
}

/** A partition as requests name it. */
export interface PartitionRef {
  readonly topic: Topic;
  readonly index: number;
  readonly name: PartitionName;
}

export function partitionsOf(topics: readonly Topic[]): PartitionRef[] {
  return topics.flatMap((topic) => Array.from({ length: topic.partitions }, (_, index) => partitionRef(topic, index)));
}

export function partitionRef(topic: Topic, index: number): PartitionRef {
  return { topic, index, name: `${topic.name}-${index}` };
}

/** The partitions topic by topic, as most requests want them. */
export function byTopic<T extends { readonly partition: PartitionRef }>(
  items: readonly T[],
): { readonly topic: Topic; readonly items: readonly T[] }[] {
  const groups = new Map<Topic, T[]>();
  for (const item of items) {
    const group = groups.get(item.partition.topic);
    if (group === undefined) groups.set(item.partition.topic, [item]);
    else group.push(item);
  }
  return Array.from(groups, ([topic, items]) => ({ topic, items }));
}
