/** What must always hold did not: a mistake in this program, not in what it was given. */
export class InvariantError extends Error {
  override name = 'InvariantError';
  readonly code = 'INVARIANT_BROKEN';
}

let checked = false;

/** Switches the checks on, for this process: tests and the simulator do. In production they cost one look at a variable. */
export function checkInvariants(): void {
  checked = true;
}

/**
 * Says what holds wherever the program comes by here.
 *
 * @param holds asked only while invariants are checked, so that it may cost something
 * @throws InvariantError where it does not hold and {@link checkInvariants} was called
 */
export function invariant(holds: () => boolean, what: string): void {
  if (checked && !holds()) throw new InvariantError(`This must always hold, and does not: ${what}`);
}
