/**
 * Committed offsets as `__consumer_offsets` keeps them. The int16 in front of a record's key tells what it is: 0 and 1
 * mean an offset, 2 a classic group, 3 to 8 a group of the new protocol. A null value deletes.
 */
import { field, message } from '../dsl.ts';

export const offsetCommitKey = message('OffsetCommitKey', {
  about: 'The key of a committed offset.',
  versions: '0-1',
  flexible: 'none',
  body: [field('group', 'string', '0-1'), field('topic', 'string', '0-1'), field('partition', 'int32', '0-1')],
});

export const offsetCommitValue = message('OffsetCommitValue', {
  about: 'The value of a committed offset.',
  versions: '0-4',
  flexible: '4+',
  body: [
    field('offset', 'int64', '0+'),
    field('leaderEpoch', 'int32', '3+', { default: -1, ignorable: true }),
    field('metadata', 'string', '0+'),
    field('commitTimestamp', 'int64', '0+'),
    field('expireTimestamp', 'int64', '1', {
      default: -1,
      ignorable: true,
      about: "Version 1 only; -1 for the broker's setting.",
    }),
  ],
});
