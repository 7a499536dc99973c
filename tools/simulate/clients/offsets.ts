import { ErrorCode, ListOffsets } from '@millrace/protocol';
import type { Requester } from './requester.ts';
import type { Router } from './router.ts';
import { byTopic, type PartitionRef } from './topics.ts';

export const EARLIEST = -2;
export const LATEST = -1;

/** Asks for the first or last offset of partitions; those that were refused are left out. @throws NoAnswer */
export async function listOffsets(
  router: Router,
  version: number,
  partitions: readonly PartitionRef[],
  timestamp: number,
  timeoutMs: number,
): Promise<Map<PartitionRef, number>> {
  const offsets = new Map<PartitionRef, number>();
  for (const [leader, items] of await router.byLeader(partitions.map((partition) => ({ partition })))) {
    const asked = items.map(({ partition }) => partition);
    const codes = await listOffsetsOfOne(leader, version, asked, timestamp, timeoutMs, offsets);
    for (const code of codes) router.noteError(code);
  }
  return offsets;
}

/** Puts what is found into `offsets`, and returns the error codes. */
async function listOffsetsOfOne(
  requester: Requester,
  version: number,
  partitions: readonly PartitionRef[],
  timestamp: number,
  timeoutMs: number,
  offsets: Map<PartitionRef, number>,
): Promise<number[]> {
  const topics = byTopic(partitions.map((partition) => ({ partition }))).map(({ topic, items }) => ({
    name: topic.name,
    partitions: items.map(({ partition }) => ({ partitionIndex: partition.index, timestamp })),
  }));
  const answer = await requester.ask(ListOffsets, version, { replicaId: -1, topics }, timeoutMs);
  const codes: number[] = [];
  for (const partition of partitions) {
    const found = answer.topics
      .find(({ name }) => name === partition.topic.name)
      ?.partitions.find(({ partitionIndex }) => partitionIndex === partition.index);
    if (found === undefined) continue;
    codes.push(found.errorCode);
    if (found.errorCode === ErrorCode.NONE) offsets.set(partition, found.offset);
  }
  return codes;
}
