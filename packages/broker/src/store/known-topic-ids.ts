import type { LogManager } from '@millrace/log';
import type { ClusterImage } from '../cluster/cluster-image.ts';

/** The id by which a broker knows a topic of so many partitions; undefined where it knows none. */
export type KnownTopicId = (topic: string, partitions: number) => string | undefined;

/** What a broker knows of ids beside the metadata store: what a controller has told it, or else what its logs say. */
export function topicIds(cluster: Pick<ClusterImage, 'topic'>, logs: Pick<LogManager, 'get'>): KnownTopicId {
  return (topic, partitions) => {
    const told = cluster.topic(topic)?.id;
    if (told !== undefined) return told;
    for (let partition = 0; partition < partitions; partition += 1) {
      const id = logs.get(topic, partition)?.topicId;
      if (id !== undefined) return id;
    }
    return undefined;
  };
}
