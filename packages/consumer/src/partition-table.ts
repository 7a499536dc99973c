import type { AssignedPartition } from './assigned-partition.ts';

/** The partitions that this consumer reads, found by topic and number without making a key of them. */
export class PartitionTable {
  readonly #topics = new Map<string, Map<number, AssignedPartition>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(topic: string, partition: number): AssignedPartition | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  add(state: AssignedPartition): void {
    let partitions = this.#topics.get(state.topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#topics.set(state.topic, partitions);
    }
    if (!partitions.has(state.partition)) this.#size += 1;
    partitions.set(state.partition, state);
  }

  delete(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic);
    if (partitions?.delete(partition)) {
      this.#size -= 1;
      if (partitions.size === 0) this.#topics.delete(topic);
    }
  }

  topics(): string[] {
    return [...this.#topics.keys()];
  }

  /** Partition numbers by topic. */
  toMap(): Map<string, number[]> {
    return new Map([...this.#topics].map(([topic, partitions]) => [topic, [...partitions.keys()]]));
  }

  *[Symbol.iterator](): Iterator<AssignedPartition> {
    for (const partitions of this.#topics.values()) yield* partitions.values();
  }
}
