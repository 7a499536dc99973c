import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fits, isAllowed, type Rights } from './roles.ts';

describe('a pattern of names', () => {
  it('fits as an expression of the same meaning does', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', '-', '*'), maxLength: 8 });
    fc.assert(
      fc.property(few, fc.string({ unit: fc.constantFrom('a', 'b', '-'), maxLength: 10 }), (pattern, name) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
        expect(fits(pattern, name)).toBe(expression.test(name));
      }),
    );
  });

  it('takes nothing but the asterisk for more than itself', () => {
    expect(fits('a.b', 'axb')).toBe(false);
    expect(fits('a?', 'ab')).toBe(false);
    expect(fits('*', '')).toBe(true);
  });

  it('that would take an expression years is looked for at once', () => {
    expect(fits(`${'*a'.repeat(100)}*b`, 'a'.repeat(249))).toBe(false);
  });
});

describe('rights', () => {
  const clerk: Rights = {
    role: null,
    grants: [
      { role: 'editor', on: 'topic', pattern: 'orders-*' },
      { role: 'viewer', on: 'group', pattern: 'billing' },
    ],
  };

  it('hold for what the grants name, and for nothing beside it', () => {
    expect(isAllowed(clerk, 'editor', { on: 'topic', name: 'orders-eu' })).toBe(true);
    expect(isAllowed(clerk, 'viewer', { on: 'topic', name: 'orders-eu' })).toBe(true);
    expect(isAllowed(clerk, 'admin', { on: 'topic', name: 'orders-eu' })).toBe(false);
    expect(isAllowed(clerk, 'viewer', { on: 'topic', name: 'payments' })).toBe(false);
    expect(isAllowed(clerk, 'viewer', { on: 'group', name: 'orders-eu' })).toBe(false);
    expect(isAllowed(clerk, 'viewer', { on: 'group', name: 'billing' })).toBe(true);
    expect(isAllowed(clerk, 'viewer')).toBe(false);
  });

  it('of a role hold everywhere, and a grant adds to them', () => {
    const viewer: Rights = { role: 'viewer', grants: clerk.grants };
    expect(isAllowed(viewer, 'viewer')).toBe(true);
    expect(isAllowed(viewer, 'viewer', { on: 'topic', name: 'payments' })).toBe(true);
    expect(isAllowed(viewer, 'editor', { on: 'topic', name: 'payments' })).toBe(false);
    expect(isAllowed(viewer, 'editor', { on: 'topic', name: 'orders-eu' })).toBe(true);
  });
});
