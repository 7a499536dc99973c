/** Rounds: every candidate once, then every candidate again, so that what the machine does besides hits all alike. */
import type { BenchContext } from './bench.ts';

/** A value per round for every key. A key that fails is noted in the report and left out from then on. */
export async function inTurns<Key extends { readonly label: string }, Result>(
  keys: readonly Key[],
  context: BenchContext,
  run: (key: Key) => Promise<Result>,
): Promise<Map<string, Result[]>> {
  const results = new Map<string, Result[]>(keys.map(({ label }) => [label, []]));
  const failed = new Set<Key>();
  for (let round = 0; round < context.rounds; round += 1) {
    // Every other round backwards, so that nobody always follows the same one.
    for (const key of round % 2 === 0 ? keys : keys.toReversed()) {
      if (failed.has(key)) continue;
      try {
        results.get(key.label)!.push(await run(key));
      } catch (error) {
        failed.add(key);
        context.failed(key.label, error);
      }
    }
  }
  return results;
}

/** One round less, for tables that no aim hangs on: a whole run has to end within half an hour. */
export function secondary(context: BenchContext): BenchContext {
  return { ...context, rounds: Math.max(1, context.rounds - 1) };
}
