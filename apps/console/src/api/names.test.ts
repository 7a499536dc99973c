import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameOf, pathPart } from './names.ts';

const odd = fc.constantFrom('', '.', '..', '~', '~..', ' ', '%2e', 'a/b', '?', '#');

describe('a name in an address', () => {
  it('is one part of it, whatever the name is, and the same name again when it is read', () => {
    fc.assert(
      fc.property(fc.oneof(odd, fc.string({ unit: 'grapheme' })), (name) => {
        const { pathname } = new URL(`http://localhost/groups/${pathPart(name)}/history`);
        const parts = pathname.split('/');
        expect(parts).toHaveLength(4);
        expect(nameOf(decodeURIComponent(parts[2] ?? ''))).toBe(name);
      }),
    );
  });
});
