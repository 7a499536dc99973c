import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEPT_CHARS, PIECE_CHARS_MAX, piecesOf } from '../../apps/console/page/src/lib/pieces.ts';

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
