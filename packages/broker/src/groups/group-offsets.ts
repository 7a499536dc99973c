/** A position that a group has committed for one partition. */
export interface CommittedOffset {
  readonly offset: number;
  /** Leader epoch of the last consumed record; -1 when the client did not say. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number;
  /** When it expires by its own: commits of versions 2 to 4 could say so. -1: by the broker's retention. */
  readonly expireTimestampMs: number;
}

/** A commit of one partition on its way to the log. */
export interface OffsetCommit extends CommittedOffset {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** A commit with where it stands in the log, which decides between a plain commit and one of a transaction. */
interface LoggedOffset {
  readonly committed: CommittedOffset;
  readonly recordOffset: number;
}

type ByPartition<T> = Map<string, Map<number, T>>;

/** The committed offsets of one group: what is in the log, and what is on its way there. */
export class GroupOffsets {
  readonly #committed: ByPartition<LoggedOffset> = new Map();
  /** How many commits of a partition are being appended. */
  readonly #pending: ByPartition<number> = new Map();
  /** Offsets that are in the log within a transaction that has not ended, by producer id. */
  readonly #transactional = new Map<number, ByPartition<LoggedOffset>>();
  #count = 0;

  /** How many partitions have a committed offset. */
  get count(): number {
    return this.#count;
  }

  /** Whether nothing is committed and nothing is on its way. */
  get isEmpty(): boolean {
    return this.#count === 0 && this.#pending.size === 0 && this.#transactional.size === 0;
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#committed.get(topic)?.get(partition)?.committed;
  }

  /** Whether a later answer may differ for reasons that have already been decided (KIP-447). */
  isUnstable(topic: string, partition: number): boolean {
    if (this.#pending.get(topic)?.has(partition) === true) return true;
    for (const offsets of this.#transactional.values()) {
      if (offsets.get(topic)?.has(partition) === true) return true;
    }
    return false;
  }

  /** All committed offsets, topic by topic. */
  *topics(): Generator<readonly [topic: string, offsets: Iterable<readonly [number, CommittedOffset]>]> {
    for (const [topic, partitions] of this.#committed) yield [topic, committedIn(partitions)];
  }

  /** Notes that a commit is being appended; each is followed by one {@link endPending}. */
  beginPending(topic: string, partition: number): void {
    put(this.#pending, topic, partition, (take(this.#pending, topic, partition) ?? 0) + 1);
  }

  endPending(topic: string, partition: number): void {
    const count = take(this.#pending, topic, partition) ?? 0;
    if (count > 1) put(this.#pending, topic, partition, count - 1);
    else drop(this.#pending, topic, partition);
  }

  /** Takes over a commit that is in the log. Commits are applied in the order in which they stand there. */
  apply(topic: string, partition: number, committed: CommittedOffset, recordOffset: number): void {
    if (put(this.#committed, topic, partition, { committed, recordOffset }) === undefined) this.#count += 1;
  }

  /** Forgets a partition's offset, in open transactions too; returns whether one was committed. */
  remove(topic: string, partition: number): boolean {
    for (const [producerId, offsets] of this.#transactional) {
      drop(offsets, topic, partition);
      if (offsets.size === 0) this.#transactional.delete(producerId);
    }
    return this.removeCommitted(topic, partition);
  }

  /** Forgets a partition's committed offset; what transactions have in store stays. Returns whether there was one. */
  removeCommitted(topic: string, partition: number): boolean {
    const removed = drop(this.#committed, topic, partition);
    if (removed) this.#count -= 1;
    return removed;
  }

  /** Notes an offset that counts once its transaction commits. */
  applyTransactional(
    producerId: number,
    topic: string,
    partition: number,
    committed: CommittedOffset,
    recordOffset: number,
  ): void {
    let offsets = this.#transactional.get(producerId);
    if (offsets === undefined) {
      offsets = new Map();
      this.#transactional.set(producerId, offsets);
    }
    put(offsets, topic, partition, { committed, recordOffset });
  }

  /** The producers whose open transactions have offsets here. */
  get transactionalProducers(): Iterable<number> {
    return this.#transactional.keys();
  }

  /** Forgets an offset of an open transaction. */
  removeTransactional(producerId: number, topic: string, partition: number): void {
    const offsets = this.#transactional.get(producerId);
    if (offsets === undefined) return;
    drop(offsets, topic, partition);
    if (offsets.size === 0) this.#transactional.delete(producerId);
  }

  /** Ends a transaction: its offsets count unless a plain commit that stands later in the log has overtaken them. */
  endTransaction(producerId: number, commit: boolean): void {
    const offsets = this.#transactional.get(producerId);
    if (offsets === undefined) return;
    this.#transactional.delete(producerId);
    if (!commit) return;
    for (const [topic, partitions] of offsets) {
      for (const [partition, logged] of partitions) {
        const current = this.#committed.get(topic)?.get(partition);
        if (current === undefined || current.recordOffset < logged.recordOffset) {
          this.apply(topic, partition, logged.committed, logged.recordOffset);
        }
      }
    }
  }

  /** Every partition that has an offset in the log or on its way there. */
  allPartitions(): TopicPartition[] {
    const found: ByPartition<true> = new Map();
    for (const source of [this.#committed, this.#pending, ...this.#transactional.values()]) {
      for (const [topic, partitions] of source) {
        for (const partition of partitions.keys()) put(found, topic, partition, true);
      }
    }
    return [...found].flatMap(([topic, partitions]) =>
      Array.from(partitions.keys(), (partition) => ({ topic, partition })),
    );
  }

  /** Committed offsets for which `isExpired` holds; one with a commit under way, or in an open transaction, never expires. */
  expired(isExpired: (topic: string, committed: CommittedOffset) => boolean): TopicPartition[] {
    const expired: TopicPartition[] = [];
    for (const [topic, partitions] of this.#committed) {
      for (const [partition, { committed }] of partitions) {
        if (isExpired(topic, committed) && !this.isUnstable(topic, partition)) expired.push({ topic, partition });
      }
    }
    return expired;
  }
}

function* committedIn(partitions: Map<number, LoggedOffset>): Generator<readonly [number, CommittedOffset]> {
  for (const [partition, { committed }] of partitions) yield [partition, committed];
}

function take<T>(map: ByPartition<T>, topic: string, partition: number): T | undefined {
  return map.get(topic)?.get(partition);
}

/** Puts a value and returns the one before. */
function put<T>(map: ByPartition<T>, topic: string, partition: number, value: T): T | undefined {
  let partitions = map.get(topic);
  if (partitions === undefined) {
    partitions = new Map();
    map.set(topic, partitions);
  }
  const before = partitions.get(partition);
  partitions.set(partition, value);
  return before;
}

function drop<T>(map: ByPartition<T>, topic: string, partition: number): boolean {
  const partitions = map.get(topic);
  if (partitions === undefined) return false;
  const dropped = partitions.delete(partition);
  if (partitions.size === 0) map.delete(topic);
  return dropped;
}
