import { expect, it } from 'vitest';
import { checkInvariants, InvariantError, invariant } from './invariant.ts';

it('throws where an invariant is broken and invariants are checked', () => {
  checkInvariants();
  expect(() => invariant(() => 1 < 2, 'one is less than two')).not.toThrow();
  expect(() => invariant(() => 2 < 1, 'two is less than one')).toThrow(InvariantError);
});
