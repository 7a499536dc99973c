/** How far a name may be from a known one to count as a slip of the pen: a third of its letters. */
const DISTANCE_SHARE_MAX = 1 / 3;

/** The known name that takes the fewest edits to reach, or undefined when none is near. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let distanceMin = Math.floor(name.length * DISTANCE_SHARE_MAX) + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= distanceMin) continue;
    const distance = editDistance(name, candidate);
    if (distance < distanceMin) {
      distanceMin = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** How many letters must be put in, taken out or replaced to make one text of the other (Levenshtein). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
