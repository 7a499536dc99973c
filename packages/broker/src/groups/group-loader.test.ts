import { buildEndTxnMarker, ControlRecordType, RecordBatchBuilder, setBatchBaseOffset } from '@millrace/records';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../shared/logger.ts';
import { Group } from './group.ts';
import { GroupLoader } from './group-loader.ts';
import { groupRecord, offsetRecord, offsetTombstone } from './state-records.ts';

const PRODUCERS = [7, 8];
const PARTITIONS = 2;

/** What stands in the log: a commit or tombstone, of a transaction or not, or the end of one. */
type Step =
  | { readonly kind: 'commit'; readonly key: number; readonly offset: number; readonly producerId?: number }
  | { readonly kind: 'tombstone'; readonly key: number; readonly producerId?: number }
  | { readonly kind: 'end'; readonly producerId: number; readonly isCommit: boolean };

const key = fc.nat({ max: 5 });
const producerId = fc.constantFrom(...PRODUCERS);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('commit' as const), key, offset: fc.nat(1000) }),
  fc.record({ kind: fc.constant('commit' as const), key, offset: fc.nat(1000), producerId }),
  fc.record({ kind: fc.constant('tombstone' as const), key }),
  fc.record({ kind: fc.constant('end' as const), producerId, isCommit: fc.boolean() }),
);

const groupOf = (of: number): string => `group-${Math.floor(of / PARTITIONS)}`;
const placeOf = (of: number) => ({ topic: 'orders', partition: of % PARTITIONS });

function batchOf(given: Step, baseOffset: number): Buffer {
  const batch = given.kind === 'end' ? markerOf(given) : recordsOf(given);
  setBatchBaseOffset(batch, 0, baseOffset);
  return batch;
}

function markerOf({ producerId: of, isCommit }: Step & { kind: 'end' }): Buffer {
  const type = isCommit ? ControlRecordType.COMMIT : ControlRecordType.ABORT;
  return buildEndTxnMarker({ type, coordinatorEpoch: 0, producerId: of, producerEpoch: 0, timestampMs: 1 });
}

function recordsOf(given: Step & { kind: 'commit' | 'tombstone' }): Buffer {
  const at = placeOf(given.key);
  const group = groupOf(given.key);
  const rest = { leaderEpoch: 1, metadata: '', commitTimestampMs: 1, expireTimestampMs: -1 };
  const record =
    given.kind === 'commit'
      ? offsetRecord(group, { ...at, ...rest, offset: given.offset })
      : offsetTombstone(group, at);
  const builder = new RecordBatchBuilder();
  builder.append(1, record.key, record.value);
  if (given.producerId === undefined) return builder.build();
  return builder.build({ producerId: given.producerId, producerEpoch: 0, isTransactional: true });
}

/** What is committed in the end, said as plainly as can be. */
function committedBy(steps: readonly Step[]): Map<number, number> {
  const committed = new Map<number, { readonly offset: number; readonly at: number }>();
  const open = new Map<number, Map<number, { readonly offset: number; readonly at: number }>>(
    PRODUCERS.map((id) => [id, new Map()]),
  );
  for (const [at, now] of steps.entries()) {
    if (now.kind === 'end') {
      const ended = open.get(now.producerId)!;
      for (const [of, logged] of ended) {
        if (now.isCommit && (committed.get(of)?.at ?? -1) < logged.at) committed.set(of, logged);
      }
      ended.clear();
    } else if (now.kind === 'commit') {
      const target = now.producerId === undefined ? committed : open.get(now.producerId)!;
      target.set(now.key, { offset: now.offset, at });
    } else {
      committed.delete(now.key);
      for (const offsets of open.values()) offsets.delete(now.key);
    }
  }
  return new Map([...committed].map(([of, { offset }]) => [of, offset]));
}

function load(batches: readonly Buffer[], batchesAtOnce: number): GroupLoader {
  const loader = new GroupLoader(() => 0, silentLogger);
  for (let from = 0; from < batches.length; from += batchesAtOnce) {
    const run = Buffer.concat(batches.slice(from, from + batchesAtOnce));
    loader.addBatches(run);
    // Nothing of it may be kept.
    run.fill(0xee);
  }
  return loader;
}

describe('the reading of __consumer_offsets', () => {
  it('gives what was last committed, however the log is cut into runs', () => {
    const steps = fc.array(step, { maxLength: 40 });
    const check = (log: Step[], batchesAtOnce: number) => {
      const loader = load(log.map(batchOf), batchesAtOnce);
      const groups = loader.finish();
      const found = new Map<number, number>();
      for (let of = 0; of <= 5; of += 1) {
        const { topic, partition } = placeOf(of);
        const offset = groups.get(groupOf(of))?.offsets.get(topic, partition)?.offset;
        if (offset !== undefined) found.set(of, offset);
      }
      const expected = committedBy(log);
      expect([...found]).toEqual([...expected].toSorted(([one], [other]) => one - other));
      expect(loader.recordCount).toBe(log.filter(({ kind }) => kind !== 'end').length);
    };
    fc.assert(fc.property(steps, fc.integer({ min: 1, max: 9 }), check), { numRuns: 300 });
  });

  it('passes over a record that cannot be read, and takes the others of its batch', () => {
    const rest = { leaderEpoch: 1, metadata: '', commitTimestampMs: 1, expireTimestampMs: -1 };
    const builder = new RecordBatchBuilder();
    for (const [partition, cut] of [0, 9, 0].entries()) {
      const { key: of, value } = offsetRecord('g', { topic: 'orders', partition, offset: 5, ...rest });
      builder.append(1, of, value!.subarray(0, value!.length - cut));
    }
    const newer = Buffer.from([0, 99, 1, 2, 3]);
    builder.append(1, newer, newer);
    const groups = load([builder.build()], 1).finish();
    expect([0, 1, 2].map((partition) => groups.get('g')?.offsets.get('orders', partition)?.offset)).toEqual([
      5,
      undefined,
      5,
    ]);
  });

  it('does not take a failure of its own for a group that cannot be read, which would begin anew with its first generation', () => {
    const { key: of, value } = groupRecord(new Group('g', () => 1), new Map());
    const builder = new RecordBatchBuilder();
    builder.append(1, of, value);
    const batch = builder.build();
    const clock = (): number => {
      throw new Error('no clock');
    };
    const loader = new GroupLoader(clock, silentLogger);
    loader.addBatches(batch);
    expect(() => loader.finish()).toThrow('no clock');
    expect(load([batch], 1).finish().get('g')).toBeDefined();
  });
});
