/** A name may differ from the one that was meant in so much of its letters, and in one in any case. */
const DISTANCE_SHARE_MAX = 1 / 3;

/** The name among `known` that a person most likely meant, whatever its case; undefined where none is near. */
export function nearestName(meant: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  // Once: what was typed, or stands in a file, may be long.
  const wanted = meant.toLowerCase();
  let distanceMax = Math.max(Math.floor(meant.length * DISTANCE_SHARE_MAX), 1);
  for (const name of known) {
    const distance = editDistance(wanted, name.toLowerCase(), distanceMax);
    if (distance > distanceMax || (nearest !== undefined && distance === distanceMax)) continue;
    nearest = name;
    distanceMax = distance;
  }
  return nearest;
}

/**
 * Letters to insert, delete, replace or swap with their neighbour to make one text of the other (optimal string alignment);
 * anything above `max` once it is sure to be more.
 */
function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= a.length; row += 1) {
    const previous = rows[row - 1]!;
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      const swaps = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = swaps ? rows[row - 2]![column - 2]! + 1 : replaced;
      current.push(Math.min(replaced, swapped, previous[column]! + 1, current[column - 1]! + 1));
    }
    if (Math.min(...current) > max) return max + 1;
    rows.push(current);
  }
  return rows[a.length]![b.length]!;
}
