import type { AssignedPartition } from './assigned-partition.ts';

/**
 * What the parts that find offsets, validate them and fetch tell of a partition. None of them knows who is concerned:
 * `PartitionFlow` does.
 */
export interface PartitionEvents {
  /** Its offset is known: it can be fetched. */
  found(state: AssignedPartition): void;
  /** Its new leader was asked: it can be fetched, is to be looked up anew, or has failed. */
  validated(state: AssignedPartition): void;
  /** There are records for a reader, or an error that it has to be told. */
  readable(state: AssignedPartition): void;
  /** The offset that was asked for is not in its log. */
  outOfRange(state: AssignedPartition): void;
  /** It cannot be read; readers are to be told why. */
  failed(state: AssignedPartition, error: Error): void;
  /** The leaders of the topic's partitions are not known, or not any more. */
  leadersStale(topic: string): void;
}
