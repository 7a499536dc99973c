/** What clients did and saw, as the checker judges it. */

/** `topic-partition`. */
export type PartitionName = string;

/** How an operation ended for its client. `unknown`: it may have happened, may yet happen, or not. */
export type Outcome = 'ok' | 'failed' | 'unknown';

/** A moment in the order in which things happened; every moment is another. */
export type Tick = number;

interface Spanned {
  /** When it began. */
  readonly start: Tick;
  /** When its outcome was known; `Infinity` when it never was. */
  readonly end: Tick;
}

/** A batch of records sent to one partition. */
export interface SendEvent extends Spanned {
  readonly kind: 'send';
  readonly client: string;
  readonly partition: PartitionName;
  readonly values: readonly string[];
  readonly keys: readonly (string | null)[];
  /** How many replicas had to have it before it was acknowledged; -1 for all that are in sync. */
  readonly acks: 0 | 1 | -1;
  /** The timestamp of its records. */
  readonly timestampMs: number;
  /** Each value is in the log at most once, whatever happens: the producer is idempotent, or sends it only once. */
  readonly isOnce: boolean;
  /** What one client sends to one partition stands in the log in this order. */
  readonly order: number;
  readonly outcome: Outcome;
  /** Offset of the first record; -1 where nobody has told. */
  readonly baseOffset: number;
}

/** A record as a reader saw it: its offset and value. */
export type SeenRecord = readonly [offset: number, value: string, key: string | null];

/** Records that one assigned reader got with one fetch of one partition. */
export interface PollEvent extends Spanned {
  readonly kind: 'poll';
  readonly client: string;
  /** Group of the reader; null for one that reads by hand. */
  readonly group: string | null;
  readonly partition: PartitionName;
  /** The offset asked for. */
  readonly position: number;
  readonly records: readonly SeenRecord[];
  /** The offset that is asked for next. */
  readonly next: number;
  /** Why the reader could not read at its position, when it could not and went on behind it. */
  readonly skipped?: 'damaged' | 'out of range';
}

/** A reader takes a partition up at an offset: by assignment, or by seeking. */
export interface AssignEvent {
  readonly kind: 'assign';
  readonly at: Tick;
  readonly client: string;
  readonly group: string | null;
  readonly generation: number;
  readonly partition: PartitionName;
  readonly position: number;
}

/** A group's position is committed. */
export interface CommitEvent extends Spanned {
  readonly kind: 'commit';
  readonly client: string;
  readonly group: string;
  readonly partition: PartitionName;
  readonly offset: number;
  readonly outcome: Outcome;
}

/** A group's committed position is asked for. */
export interface CommittedEvent extends Spanned {
  readonly kind: 'committed';
  readonly client: string;
  readonly group: string;
  readonly partition: PartitionName;
  /** -1: none. */
  readonly offset: number;
}

/** A partition's end or beginning is asked for. */
export interface OffsetsEvent extends Spanned {
  readonly kind: 'offsets';
  readonly client: string;
  readonly partition: PartitionName;
  readonly earliest: number;
  readonly latest: number;
}

/** Records below an offset are deleted on demand. */
export interface DeleteEvent extends Spanned {
  readonly kind: 'delete';
  readonly partition: PartitionName;
  readonly offset: number;
  readonly outcome: Outcome;
}

/** A full read of a partition by one who is not disturbed. */
export interface AuditEvent extends Spanned {
  readonly kind: 'audit';
  readonly partition: PartitionName;
  readonly logStart: number;
  readonly highWatermark: number;
  readonly records: readonly SeenRecord[];
  /** The time when it was over. */
  readonly atMs: number;
  /** Bytes of all batches that were read. */
  readonly sizeBytes: number;
  /** Stretches that were answered with CORRUPT_MESSAGE, from and to. */
  readonly damaged: readonly (readonly [number, number])[];
  /** Whether nothing was going wrong any more, and all replicas were in sync: one that was replaced unknowingly tells an earlier end. */
  readonly isSettled: boolean;
}

/** The broker has reported that a damaged log was cut. What lay from `offset` on is lost, and somebody was told. */
export interface LossEvent {
  readonly kind: 'loss';
  readonly at: Tick;
  readonly partition: PartitionName;
  readonly offset: number;
}

/** A replica gave up what it had and begins at an offset, for its leader had deleted what came before: it knows no producers of before. */
export interface RenewalEvent {
  readonly kind: 'renewal';
  readonly at: Tick;
  readonly partition: PartitionName;
  readonly offset: number;
}

/** Bytes of a partition's files were changed behind the broker's back. */
export interface DamageEvent {
  readonly kind: 'damage';
  readonly at: Tick;
  readonly partition: PartitionName;
  readonly file: string;
}

/** Something a client met that no broker in order would do. */
export interface ProtestEvent {
  readonly kind: 'protest';
  readonly at: Tick;
  readonly client: string;
  readonly partition: PartitionName | null;
  readonly anomaly: string;
  readonly message: string;
  /** For a batch whose sequence the broker does not know. */
  readonly sequence?: RefusedSequence;
}

/** A batch of an idempotent producer that was refused though all before it are acknowledged. */
export interface RefusedSequence {
  readonly values: readonly string[];
  /** The highest offset that was told in an acknowledgement of a batch before it; -1 when none was. */
  readonly acknowledgedTo: number;
}

export type HistoryEvent =
  | SendEvent
  | PollEvent
  | AssignEvent
  | CommitEvent
  | CommittedEvent
  | OffsetsEvent
  | DeleteEvent
  | AuditEvent
  | LossEvent
  | RenewalEvent
  | DamageEvent
  | ProtestEvent;

/** What the checker must know of a topic. */
export interface TopicRules {
  readonly topic: string;
  readonly partitions: number;
  /** Old records go by themselves: by size, with at least so many bytes left. */
  readonly retentionBytes: number | undefined;
  /** Old records go by themselves: by age, none that is younger. */
  readonly retentionMs: number | undefined;
  /** All but the newest record of a key may go. */
  readonly isCompacted: boolean;
  /** Whether followers keep the records too. */
  readonly isReplicated: boolean;
}

/** Everything that happened, in the order in which it began, and what holds for the topics. */
export interface History {
  readonly topics: readonly TopicRules[];
  readonly events: readonly HistoryEvent[];
  /** How far any broker's calendar was off, at the most. */
  readonly clockSkewMs?: number;
  /** Partitions of which a leader was elected that was not in sync: what was acknowledged may be gone, and others stand in its place. */
  readonly unclean?: ReadonlySet<PartitionName>;
}

type Unfinished<T> = { -readonly [K in keyof T]: T[K] };

/** A send or commit whose outcome is not known yet. */
export interface Pending {
  ok(baseOffset?: number): void;
  failed(): void;
  /** The client has given up. Without any call it is the same. */
  unknown(): void;
}

/** Takes a history down. */
export class Recorder implements History {
  readonly topics: TopicRules[] = [];
  readonly events: HistoryEvent[] = [];
  readonly unclean = new Set<PartitionName>();
  /** How often a follower has given a reader records. */
  followerReads = 0;
  /** Told of each event when it begins and when its outcome is known. */
  readonly #told: ((event: HistoryEvent) => void) | undefined;
  #tick = 0;
  #clockSkewMs = 0;

  constructor(told?: (event: HistoryEvent) => void) {
    this.#told = told;
  }

  get clockSkewMs(): number {
    return this.#clockSkewMs;
  }

  /** A broker's calendar is off. */
  noteSkew(offsetMs: number): void {
    this.#clockSkewMs = Math.max(this.#clockSkewMs, Math.abs(offsetMs));
  }

  /** A moment later than every one before. */
  tick(): Tick {
    return this.#tick++;
  }

  add(event: HistoryEvent): void {
    this.events.push(event);
    this.#told?.(event);
  }

  /** A send begins. */
  send(send: Omit<SendEvent, 'kind' | 'start' | 'end' | 'outcome' | 'baseOffset'>): Pending {
    const event: Unfinished<SendEvent> = {
      ...send,
      kind: 'send',
      start: this.tick(),
      end: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
      baseOffset: -1,
    };
    this.add(event);
    return this.#pending(event, (baseOffset) => {
      event.baseOffset = baseOffset;
    });
  }

  /** A commit begins. */
  commit(commit: Omit<CommitEvent, 'kind' | 'start' | 'end' | 'outcome'>): Pending {
    const event: Unfinished<CommitEvent> = {
      ...commit,
      kind: 'commit',
      start: this.tick(),
      end: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
    };
    this.add(event);
    return this.#pending(event);
  }

  /** A deletion of records begins. */
  delete(deletion: Omit<DeleteEvent, 'kind' | 'start' | 'end' | 'outcome'>): Pending {
    const event: Unfinished<DeleteEvent> = {
      ...deletion,
      kind: 'delete',
      start: this.tick(),
      end: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
    };
    this.add(event);
    return this.#pending(event);
  }

  #pending(
    event: Unfinished<SendEvent> | Unfinished<CommitEvent> | Unfinished<DeleteEvent>,
    isOk: (baseOffset: number) => void = () => {},
  ): Pending {
    const over = (outcome: Outcome): void => {
      event.outcome = outcome;
      event.end = this.tick();
      this.#told?.(event);
    };
    return {
      ok: (baseOffset = -1) => {
        isOk(baseOffset);
        over('ok');
      },
      failed: () => over('failed'),
      unknown: () => {},
    };
  }
}
