import type { TopicPartitionMap } from '../assignors/assignor.ts';
import type { TopicPartition } from '../options.ts';

/** One by one what a map holds by topic. */
export function flatten(partitions: TopicPartitionMap): TopicPartition[] {
  return [...partitions].flatMap(([topic, list]) => list.map((partition) => ({ topic, partition })));
}

/** What is in `a` and not in `b`. */
export function difference(a: TopicPartitionMap, b: TopicPartitionMap): TopicPartition[] {
  return flatten(a).filter(({ topic, partition }) => !b.get(topic)?.includes(partition));
}
