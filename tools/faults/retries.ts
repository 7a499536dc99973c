/** What clients have sent again, in words. */
import type { LoadReport } from './cluster-load.ts';

/** By client, each in the units in which it counts. */
export function sentAgain({ retries }: Pick<LoadReport, 'retries'>): string {
  return Object.entries(retries)
    .map(([name, counts]) => `${name} ${counts === undefined ? 'not told' : inUnits(counts)}`)
    .join(', ');
}

function inUnits(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([unit, count]) => `${count} ${unit}`)
    .join(' and ');
}
