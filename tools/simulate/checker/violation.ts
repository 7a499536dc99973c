import type { PartitionName, Tick } from '../history.ts';

/** What can be wrong with a history; names after Jepsen's Kafka workload where it has one. */
export type Anomaly =
  /** One offset, two values. */
  | 'inconsistent-offsets'
  /** One value, two offsets, though its producer sends it once or is idempotent. */
  | 'duplicate'
  /** Acknowledged or read before, missing in a full read that reaches beyond it. */
  | 'lost-write'
  /** Acknowledged or read before, and the log ends before it. */
  | 'unseen'
  /** A value was read whose send had failed for certain. */
  | 'aborted-read'
  /** Something was read that nobody wrote there. */
  | 'unwritten-read'
  /** A reader got an offset beyond its next one, though there was something to read before. */
  | 'poll-skip'
  /** A reader got offsets that do not rise, or lie before its position. */
  | 'nonmonotonic-poll'
  /** What a producer sent in one order stands in the log in another. */
  | 'nonmonotonic-send'
  /** The committed offset of a group is none that may be there. */
  | 'lost-commit'
  /** A group has committed beyond what its members have read. */
  | 'committed-unread'
  /** Two members of one generation have the same partition. */
  | 'double-assignment'
  /** The end or the beginning of a partition is told wrong. */
  | 'wrong-offsets'
  /** A position that a reader had by right is refused as out of range. */
  | 'out-of-range'
  /** Damage is reported where none was done. */
  | 'false-damage'
  /** Retention has deleted more than it may. */
  | 'over-deleted'
  /** A damaged batch was served as if it were good. */
  | 'served-damaged'
  /** The broker does not know a sequence that it has acknowledged. */
  | 'sequence-lost'
  /** The broker takes a batch though the one before it is missing. */
  | 'out-of-sequence'
  /** The broker's own metadata are damaged, or have lost what they held, though no bit of them was flipped. */
  | 'metadata-lost'
  /** The controllers wrote states that contradict each other: epochs that go back, two leaders of one epoch, one that was not in sync or has no replica. */
  | 'bad-state'
  /** An office of a controller that is not of a higher epoch than the one before. */
  | 'two-controllers'
  /** A controller that was replaced has written a partition's state. */
  | 'zombie-write'
  /** A partition's state was overwritten whoever had changed it before. */
  | 'unconditional-write'
  /** Two brokers lead a partition in one epoch. */
  | 'two-leaders'
  /** A broker has another leader of an epoch than the metadata store ever had. */
  | 'invented-state'
  /** A broker goes back to an earlier epoch of a partition, or to an earlier version of its state. */
  | 'epoch-back'
  /** A replica that counts as in sync lacks what was committed. */
  | 'taken-back'
  /** A broker is told of a leadership before the leader is. */
  | 'command-order'
  /** A broker does what a controller tells that was replaced, as it knows. */
  | 'zombie-command'
  /** With all faults over, what a broker knows of the cluster is not what stands in the metadata store. */
  | 'stale-view'
  /** With all faults over, a broker leaves a request unanswered. */
  | 'unanswered'
  /** With all faults over, a broker has a replica of a topic that is gone. */
  | 'stray-replica'
  /** A transaction was committed, and what it wrote is not there. */
  | 'lost-transaction'
  /** Of one transaction some is there and some is not. */
  | 'torn-transaction'
  /** A producer that was replaced has committed. */
  | 'zombie-commit'
  /** Two producers had one epoch. */
  | 'shared-epoch'
  /** The end of a transaction, which is to raise its producer's epoch, gave one that is no higher. */
  | 'kept-epoch'
  /** The offset of a group says that records were dealt with, and what was written for them in the same transaction is not there. */
  | 'offset-without-records'
  /** What was written for records is there, or there again, and the group's offset of the same transaction is not. */
  | 'records-without-offset'
  /** With all faults over, a transaction does not end, and readers wait for it. */
  | 'stuck-transaction'
  /** An error got out of what a broker was called for, by a timer or a promise: the real process ends of that. */
  | 'escaped'
  /** With one machine down and all other faults over, a partition has no leader that takes records, though who could lead it lives. */
  | 'leaderless'
  /** In-sync replicas differ. */
  | 'diverged'
  /** With all faults over, something still does not work. */
  | 'unavailable';

/** One thing that is wrong, with what it takes to find it in the trace. */
export interface Violation {
  readonly anomaly: Anomaly;
  readonly partition: PartitionName | null;
  readonly message: string;
  readonly at: Tick;
}

/** Where violations stand that are not of a moment: what counts is what is there in the end. */
export const AT_THE_END: Tick = Number.MAX_SAFE_INTEGER;
