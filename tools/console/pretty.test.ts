import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PRETTY_CHARS_MAX, prettyJson } from '../../apps/console/page/src/lib/pretty.ts';

describe('JSON that is opened', () => {
  it('has a line for each value, as JSON.stringify makes it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(prettyJson(text)).toBe(JSON.stringify(JSON.parse(text), null, 2));
      }),
    );
  });

  it('keeps numbers that no computer counts to, and what is written twice', () => {
    expect(prettyJson('{"a":12345678901234567890,"a":1.0e5, "b":"x,\\":{"}')).toBe(
      '{\n  "a": 12345678901234567890,\n  "a": 1.0e5,\n  "b": "x,\\":{"\n}',
    );
  });

  it.each(['[', '{"a":'])('grows by no more than a page where it is deep: %s', (opening) => {
    const depth = 6000;
    const text = opening.repeat(depth) + (opening === '[' ? '' : '1') + (opening === '[' ? ']' : '}').repeat(depth);
    const shown = prettyJson(text) ?? '';
    expect(shown.length).toBeLessThan(text.length * 1.2 + 5000);
    expect(shown.replaceAll(/\s/g, '')).toBe(text);
  });

  it('stays as it is where that would be too long, and where it is none', () => {
    expect(prettyJson(`${'['.repeat(20)}${'1,'.repeat(PRETTY_CHARS_MAX / 20)}1${']'.repeat(20)}`)).toBeUndefined();
    expect(prettyJson('{"a"')).toBeUndefined();
  });
});
