import { describe, expect, it } from 'vitest';
import { type HistoryEvent, Recorder, type RefusedSequence, type SeenRecord, type TopicRules } from '../history.ts';
import { check } from './check.ts';

const PARTITION = 't-0';
const SENT_MS = 1_700_000_000_000;
const PLAIN: TopicRules = {
  topic: 't',
  partitions: 1,
  retentionBytes: undefined,
  retentionMs: undefined,
  isCompacted: false,
  isReplicated: false,
};

/** A history in which everything is as it should be, to be spoilt one thing at a time. */
class Story {
  readonly recorder = new Recorder();
  #order = 0;

  constructor(rules: Partial<TopicRules> = {}) {
    this.recorder.topics.push({ ...PLAIN, ...rules });
  }

  sent(
    value: string,
    options: { offset?: number; outcome?: 'failed'; isOnce?: boolean; key?: string; acks?: 0 | 1 | -1 } = {},
  ): this {
    const { offset, outcome, isOnce = true, key = null } = options;
    const pending = this.recorder.send({
      timestampMs: SENT_MS,
      client: 'p0',
      partition: PARTITION,
      values: [value],
      keys: [key],
      acks: options.acks ?? -1,
      isOnce,
      order: this.#order++,
    });
    if (outcome === 'failed') pending.failed();
    else if (offset !== undefined) pending.ok(offset);
    return this;
  }

  polled(position: number, records: readonly SeenRecord[], options: { next?: number; group?: string } = {}): this {
    const next = options.next ?? (records.at(-1)?.[0] ?? position - 1) + 1;
    return this.add({
      kind: 'poll',
      ...this.span(),
      client: 'r0',
      group: options.group ?? null,
      position,
      records,
      next,
    });
  }

  skipped(position: number, skipped: 'damaged' | 'out of range', next: number): this {
    const what = { client: 'r0', group: null, position, records: [], next, skipped };
    return this.add({ kind: 'poll', ...this.span(), ...what });
  }

  audited(
    records: readonly SeenRecord[],
    options: { logStart?: number; highWatermark?: number; sizeBytes?: number; atMs?: number; isSettled?: boolean } = {},
  ): this {
    const { logStart = 0, highWatermark = (records.at(-1)?.[0] ?? -1) + 1, sizeBytes = 1000, atMs = SENT_MS } = options;
    const what = {
      logStart,
      highWatermark,
      records,
      sizeBytes,
      atMs,
      damaged: [],
      isSettled: options.isSettled ?? true,
    };
    return this.add({ kind: 'audit', ...this.span(), ...what });
  }

  committed(offset: number, outcome: 'ok' | 'failed' | 'unknown' = 'ok'): this {
    this.recorder.commit({ client: 'r0', group: 'g', partition: PARTITION, offset })[outcome]();
    return this;
  }

  toldCommitted(offset: number): this {
    return this.add({ kind: 'committed', ...this.span(), client: 'r1', group: 'g', offset });
  }

  assigned(client: string, generation: number, position = 0): this {
    return this.add({ kind: 'assign', at: this.recorder.tick(), client, group: 'g', generation, position });
  }

  lost(offset: number): this {
    return this.add({ kind: 'loss', at: this.recorder.tick(), offset });
  }

  damaged(file = 'x.log'): this {
    return this.add({ kind: 'damage', at: this.recorder.tick(), file });
  }

  deletedBefore(offset: number): this {
    this.recorder.delete({ partition: PARTITION, offset }).ok();
    return this;
  }

  told(earliest: number, latest: number): this {
    return this.add({ kind: 'offsets', ...this.span(), client: 'r0', earliest, latest });
  }

  protested(anomaly: string, sequence?: RefusedSequence): this {
    const what = { client: 'p0', anomaly, message: 'something', ...(sequence === undefined ? {} : { sequence }) };
    return this.add({ kind: 'protest', at: this.recorder.tick(), ...what });
  }

  anomalies(uncommitted?: ReadonlySet<string>): string[] {
    return check(this.recorder, uncommitted).map(({ anomaly }) => anomaly);
  }

  add(event: DistributiveOmit<HistoryEvent, 'partition'>): this {
    this.recorder.add({ ...event, partition: PARTITION } as HistoryEvent);
    return this;
  }

  span(): { start: number; end: number } {
    return { start: this.recorder.tick(), end: this.recorder.tick() };
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

const A: SeenRecord = [0, 'a', null];
const B: SeenRecord = [1, 'b', null];
const C: SeenRecord = [2, 'c', null];

/** Three records that are acknowledged. */
function three(): Story {
  return new Story().sent('a', { offset: 0 }).sent('b', { offset: 1 }).sent('c', { offset: 2 });
}

describe('the checker', () => {
  it('has nothing to say of a history in order', () => {
    const story = three()
      .polled(0, [A, B, C])
      .told(0, 3)
      .assigned('r0', 1)
      .polled(0, [A, B], { group: 'g' })
      .committed(2)
      .toldCommitted(2)
      .audited([A, B, C]);
    expect(story.anomalies()).toEqual([]);
  });

  it('lets what is unknown have happened, or not', () => {
    const written = new Story().sent('a').polled(0, [A]).audited([A]);
    const notWritten = new Story().sent('a').audited([]);
    expect([written.anomalies(), notWritten.anomalies()]).toEqual([[], []]);
  });

  it('finds one offset with two values', () => {
    expect(
      three()
        .polled(0, [[0, 'b', null]])
        .anomalies(),
    ).toContain('inconsistent-offsets');
    expect(new Story().sent('a', { offset: 0 }).sent('b', { offset: 0 }).anomalies()).toContain('inconsistent-offsets');
  });

  it('finds one value at two offsets, unless its producer may write twice', () => {
    const twice: SeenRecord[] = [A, [1, 'a', null]];
    expect(new Story().sent('a', { offset: 0 }).audited(twice).anomalies()).toEqual(['duplicate']);
    expect(new Story().sent('a', { offset: 0, isOnce: false }).audited(twice).anomalies()).toEqual([]);
  });

  it('lets a value be written again that is known to no replica any more, and only then', () => {
    const again = (isReplicated: boolean, logStart: number): string[] =>
      new Story({ isReplicated, retentionMs: 1 })
        .sent('a', { offset: 0 })
        .audited([], { logStart, highWatermark: 1, atMs: SENT_MS + 10 })
        .audited([[1, 'a', null]], { logStart: 1, atMs: SENT_MS + 10 })
        .anomalies();
    expect(again(true, 1)).toEqual([]);
    expect(again(false, 1)).toEqual(['duplicate']);
    expect(again(true, 0)).not.toEqual([]);
  });

  it('lets a value be written again by a replica that began anew behind it, and only then', () => {
    const again = (offset: number): string[] => {
      const story = new Story({ isReplicated: true, retentionMs: 1 }).sent('a', { offset: 0 });
      story.add({ kind: 'renewal', at: story.recorder.tick(), offset });
      return story.polled(1, [[1, 'a', null]]).anomalies();
    };
    expect(again(1)).toEqual([]);
    expect(again(0)).toEqual(['duplicate']);
  });

  it('finds an acknowledged record that is missing, in the middle or at the end', () => {
    expect(three().audited([A, C]).anomalies()).toEqual(['lost-write']);
    expect(three().audited([A, B]).anomalies()).toEqual(['unseen']);
  });

  it('excuses that where a leader was elected that was not in sync, and what nobody wrote not even there', () => {
    const unclean = (story: Story): string[] => {
      story.recorder.unclean.add(PARTITION);
      return story.anomalies();
    };
    expect(unclean(three().audited([A, C]))).toEqual([]);
    expect(unclean(three().audited([A, [1, 'd', null]]))).toEqual(['unwritten-read']);
    const other = three().audited([A, C]);
    other.recorder.unclean.add('u-0');
    expect(other.anomalies()).toEqual(['lost-write']);
  });

  it('finds a record missing that only a reader knew', () => {
    expect(new Story().sent('a').polled(0, [A]).audited([]).anomalies()).toEqual(['unseen']);
  });

  it('asks of a full read only what was known before it began', () => {
    const story = new Story();
    const start = story.recorder.tick();
    story.sent('a', { offset: 0 });
    const end = story.recorder.tick();
    const what = {
      logStart: 0,
      highWatermark: 0,
      records: [],
      sizeBytes: 0,
      atMs: SENT_MS,
      damaged: [],
      isSettled: true,
    };
    story.add({ kind: 'audit', start, end, ...what });
    expect(story.anomalies()).toEqual([]);
  });

  it('finds what was read though its send has failed, and what nobody sent', () => {
    expect(new Story().sent('a', { outcome: 'failed' }).polled(0, [A]).anomalies()).toEqual(['aborted-read']);
    expect(new Story().polled(0, [[0, 'garbled:x', null]]).anomalies()).toEqual(['unwritten-read']);
    expect(
      new Story()
        .sent('a', { offset: 0, key: 'k' })
        .polled(0, [[0, 'a', 'j']])
        .anomalies(),
    ).toEqual([]);
    expect(
      new Story()
        .sent('a', { key: 'k' })
        .polled(0, [[0, 'a', 'j']])
        .anomalies(),
    ).toEqual(['unwritten-read']);
  });

  it('finds readers that skip or go back', () => {
    expect(three().polled(0, [A, C]).anomalies()).toEqual(['poll-skip']);
    expect(three().polled(0, [A], { next: 3 }).anomalies()).toEqual(['poll-skip']);
    expect(three().polled(1, [A]).anomalies()).toContain('nonmonotonic-poll');
    expect(three().polled(0, [B, A]).anomalies()).toContain('nonmonotonic-poll');
  });

  it('finds what stands in another order than it was sent in', () => {
    expect(new Story().sent('b', { offset: 1 }).sent('a', { offset: 0 }).anomalies()).toEqual(['nonmonotonic-send']);
  });

  it('finds committed offsets that are lost, go back, or come from nowhere', () => {
    const read = (): Story => three().polled(0, [A, B, C], { group: 'g' });
    expect(read().committed(2).toldCommitted(-1).anomalies()).toEqual(['lost-commit']);
    expect(read().committed(1).committed(2).toldCommitted(1).anomalies()).toEqual(['lost-commit']);
    expect(read().committed(2).toldCommitted(3).anomalies()).toEqual(['lost-commit']);
    expect(read().committed(1).committed(2, 'failed').toldCommitted(2).anomalies()).toEqual(['lost-commit']);
    expect(read().committed(1).committed(2, 'unknown').toldCommitted(2).anomalies()).toEqual([]);
    expect(read().committed(2, 'unknown').committed(1).toldCommitted(2).anomalies()).toEqual([]);
  });

  it('finds a commit of what the group has not read', () => {
    expect(three().polled(0, [A], { group: 'g' }).committed(2).anomalies()).toEqual(['committed-unread']);
    expect(three().polled(1, [B, C], { group: 'g' }).committed(3).anomalies()).toEqual(['committed-unread']);
    expect(three().polled(1, [B], { group: 'g' }).polled(0, [A], { group: 'g' }).committed(2).anomalies()).toEqual([]);
  });

  it('finds a partition with two owners in one generation', () => {
    expect(three().assigned('r0', 1).assigned('r1', 2).anomalies()).toEqual([]);
    expect(three().assigned('r0', 1).assigned('r1', 1).anomalies()).toEqual(['double-assignment']);
  });

  it('finds ends that are told wrong', () => {
    expect(three().told(0, 2).anomalies()).toEqual(['wrong-offsets']);
    expect(three().told(1, 3).anomalies()).toEqual(['wrong-offsets']);
  });

  it('excuses what deletion, retention and compaction take away, and no more', () => {
    expect(three().deletedBefore(1).audited([B, C], { logStart: 1 }).anomalies()).toEqual([]);
    expect(three().audited([B, C], { logStart: 1 }).anomalies()).toEqual(['lost-write', 'over-deleted']);
    const kept = (retentionBytes: number): Story =>
      new Story({ retentionBytes })
        .sent('a', { offset: 0 })
        .sent('b', { offset: 1 })
        .audited([B], { logStart: 1, sizeBytes: 500 });
    expect(kept(400).anomalies()).toEqual([]);
    expect(kept(600).anomalies()).toEqual(['over-deleted']);
    const aged = (atMs: number): Story =>
      new Story({ retentionMs: 100 })
        .sent('a', { offset: 0 })
        .sent('b', { offset: 1 })
        .audited([B], { logStart: 1, atMs: SENT_MS + atMs });
    expect(aged(101).anomalies()).toEqual([]);
    expect(aged(100).anomalies()).toEqual(['lost-write']);
    const compacted = (): Story =>
      new Story({ isCompacted: true }).sent('a', { offset: 0, key: 'k' }).sent('b', { offset: 1, key: 'k' });
    expect(
      compacted()
        .audited([[1, 'b', 'k']])
        .anomalies(),
    ).toEqual([]);
    expect(
      compacted()
        .audited([[0, 'a', 'k']])
        .anomalies(),
    ).toEqual(['unseen']);
  });

  it('excuses a loss that was reported after damage, and no other', () => {
    const reported = three()
      .damaged()
      .lost(1)
      .sent('d', { offset: 1 })
      .audited([A, [1, 'd', null]]);
    expect(reported.anomalies()).toEqual([]);
    const more = three().damaged().lost(2).audited([A], { highWatermark: 1 });
    expect(more.anomalies()).toEqual(['unseen']);
    expect(three().damaged().audited([A, B]).anomalies()).toEqual(['unseen']);
  });

  it('lets compaction take a record for a later one that nobody saw before a reported loss took it', () => {
    const story = (): Story => new Story({ isCompacted: true }).sent('a', { offset: 0, key: 'k' });
    const OTHER: SeenRecord = [1, 'x', 'other'];
    const end = (it: Story): Story => it.sent('x', { offset: 1, key: 'other' }).damaged().lost(2).audited([OTHER]);
    expect(end(story().sent('b', { key: 'k' })).anomalies()).toEqual([]);
    expect(end(story().sent('b', { key: 'l' })).anomalies()).toEqual(['lost-write']);
    expect(end(story().sent('b', { key: 'k', outcome: 'failed' })).anomalies()).toEqual(['lost-write']);
    const unlost = story().sent('b', { key: 'k' }).sent('x', { offset: 1, key: 'other' }).audited([OTHER]);
    expect(unlost.anomalies()).toEqual(['lost-write']);
  });

  it('lets compaction, and nothing else, take a record whose transaction may have been aborted', () => {
    const story = (isCompacted: boolean): Story =>
      new Story({ isCompacted }).sent('a', { offset: 0, key: 'a' }).sent('b', { offset: 1, key: 'b' });
    const end = (it: Story): Story => it.audited([[1, 'b', 'b']]);
    expect(end(story(true)).anomalies(new Set(['a']))).toEqual([]);
    expect(end(story(true)).anomalies(new Set(['b']))).toEqual(['lost-write']);
    expect(end(story(false)).anomalies(new Set(['a']))).toEqual(['lost-write']);
  });

  it('finds refusals without a reason', () => {
    expect(three().skipped(0, 'damaged', 1).anomalies()).toEqual(['false-damage']);
    expect(three().damaged().skipped(0, 'damaged', 1).anomalies()).toEqual([]);
    expect(three().damaged('x.index').skipped(0, 'damaged', 1).anomalies()).toEqual(['false-damage']);
    expect(three().skipped(0, 'out of range', 0).anomalies()).toEqual(['out-of-range']);
    expect(three().deletedBefore(1).skipped(0, 'out of range', 0).anomalies()).toEqual([]);
  });

  it('passes on what clients protest against, but for sequences that a reported loss has taken', () => {
    for (const anomaly of ['sequence-lost', 'out-of-sequence', 'served-damaged', 'unavailable']) {
      expect(three().protested(anomaly).anomalies()).toEqual([anomaly]);
    }
    expect(three().damaged().lost(2).protested('sequence-lost').anomalies()).toEqual([]);
    expect(three().protested('sequence-lost').damaged().lost(2).anomalies()).toEqual(['sequence-lost']);
    expect(three().damaged().lost(2).protested('out-of-sequence').anomalies()).toEqual([]);
    expect(three().protested('out-of-sequence').damaged().lost(2).anomalies()).toEqual(['out-of-sequence']);
  });

  it('excuses a sequence that the broker does not know when the batch itself may be gone, and only then', () => {
    const refused = { values: ['d'], acknowledgedTo: 1 };
    const lost = (story: Story): Story => story.protested('sequence-lost', refused);
    const D: SeenRecord = [3, 'd', null];
    expect(lost(three().sent('d')).anomalies()).toEqual(['sequence-lost']);
    const deleted = (): Story => lost(three().sent('d').deletedBefore(2));
    expect(deleted().anomalies()).toEqual([]);
    expect(deleted().audited([], { logStart: 2, highWatermark: 4 }).anomalies()).not.toContain('sequence-lost');
    expect(deleted().audited([B, C], { logStart: 1 }).anomalies()).toContain('sequence-lost');
    expect(deleted().audited([D], { logStart: 3 }).anomalies()).toContain('sequence-lost');
    const compacted = (): Story => lost(new Story({ isCompacted: true }).sent('d', { key: 'k' }));
    expect(compacted().anomalies()).toEqual([]);
    expect(
      compacted()
        .audited([[3, 'd', 'k']])
        .anomalies(),
    ).toContain('sequence-lost');
  });
});
