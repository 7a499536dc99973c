/** Which benches run, and with which of their parts: settled, and refused where it makes no sense, before anything is measured. */
import type { Bench } from './bench.ts';

/** What the command line asks for that there is not; its message is all that a user needs. */
export class UnknownPart extends Error {
  override readonly name = 'UnknownPart';
}

/** What runs of the benches that are asked for. */
export interface Plan<Entry> {
  readonly benches: readonly Entry[];
  /** Parts, each of which is in one of them; none means all. */
  readonly only: readonly string[];
}

/**
 * Leaves out the benches that have none of the parts that are asked for.
 * @param only - Parts as `--only` names them: said several times, or with commas between.
 * @throws UnknownPart when a part is in none of them, so that nothing that was asked for is left out without a word
 */
export function planOf<Entry extends { readonly name: string; readonly bench: Pick<Bench, 'parts'> }>(
  benches: readonly Entry[],
  only: readonly string[],
): Plan<Entry> {
  const isKnown = (part: string): boolean => part !== '' && benches.some(({ bench }) => hasPart(bench, part));
  // Some names have a comma themselves.
  const parts = only.flatMap((each) => (isKnown(each) ? [each] : each.split(',').map((part) => part.trim())));
  const unknown = parts.find((part) => !isKnown(part));
  if (unknown !== undefined) {
    const known = benches.map(({ name, bench }) => `${name}: ${bench.parts.join(', ')}`).join('\n  ');
    throw new UnknownPart(`--only "${unknown}" is no part of what is to run. There are\n  ${known}`);
  }
  const wanted = benches.filter(({ bench }) => parts.length === 0 || parts.some((part) => hasPart(bench, part)));
  return { benches: wanted, only: parts };
}

function hasPart({ parts }: Pick<Bench, 'parts'>, part: string): boolean {
  return parts.some((each) => each.includes(part));
}
