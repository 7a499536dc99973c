import { describe, expect, it } from 'vitest';
import { ApiError } from '../../apps/console/page/src/lib/api-error.ts';
import { failureIn } from '../../apps/console/page/src/lib/failures.ts';
import { isSaid, REFUSALS, refusalIn } from '../../apps/console/src/api/refusals.ts';

const HANGUL = /[가-힣]/;
const valuesOf = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');

describe('what is said no to', () => {
  it.each(Object.entries(REFUSALS))(
    '%s is said in both languages, with no value that only one knows',
    (_, { en, ko }) => {
      expect(ko).toMatch(HANGUL);
      expect(en).not.toMatch(HANGUL);
      expect(valuesOf(en)).toEqual(expect.arrayContaining(valuesOf(ko)));
    },
  );

  it('has values put in as they are', () => {
    const said = { word: 'noGroup', values: { group: '{cluster}', cluster: '$&' } } as const;
    expect(refusalIn('en', said)).toBe('There is no group {cluster} in $&: it may have been deleted');
  });

  it('by a server of another version is told in its own words', () => {
    expect(isSaid({ word: 'toString' as 'noGroup', values: {} })).toBe(false);
  });
});

describe('a failure', () => {
  it.each([
    'KAFKA_TOPIC_ALREADY_EXISTS',
    'KAFKA_GROUP_AUTHORIZATION_FAILED',
    'CLIENT_TIMED_OUT',
    'KAFKA_ANYTHING',
    'ELSE',
  ])('of the cluster is told in Korean, with the words of whoever said so: %s', (code) => {
    const error = new ApiError({ code, message: 'Create topic a: it is there' }, 400);
    expect(failureIn('ko', error)).toMatchObject({ text: expect.stringMatching(HANGUL), original: error.message });
    expect(failureIn('en', error)).toEqual({ text: error.message });
  });
});
