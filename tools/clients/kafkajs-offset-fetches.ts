/**
 * What brokers answer the consumers of kafkajs 2.2.4 in this process that ask how far their group has committed. The package tells nobody, and where a
 * consumer reads from does not show it: see `GroupMember` in `tools/faults/load.ts`.
 */
import { createRequire } from 'node:module';

/** The offset is negative where nothing is committed. */
export type OffsetsAnswered = (topic: string, partition: number, offset: number) => void;

interface AskedOffsets {
  readonly groupId: string;
}

interface AnsweredOffsets {
  readonly responses: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
  }[];
}

interface Broker {
  offsetFetch(asked: AskedOffsets): Promise<AnsweredOffsets>;
}

const watchers = new Map<string, Set<() => OffsetsAnswered>>();

// The package has no types for its inner modules.
const { prototype } = createRequire(import.meta.url)('kafkajs/src/broker') as { readonly prototype: Broker };
const { offsetFetch } = prototype;

prototype.offsetFetch = async function (this: Broker, asked: AskedOffsets): Promise<AnsweredOffsets> {
  const askedBy = [...(watchers.get(asked.groupId) ?? [])].map((onAsked) => onAsked());
  const answered = await offsetFetch.call(this, asked);
  for (const { topic, partitions } of answered.responses) {
    for (const { partition, offset } of partitions) {
      for (const onAnswered of askedBy) onAnswered(topic, partition, Number(offset));
    }
  }
  return answered;
};

/** Calls back when a consumer of the group asks, and what that returns with each answer that is no error; until the function returned is called. */
export function watchOffsetFetches(group: string, onAsked: () => OffsetsAnswered): () => void {
  const watching = watchers.get(group) ?? new Set();
  watchers.set(group, watching.add(onAsked));
  return () => watching.delete(onAsked);
}
