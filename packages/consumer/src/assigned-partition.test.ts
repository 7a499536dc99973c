import { ManualClock, seededRandom } from '@millrace/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssignedPartition } from './assigned-partition.ts';
import type { FetchedChunk } from './fetch/fetched-chunk.ts';

/** As much of a chunk as the state looks at: that it ends at an offset. */
const chunkTo = (nextOffset: number): FetchedChunk =>
  ({ nextOffset, lastEpoch: 0, sizeBytes: 10, release() {} }) as unknown as FetchedChunk;

function reading(offset: number): AssignedPartition {
  const state = new AssignedPartition('t', 0);
  state.moveTo(offset, -1);
  return state;
}

describe('a partition', () => {
  it('refuses to count as handed out what was not fetched, and as processed what was not handed out', () => {
    const state = reading(5);
    expect(() => state.handedOut(6)).toThrow('processedOffset <= position <= fetchOffset');
    const other = reading(5);
    other.fetched(chunkTo(10));
    other.handedOut(7);
    expect(() => other.processedUpTo(8, 0)).toThrow('processedOffset <= position <= fetchOffset');
  });

  it('has one reader and one fetch at a time', () => {
    const state = reading(0);
    const reader = { cancel() {} };
    state.leaseTo(reader);
    expect(() => state.leaseTo({ cancel() {} })).toThrow('a partition has one reader');
    state.leaseEnded(reader);
    state.leaseTo({ cancel() {} });
    const version = state.fetchBegins();
    expect(() => state.fetchBegins()).toThrow('fetched once at a time');
    state.fetchEnded(version);
    state.fetchBegins();
  });

  it('may be fetched anew at once when it is sought while a fetch is under way, whose end then means nothing', () => {
    const state = reading(0);
    const before = state.fetchBegins();
    state.moveTo(7, -1);
    state.fetchBegins();
    state.fetchEnded(before);
    expect(state.isBeingFetched).toBe(true);
  });

  it('forgets what was committed when its topic was made anew', () => {
    const state = new AssignedPartition('t', 0);
    state.foundCommitted(9, 1);
    expect([state.adoptTopic('a'), state.adoptTopic('a'), state.committedOffset]).toEqual([false, false, 9]);
    expect([state.adoptTopic('b'), state.adoptTopic('b'), state.committedOffset]).toEqual([true, false, -1]);
  });

  it('waits twice as long after each failure in a row, up to the bound, and as little as at first after a success', () => {
    const clock = new ManualClock();
    const settings = { retryBackoffMs: 100, retryBackoffMsMax: 1_000 };
    const context = { clock, random: seededRandom(1), settings };
    const state = reading(0);
    const waits = Array.from({ length: 6 }, () => state.retryLater(context));
    for (const [at, waitMs] of waits.entries()) {
      const exact = Math.min(100 * 2 ** at, 1_000);
      expect(waitMs).toBeGreaterThanOrEqual(exact * 0.8);
      expect(waitMs).toBeLessThanOrEqual(exact * 1.2);
    }
    state.succeeded();
    expect(state.retryLater(context)).toBeLessThanOrEqual(120);
  });

  it('keeps its offsets in order and hands out every offset once, whatever is done in whatever order', () => {
    const step = fc.record({
      what: fc.constantFrom('fetch', 'hand out', 'process', 'drop chunk', 'again', 'seek', 'look up', 'fail'),
      by: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const state = reading(0);
        for (const { what, by } of steps) {
          if (what === 'seek') state.moveTo(by, -1);
          else if (what === 'look up') state.find({ from: 'end' });
          else if (what === 'fail') state.fail(new Error('no'));
          else if (state.position < 0) continue;
          else if (what === 'fetch') state.fetched(chunkTo(state.fetchOffset + by));
          else if (what === 'hand out') state.handedOut(Math.min(state.position + by, state.fetchOffset));
          else if (what === 'process') state.processedUpTo(Math.min(state.processedOffset + by, state.position), 0);
          else if (what === 'drop chunk' && (state.firstChunk?.nextOffset ?? -1) >= state.position) state.dropChunk();
          else if (what === 'again') {
            const { processedOffset, status } = state;
            state.handOutAgain();
            if (status !== 'failed') expect(state.position).toBe(processedOffset);
          }
          expect(state.processedOffset).toBeLessThanOrEqual(state.position);
          expect(state.position).toBeLessThanOrEqual(state.fetchOffset);
          expect(state.hasRecords).toBe(state.bufferedBytes > 0);
        }
      }),
    );
  });
});
