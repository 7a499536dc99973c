import { describe, expect, it } from 'vitest';
import { LeaderEpochs } from './leader-epochs.ts';

function epochs(): LeaderEpochs {
  const result = new LeaderEpochs();
  result.assign(1, 0);
  result.assign(1, 5);
  result.assign(3, 10);
  result.assign(2, 15);
  result.assign(5, 20);
  return result;
}

describe('LeaderEpochs', () => {
  it('answers with the largest epoch that is not above the one asked for, and where it ended', () => {
    const known = epochs();
    const ask = (epoch: number): [number, number] => {
      const { leaderEpoch, endOffset } = known.endOffsetFor(epoch, 30);
      return [leaderEpoch, endOffset];
    };
    expect(ask(0)).toEqual([0, 0]);
    expect(ask(1)).toEqual([1, 10]);
    expect(ask(2)).toEqual([1, 10]);
    expect(ask(4)).toEqual([3, 20]);
    expect(ask(5)).toEqual([5, 30]);
    expect(ask(6)).toEqual([-1, -1]);
    expect(ask(-1)).toEqual([-1, -1]);
    expect(new LeaderEpochs().endOffsetFor(0, 9)).toEqual({ leaderEpoch: -1, endOffset: -1 });
  });

  it('forgets an epoch without records when the next begins', () => {
    const known = epochs();
    known.assign(6, 30);
    known.assign(7, 30);
    expect(known.starts.at(-1)).toEqual({ epoch: 7, startOffset: 30 });
    expect(known.starts.map(({ epoch }) => epoch)).toEqual([1, 3, 5, 7]);
  });

  it('is cut at both ends with the log', () => {
    const known = epochs();
    known.truncateFromEnd(20);
    expect(known.latest).toBe(3);
    known.truncateFromStart(4);
    expect(known.starts).toEqual([
      { epoch: 1, startOffset: 4 },
      { epoch: 3, startOffset: 10 },
    ]);
    known.truncateFromStart(10);
    known.truncateFromStart(12);
    expect(known.starts).toEqual([{ epoch: 3, startOffset: 12 }]);
    expect(known.epochAt(11)).toBe(-1);
    expect(known.epochAt(12)).toBe(3);
  });

  it('keeps the epoch of a leader whose own records are cut, and not that of one that follows', () => {
    const known = epochs();
    known.lead(7, 40);
    known.truncateFromEnd(40);
    expect(known.latest).toBe(5);
    known.leadOn(40);
    expect(known.starts.at(-1)).toEqual({ epoch: 7, startOffset: 40 });

    known.follow();
    known.truncateFromEnd(40);
    known.leadOn(40);
    expect(known.latest).toBe(5);

    known.lead(8, 40);
    known.assign(9, 41);
    known.truncateFromEnd(40);
    known.leadOn(40);
    expect(known.latest).toBe(5);
  });

  it('does not believe one batch of a scan against the batches around it, and no leader above itself', () => {
    const known = new LeaderEpochs();
    for (const [offset, epoch] of [1, 1, 9, 1, 0, 2, 2].entries()) known.scanned(epoch, offset);
    known.scanned(3, 7);
    expect(known.latest).toBe(2);
    known.scanEnded();
    expect(known.starts.map(({ epoch, startOffset }) => [epoch, startOffset])).toEqual([
      [1, 0],
      [2, 5],
      [3, 7],
    ]);
    known.lead(2, 8);
    expect(known.latest).toBe(2);
    known.lead(4, 8);
    expect(known.starts.at(-1)).toEqual({ epoch: 4, startOffset: 8 });
  });

  it('has something to store only when it changed, and no epochs without records', () => {
    const known = epochs();
    const starts = known.unstored(20)!;
    expect(starts.map(({ epoch }) => epoch)).toEqual([1, 3]);
    known.stored(starts);
    expect(known.unstored(20)).toBeUndefined();
    expect(known.unstored(21)?.map(({ epoch }) => epoch)).toEqual([1, 3, 5]);
  });
});
