/** The name among `names` that a person most likely meant; undefined where none is near. */
export function nearest(meant: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  // A third of the letters may be wrong, and at least one.
  let distanceMax = Math.max(Math.floor(meant.length / 3), 1);
  for (const name of names) {
    const distance = editDistance(meant.toLowerCase(), name.toLowerCase(), distanceMax);
    if (distance > distanceMax || (best !== undefined && distance === distanceMax)) continue;
    best = name;
    distanceMax = distance;
  }
  return best;
}

/**
 * Letters to insert, delete, replace or swap with their neighbour to make one text of the other; anything above `max` once it is
 * sure to be more.
 */
function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let row = 1; row <= a.length; row++) {
    const previous = rows[row - 1]!;
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      const swaps = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = swaps ? rows[row - 2]![column - 2]! + 1 : replaced;
      current.push(Math.min(replaced, swapped, previous[column]! + 1, current[column - 1]! + 1));
    }
    rows.push(current);
  }
  return rows[a.length]![b.length]!;
}
