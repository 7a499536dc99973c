/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A partition as one word, for messages and as a key. */
export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** Groups by topic what concerns partitions, as requests want it; topics and items keep their order. */
export function byTopic<T extends { readonly topic: string }>(items: Iterable<T>): Map<string, T[]> {
  const topics = new Map<string, T[]>();
  for (const item of items) {
    const group = topics.get(item.topic);
    if (group === undefined) topics.set(item.topic, [item]);
    else group.push(item);
  }
  return topics;
}
