import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  KEPT_CHARS,
  PART_CHARS_MAX,
  PIECE_CHARS_MAX,
  partsOf,
  piecesOf,
} from '../../apps/console/page/src/lib/pieces.ts';

describe('the pieces in which a long text may be broken', () => {
  it('are together the text, and none is wider than a page', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 90 }), (text) => {
        const pieces = piecesOf(text);
        expect(pieces.join('')).toBe(text);
        for (const piece of pieces) expect([...piece].length).toBeLessThanOrEqual(PIECE_CHARS_MAX);
      }),
    );
  });

  it('end behind what divides a name, so that no word is cut', () => {
    expect(piecesOf('leader.replication.throttled.replicas')).toEqual([
      'leader.',
      'replication.',
      'throttled.',
      'replicas',
    ]);
    expect(piecesOf('millrace-0.millrace.svc:9092')).toEqual(['millrace-', '0.', 'millrace.', 'svc:', '9092']);
  });

  it('are one where the text is short: a number or an address stays whole', () => {
    for (const text of ['9223372036854775807', '127.0.0.1:42159', 'delete,compact'])
      expect(piecesOf(text)).toEqual([text]);
    expect(KEPT_CHARS).toBeGreaterThanOrEqual('255.255.255.255:65535'.length);
  });
});

describe('the parts in which a long text is laid out', () => {
  it('are together the text, none is too long, and none ends within a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), fc.nat(5), (some, times) => {
        const text = some.repeat(Math.ceil((PART_CHARS_MAX * times) / some.length) + 1);
        const parts = partsOf(text);
        expect(parts.join('') === text).toBe(true);
        for (const part of parts) expect(part.length).toBeLessThanOrEqual(PART_CHARS_MAX);
        for (const part of parts) expect(part.isWellFormed()).toBe(text.isWellFormed());
      }),
    );
  });

  it('end with a line where there is one, or else behind a space', () => {
    const line = `${'x'.repeat(99)}\n`;
    expect(partsOf(line.repeat(400)).every((part) => part.endsWith('\n') || part === '')).toBe(true);
    const words = partsOf('some words '.repeat(4000));
    expect(words.length).toBeGreaterThan(1);
    expect(words.every((part) => part.endsWith(' '))).toBe(true);
    expect(partsOf('short')).toEqual(['short']);
  });
});
