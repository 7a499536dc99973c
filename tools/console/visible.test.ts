import { describe, expect, it } from 'vitest';
import { NAME_SHOWN_CHARS, shownName, visible } from '../../apps/console/page/src/lib/visible.ts';

describe('text that is shown', () => {
  it.each([
    ['a\u{202E}b', 'a‹U+202E›b'],
    ['\u{2066}x\u{2069}', '‹U+2066›x‹U+2069›'],
    ['pay\u{200B}pal', 'pay‹U+200B›pal'],
    ['\u{FEFF}a\u{AD}b\u{3164}', '‹U+FEFF›a‹U+00AD›b‹U+3164›'],
    ['\u{1B}[31m\u{7F}\u{85}', '‹U+001B›[31m‹U+007F›‹U+0085›'],
    ['a\u{2028}b', 'a‹U+2028›b'],
    ['ad\u{200D}min', 'ad‹U+200D›min'],
  ])('says what nobody would see in it: %j', (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  it.each(['a\tb\r\nc', '👩‍👩‍👧', '👩🏽‍🚀', '❤️', 'می‌خواهم', 'क्‍ष', '한국어 שלום', ''])(
    'stays as people write it: %j',
    (text) => {
      expect(visible(text)).toBe(text);
    },
  );
});

describe('a name that is shown', () => {
  it('is seen where it is nothing, or begins or ends with nothing', () => {
    expect([shownName(''), shownName('  '), shownName('a '), shownName('a b')]).toEqual(['""', '"  "', '"a "', 'a b']);
  });

  it('is cut where it is very long, and never within a character', () => {
    expect(shownName('x'.repeat(5000))).toBe(`${'x'.repeat(NAME_SHOWN_CHARS)}…`);
    expect(shownName(`${'x'.repeat(NAME_SHOWN_CHARS - 1)}🎂🎂`)).toBe(`${'x'.repeat(NAME_SHOWN_CHARS - 1)}…`);
  });
});
