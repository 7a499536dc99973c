import type { TopicPartitionMap } from './assignor.ts';

/**
 * The bytes that Java's sticky assignors put beside a subscription, read and written as they do, so that a group may have
 * members of both (`StickyAssignor` user data version 1, `CooperativeStickyAssignor` version 0).
 */
interface StickyUserData {
  readonly owned: TopicPartitionMap;
  readonly generationId: number;
}

const NOTHING_OWNED: StickyUserData = { owned: new Map(), generationId: -1 };

/** `[topic [partition]] generation`: an array of topics with their partitions, and an int32. */
export function writeStickyUserData(owned: TopicPartitionMap, generationId: number): Buffer {
  const topics = [...owned].map(([topic, partitions]) => ({ name: Buffer.from(topic), partitions }));
  const bytes = Buffer.allocUnsafe(
    topics.reduce((sum, topic) => sum + 2 + topic.name.length + 4 + 4 * topic.partitions.length, 8),
  );
  let at = bytes.writeInt32BE(topics.length, 0);
  for (const { name, partitions } of topics) {
    at = bytes.writeInt16BE(name.length, at);
    at += name.copy(bytes, at);
    at = bytes.writeInt32BE(partitions.length, at);
    for (const partition of partitions) at = bytes.writeInt32BE(partition, at);
  }
  bytes.writeInt32BE(generationId, at);
  return bytes;
}

/** Reads version 1, and version 0, which ends before the generation. Bytes of another shape mean that nothing is owned. */
export function readStickyUserData(bytes: Buffer | null): StickyUserData {
  if (bytes === null || bytes.length === 0) return NOTHING_OWNED;
  try {
    return readTopics(bytes);
  } catch (error) {
    if (error instanceof RangeError) return NOTHING_OWNED;
    throw error;
  }
}

export function writeCooperativeUserData(generationId: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(generationId, 0);
  return bytes;
}

function readTopics(bytes: Buffer): StickyUserData {
  const owned = new Map<string, number[]>();
  let at = 4;
  for (let left = bytes.readInt32BE(0); left > 0; left -= 1) {
    // A negative length would lead backwards, and round in circles.
    const nameEnd = at + 2 + bytes.readUInt16BE(at);
    const topic = bytes.toString('utf8', at + 2, nameEnd);
    const count = bytes.readInt32BE(nameEnd);
    at = nameEnd + 4;
    const partitions: number[] = [];
    // Every element read moves on by four bytes, so a count that lies runs into the end of the buffer.
    for (let index = 0; index < count; index++, at += 4) partitions.push(bytes.readInt32BE(at));
    owned.set(topic, partitions);
  }
  return { owned, generationId: at + 4 <= bytes.length ? bytes.readInt32BE(at) : -1 };
}
