import type { PartitionName, SeenRecord } from '../history.ts';

/**
 * How a transaction ended for its producer. `unknown`: its commit was asked for and nobody has answered, so it is either there with all of
 * its records or not at all.
 */
export type TransactionOutcome = 'open' | 'committed' | 'aborted' | 'unknown';

/** A transaction as its producer sees it. */
export interface Transaction {
  readonly client: string;
  readonly transactionalId: string;
  readonly producerId: number;
  readonly epoch: number;
  /** What was acknowledged in it, by partition. */
  readonly values: Map<PartitionName, string[]>;
  /** Where what was acknowledged in it stands, by value; none where nobody has told. */
  readonly offsets: Map<string, number>;
  /** What was sent in it, acknowledged or not. */
  readonly sent: Set<string>;
  outcome: TransactionOutcome;
  /** When its commit was last asked for. */
  askedMs: number;
}

/** A producer has got an identity. */
export interface Identity {
  readonly client: string;
  readonly transactionalId: string;
  readonly producerId: number;
  readonly epoch: number;
  readonly sinceMs: number;
  /** Whether all that had the id before are fenced off by it. Otherwise it is the next one that came with an end. */
  readonly isReplacing: boolean;
}

/** What is committed of a job that copies records, with its group's offsets in the same transactions. */
export interface CopiesInTheEnd {
  readonly sinks: readonly PartitionName[];
  /** The group's committed offset of each partition that it reads; -1 where there is none. */
  readonly committed: ReadonlyMap<PartitionName, number>;
}

/** What is committed of a partition, how far its last stable offset is from the high watermark, and where it begins. */
export interface CommittedInTheEnd {
  readonly records: readonly SeenRecord[];
  readonly lag: number;
  readonly logStart: number;
}

/** What all transactional clients of a world did and saw. */
export class TransactionLedger {
  readonly transactions: Transaction[] = [];
  readonly identities: Identity[] = [];
  /** What readers of committed records saw while the world went on, by partition. */
  readonly seen = new Map<PartitionName, SeenRecord[]>();
  /** What is committed in the end, by partition. */
  readonly final = new Map<PartitionName, CommittedInTheEnd>();

  /** What was copied for a group in the end: where it reads, where it writes, and up to where it has read. */
  copies: CopiesInTheEnd | undefined;

  /** What was sent in transactions of which no producer knows that they were committed. */
  get uncommitted(): ReadonlySet<string> {
    return new Set(this.transactions.flatMap(({ outcome, sent }) => (outcome === 'committed' ? [] : [...sent])));
  }

  /** Whether records of a transaction may be gone from a partition since it does not begin any more where they stood. */
  isDeleted({ offsets }: Transaction, partition: PartitionName, value: string): boolean {
    const { logStart = 0 } = this.final.get(partition) ?? {};
    return (offsets.get(value) ?? -1) < logStart && logStart > 0;
  }

  saw(partition: PartitionName, records: readonly SeenRecord[]): void {
    const seen = this.seen.get(partition);
    if (seen === undefined) this.seen.set(partition, [...records]);
    else for (const record of records) seen.push(record);
  }
}
