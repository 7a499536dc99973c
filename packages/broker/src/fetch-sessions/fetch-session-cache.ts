import type { Random } from '@millrace/ports';
import { FetchSession, type PartitionRef } from './fetch-session.ts';
import type { FetchTarget } from './fetch-target.ts';

const SESSION_ID_MAX = 2 ** 31 - 1;

/** Bounds of the cache; the names in Kafka are in the comments. */
export interface FetchSessionCacheLimits {
  /** `max.incremental.fetch.session.cache.slots`. */
  readonly slots: number;
  /** How long a session must be unused, or old, before others may take its place. Kafka's 2 minutes by default. */
  readonly evictionMs?: number;
  /** How many partitions all sessions together may hold. 400,000 by default, which take about 100 MB. */
  readonly partitionsMax?: number;
}

const EVICTION_MS_DEFAULT = 120_000;
const PARTITIONS_MAX_DEFAULT = 400_000;

/**
 * The fetch sessions of a broker, in a bounded number of slots and with a bounded number of partitions. When all are taken, a new session takes the place of
 * one that has not been used for `evictionMs`; else of one that is worth less: consumers' sessions are worth less than
 * followers', small ones less than large ones, and one younger than `evictionMs` yields only to a follower's
 * (`FetchSessionCache.tryEvict` of Kafka).
 */
export class FetchSessionCache {
  readonly #slots: number;
  readonly #evictionMs: number;
  readonly #partitionsMax: number;
  readonly #random: Random;
  /** In the order of last use, the longest unused first. */
  readonly #sessions = new Map<number, FetchSession>();
  #partitionCount = 0;
  #evictions = 0;

  constructor(limits: FetchSessionCacheLimits, random: Random) {
    this.#slots = limits.slots;
    this.#evictionMs = limits.evictionMs ?? EVICTION_MS_DEFAULT;
    this.#partitionsMax = limits.partitionsMax ?? PARTITIONS_MAX_DEFAULT;
    this.#random = random;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** How many partitions all sessions hold. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  /** How many sessions have had to go for others so far. */
  get evictionCount(): number {
    return this.#evictions;
  }

  get(id: number): FetchSession | undefined {
    return this.#sessions.get(id);
  }

  remove(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#partitionCount -= session.size;
  }

  /**
   * Takes over what a request says of the partitions of a session. False: it has more new ones than there is room for, and the session
   * is closed, so that the client starts over.
   */
  update(session: FetchSession, targets: readonly FetchTarget[], forgotten: readonly PartitionRef[]): boolean {
    const before = session.size;
    for (const target of targets) session.put(target);
    for (const ref of forgotten) session.forget(ref);
    this.#partitionCount += session.size - before;
    if (session.size <= before || this.#partitionCount <= this.#partitionsMax) return true;
    this.remove(session.id);
    return false;
  }

  touch(session: FetchSession, nowMs: number): void {
    session.lastUsedMs = nowMs;
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }

  /** Opens a session with these partitions; undefined when there is no room for it. */
  create(
    targets: readonly FetchTarget[],
    options: { privileged: boolean; usesTopicIds: boolean; nowMs: number },
  ): FetchSession | undefined {
    if (targets.length > this.#partitionsMax) return undefined;
    while (!this.#hasRoomFor(targets.length)) {
      if (!this.#evictFor(targets.length, options)) return undefined;
    }
    const session = new FetchSession(this.#newId(), options);
    for (const target of targets) session.put(target);
    this.#sessions.set(session.id, session);
    this.#partitionCount += session.size;
    return session;
  }

  #hasRoomFor(partitions: number): boolean {
    return this.#sessions.size < this.#slots && this.#partitionCount + partitions <= this.#partitionsMax;
  }

  #evictFor(size: number, newcomer: { privileged: boolean; nowMs: number }): boolean {
    const victim = this.#stale(newcomer.nowMs) ?? this.#worthLess(size, newcomer);
    if (victim === undefined) return false;
    this.remove(victim.id);
    this.#evictions += 1;
    return true;
  }

  #stale(nowMs: number): FetchSession | undefined {
    const longestUnused = this.#sessions.values().next().value;
    if (longestUnused === undefined) return undefined;
    return nowMs - longestUnused.lastUsedMs > this.#evictionMs ? longestUnused : undefined;
  }

  #worthLess(size: number, newcomer: { privileged: boolean; nowMs: number }): FetchSession | undefined {
    let least: FetchSession | undefined;
    for (const session of this.#sessions.values()) {
      // Age counts as of the last use, as in Kafka, where a session's place in the order changes only then.
      const isOld = session.lastUsedMs - session.createdMs > this.#evictionMs;
      const isEvictable = isOld || (newcomer.privileged && !session.privileged);
      if (isEvictable && (least === undefined || isWorthLess(session, least))) least = session;
    }
    if (least === undefined) return undefined;
    if (least.privileged !== newcomer.privileged) return newcomer.privileged ? least : undefined;
    return size > least.size ? least : undefined;
  }

  #newId(): number {
    let id: number;
    do id = 1 + this.#random.nextInt(SESSION_ID_MAX - 1);
    while (this.#sessions.has(id));
    return id;
  }
}

function isWorthLess(a: FetchSession, b: FetchSession): boolean {
  if (a.privileged !== b.privileged) return b.privileged;
  return a.size !== b.size ? a.size < b.size : a.id < b.id;
}
