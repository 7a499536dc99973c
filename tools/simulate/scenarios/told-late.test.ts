import { ErrorCode } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { markLate, toldLate } from './told-late.ts';

/** What has a client ask again, or look for another broker. */
const AGAIN: readonly number[] = [
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
];

describe('a broker that leads and coordinates before it has been told of a topic', () => {
  it.each([1, 2, 3])('takes commits for it, and tells nobody that it cannot be (seed %i)', async (seed) => {
    const { metadata, commits, problems } = await toldLate('topic', seed);
    // That it is to be asked again, and not that the topic was to be made and could not.
    expect(metadata).toEqual({ errorCode: ErrorCode.LEADER_NOT_AVAILABLE, partitions: 0 });
    expect(commits.filter((errorCode) => !AGAIN.includes(errorCode) && errorCode !== ErrorCode.NONE)).toEqual([]);
    expect(commits).toContain(ErrorCode.NONE);
    expect(problems).toEqual([]);
  });

  it.each([1, 2, 3])(
    'does not make it anew for want of brokers that it has not been told of either (seed %i)',
    async (seed) => {
      const { metadata, problems } = await toldLate('everything', seed);
      expect(metadata).toEqual({ errorCode: ErrorCode.LEADER_NOT_AVAILABLE, partitions: 0 });
      expect(problems).toEqual([]);
    },
  );

  it.each([1, 2, 3])('leaves no transaction open in it whose markers it is to write (seed %i)', async (seed) => {
    const { coordinated, problems } = await markLate(seed);
    expect(coordinated).toBeGreaterThan(0);
    expect(problems).toEqual([]);
  });
});
