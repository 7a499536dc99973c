import type {
  AuditEvent,
  DamageEvent,
  DeleteEvent,
  History,
  HistoryEvent,
  LossEvent,
  OffsetsEvent,
  PartitionName,
  PollEvent,
  RenewalEvent,
  SendEvent,
  Tick,
  TopicRules,
} from '../history.ts';

/** A record that is known to stand at an offset, and since when. */
export interface KnownRecord {
  readonly offset: number;
  readonly value: string;
  readonly key: string | null;
  /** The timestamp that its producer gave it. */
  readonly timestampMs: number;
  /** When it was first acknowledged or read. */
  readonly since: Tick;
  /** Who said so first. */
  readonly source: string;
}

/** All that a history says of one partition. */
export class PartitionFacts {
  readonly name: PartitionName;
  readonly rules: TopicRules;
  /** How far any broker's calendar was off, at the most: by so much sooner records are old. */
  readonly clockSkewMs: number;
  readonly sends: SendEvent[] = [];
  readonly polls: PollEvent[] = [];
  readonly audits: AuditEvent[] = [];
  readonly offsets: OffsetsEvent[] = [];
  readonly deletions: DeleteEvent[] = [];
  readonly losses: LossEvent[] = [];
  readonly renewals: RenewalEvent[] = [];
  readonly damages: DamageEvent[] = [];
  /** Values of records that may have been aborted. */
  readonly uncommitted: ReadonlySet<string>;

  /** Whether a leader was elected that was not in sync. */
  readonly isUnclean: boolean;

  constructor(
    name: PartitionName,
    rules: TopicRules,
    clockSkewMs: number,
    uncommitted: ReadonlySet<string>,
    isUnclean: boolean,
  ) {
    this.isUnclean = isUnclean;
    this.clockSkewMs = clockSkewMs;
    this.uncommitted = uncommitted;
    this.name = name;
    this.rules = rules;
  }

  add(event: HistoryEvent): void {
    if (event.kind === 'send') this.sends.push(event);
    else if (event.kind === 'poll') this.polls.push(event);
    else if (event.kind === 'audit') this.audits.push(event);
    else if (event.kind === 'offsets') this.offsets.push(event);
    else if (event.kind === 'delete') this.deletions.push(event);
    else if (event.kind === 'loss') this.losses.push(event);
    else if (event.kind === 'renewal') this.renewals.push(event);
    else if (event.kind === 'damage') this.damages.push(event);
  }

  /** Whether an acknowledgement means that the record stays: all replicas in sync have it, or there is only one. */
  isFirm({ acks, outcome, baseOffset }: SendEvent): boolean {
    return outcome === 'ok' && baseOffset >= 0 && (acks === -1 || !this.rules.isReplicated);
  }

  /** Whether records may be missing at the beginning. */
  get mayStartLater(): boolean {
    const { retentionBytes, retentionMs } = this.rules;
    const goByThemselves = retentionBytes !== undefined || retentionMs !== undefined;
    return goByThemselves || this.deletions.some(({ outcome }) => outcome !== 'failed');
  }

  /** The highest offset before which records were deleted on demand. */
  get deletedBefore(): number {
    return Math.max(0, ...this.deletions.filter(({ outcome }) => outcome !== 'failed').map(({ offset }) => offset));
  }

  /** Whether bits of the log itself were flipped. */
  get isDamaged(): boolean {
    return this.damages.some(({ file }) => file.endsWith('.log'));
  }

  /** Whether somebody was told, while an operation was under way, that the end of the log is lost: it says nothing then. */
  spansLoss({ start, end }: { readonly start: Tick; readonly end: Tick }): boolean {
    return this.losses.some(({ at }) => at > start && at < end);
  }
}

/** The facts of every partition of the history's topics. */
export function partitionFacts(history: History, uncommitted: ReadonlySet<string>): Map<PartitionName, PartitionFacts> {
  const facts = new Map<PartitionName, PartitionFacts>();
  for (const rules of history.topics) {
    for (let index = 0; index < rules.partitions; index += 1) {
      const name = `${rules.topic}-${index}`;
      const isUnclean = history.unclean?.has(name) === true;
      facts.set(name, new PartitionFacts(name, rules, history.clockSkewMs ?? 0, uncommitted, isUnclean));
    }
  }
  for (const event of history.events) {
    if ('partition' in event && event.partition !== null) facts.get(event.partition)?.add(event);
  }
  return facts;
}
