import type { Admin } from '@millrace/admin';
import type { TopicPartition } from '@millrace/client';
import { choosePartitions, findTopics } from './find-topics.ts';

/** A topic of which some partitions may be meant: `orders`, `orders:0`, `orders:0,3-5`. */
export interface TopicSelection {
  readonly topic: string;
  readonly partitions: readonly number[] | undefined;
}

/** The partitions that are meant. */
export async function expandTopics(admin: Admin, selections: readonly TopicSelection[]): Promise<TopicPartition[]> {
  const topics = await findTopics(
    admin,
    selections.map(({ topic }) => topic),
  );
  return selections.flatMap((selection, index) => choosePartitions(topics[index]!, selection.partitions));
}
