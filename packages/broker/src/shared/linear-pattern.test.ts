import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinearPattern, PatternError } from './linear-pattern.ts';

describe('a pattern that is matched in linear time', () => {
  const piece = fc.oneof(
    fc.constantFrom('a', 'b', '-', '.', '\\d', '\\w', '[ab]', '[^a]', '[a-c1-3]', '\\.', '^', '$', '\\b', '\\x61'),
    fc.constantFrom('(?:a|b)', '(a|)', '(?:ab|a)', '(b1)'),
  );
  const repeated = fc.tuple(piece, fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,2}', '{0,}', '*?', '+?'));
  const pattern = fc
    .array(
      repeated.map(([part, counts]) => (/^(\^|\$|\\b)$/.test(part) ? part : part + counts)),
      { maxLength: 6 },
    )
    .map((parts) => parts.join(''));
  const patterns = fc.oneof(
    pattern,
    fc.tuple(pattern, pattern).map(([a, b]) => `${a}|${b}`),
    pattern.map((inner) => `(${inner})*x`),
  );

  it('matches what JavaScript matches as a whole', () => {
    fc.assert(
      fc.property(
        patterns,
        fc.string({ unit: fc.constantFrom('a', 'b', '-', '1', '.', 'x', '\n'), maxLength: 7 }),
        (source, text) => {
          const isMatch = new RegExp(`^(?:${source})$`, 'u').test(text);
          expect(new LinearPattern(source).matches(text), `${source} of ${JSON.stringify(text)}`).toBe(isMatch);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('takes characters of all planes for one, and what is quoted as it is', () => {
    expect(new LinearPattern('😀.').matches('😀😁')).toBe(true);
    expect(new LinearPattern('\\Qa.b*\\E+').matches('a.b***')).toBe(true);
    expect(new LinearPattern('\\Qa.b*\\E+').matches('a.ba.b*')).toBe(false);
    expect(new LinearPattern('\\\\Qa').matches('\\Qa')).toBe(true);
    expect(new LinearPattern('(?<n>a)(?P<m>b)').matches('ab')).toBe(true);
    expect(new LinearPattern('\\Qa.b*\\E').matches('a.b*')).toBe(true);
    expect(new LinearPattern('[\\]\\-]+').matches(']-')).toBe(true);
    expect(new LinearPattern('[]a]+').matches('a]')).toBe(true);
  });

  it('is through in good time with what others never end with', () => {
    const text = 'a'.repeat(2000);
    expect(new LinearPattern('(a*)*b').matches(text)).toBe(false);
    expect(new LinearPattern('(a|aa)+$').matches(text)).toBe(true);
  });

  it.each([
    '(',
    ')',
    '[',
    '[b-a]',
    '*a',
    'a**',
    'a{2}{3}',
    'a{1001}',
    'a{3,2}',
    '(?=a)',
    '(?i)a',
    '\\1',
    '\\p{L}',
    '\\',
    '[\\',
    '(((a{100}){100}){100})',
    '('.repeat(100),
  ])('is refused where it is none, or too large: %s', (source) => {
    expect(() => new LinearPattern(source)).toThrow(PatternError);
  });
});
