import { field, message } from '../dsl.ts';

export const offsetCommitKey = message('OffsetCommitKey', {
  about: 'TODO.',
  versions: '0-1',
  flexible: 'none',
  body: [field('group', 'string', '0-1'), field('topic', 'string', '0-1'), field('partition', 'int32', '0-1')],
});

export const offsetCommitValue = message('OffsetCommitValue', {
  about: 'TODO.',
  versions: '0-4',
  flexible: '4+',
  body: [
    field('offset', 'int64', '0+'),
    field('leaderEpoch', 'int32', '3+', { default: -1, ignorable: true }),
    field('metadata', 'string', '0+'),
    field('commitTimestamp', 'int64', '0+'),
    field('expireTimestamp', 'int64', '1', { default: -1, ignorable: true }),
  ],
});
