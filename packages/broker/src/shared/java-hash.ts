/**
 * Java's `String.hashCode`: over UTF-16 code units, in 32-bit arithmetic. Which partition of
 * `__consumer_offsets` holds a group depends on it, so it must agree with Kafka's where data is shared or moved.
 */
export function javaStringHash(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index += 1) {
    hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  }
  return hash;
}

/** Kafka's `Utils.abs`: the sign bit dropped by negation, and the one number that has no negative becomes 0. */
export function javaAbs(value: number): number {
  return value === -0x80000000 ? 0 : Math.abs(value);
}

/** The partition of a coordinator's topic that a group or a transactional id belongs to (GroupMetadataManager.partitionFor). */
export function partitionOf(id: string, partitionCount: number): number {
  return javaAbs(javaStringHash(id)) % partitionCount;
}
