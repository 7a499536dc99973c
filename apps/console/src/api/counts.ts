/** Sums of which a part may not be known: it is told apart from what there is none of. */
import type { Count } from './contract.ts';

/** What is known of some numbers together. */
export function countOf(parts: readonly (number | undefined)[]): Count {
  const known = parts.filter((part) => part !== undefined);
  const unknown = parts.length - known.length;
  return { known: known.length === 0 && unknown > 0 ? undefined : known.reduce((sum, part) => sum + part, 0), unknown };
}

/** Counts together, such as those of all topics. */
export function sumOfCounts(counts: readonly Count[]): Count {
  const known = counts.filter((each) => each.known !== undefined || each.unknown === 0);
  const unknown = counts.reduce((sum, each) => sum + each.unknown, 0);
  const isAnyKnown = known.length > 0 || unknown === 0;
  return { known: isAnyKnown ? known.reduce((sum, each) => sum + (each.known ?? 0), 0) : undefined, unknown };
}
