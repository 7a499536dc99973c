/** What tests of runs under fire have in common. */
import { expect } from 'vitest';

/** So long a test of processes may take: each wait in it has a bound of its own, and says what it was for when that is over. */
export const RUN_MS_MAX = 240_000;

/** Nothing that was promised was broken. What was is told word by word in the message: a report may show no more of a failure than that. */
export function expectKept(run: { readonly violations: readonly string[]; readonly violationCount: number }): void {
  const { violations, violationCount } = run;
  expect(violationCount, `${violationCount} violations:\n${violations.join('\n')}\n`).toBe(0);
}
