/** Files that import each other in a circle, which nobody can read, move or test one without the other. */
import { posix } from 'node:path';
import { type Finding, moduleReferences, parse, type SourceFile } from '../source/index.ts';

interface Import {
  readonly to: string;
  readonly line: number;
}

/** One finding for each knot of files, with a shortest way round. Types count as values do: a reader follows both. */
export function checkCircles(sources: readonly SourceFile[]): Finding[] {
  const imports = new Map(sources.filter(({ path }) => !/\.test\.tsx?$/.test(path)).map(importsOf));
  return knots(imports).map((knot) => {
    const [first, ...rest] = shortestWayRound(knot, imports);
    const line = imports.get(first!)!.find(({ to }) => to === rest[0])!.line;
    const message = `imports in a circle: ${[first, ...rest].join(' -> ')}; move what both need into a file below both`;
    return { path: first!, line, message };
  });
}

function importsOf(file: SourceFile): [string, Import[]] {
  const references = moduleReferences(parse(file)).filter(({ specifier }) => specifier.startsWith('.'));
  const folder = posix.dirname(file.path);
  return [file.path, references.map(({ specifier, line }) => ({ to: posix.join(folder, specifier), line }))];
}

/** The sets of more than one file in which each reaches every other (Tarjan's strongly connected components). */
function knots(imports: ReadonlyMap<string, readonly Import[]>): Set<string>[] {
  const found: Set<string>[] = [];
  const numbers = new Map<string, number>();
  const lows = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const visit = (path: string): void => {
    numbers.set(path, numbers.size);
    lows.set(path, numbers.get(path)!);
    open.push(path);
    isOpen.add(path);
    for (const { to } of imports.get(path)!) {
      if (!imports.has(to)) continue;
      if (!numbers.has(to)) visit(to);
      // A file that has been dealt with altogether leads nowhere from which one could come back.
      if (isOpen.has(to)) lows.set(path, Math.min(lows.get(path)!, lows.get(to)!));
    }
    if (lows.get(path) !== numbers.get(path)) return;
    const knot = open.splice(open.indexOf(path));
    for (const each of knot) isOpen.delete(each);
    if (knot.length > 1 || imports.get(path)!.some(({ to }) => to === path)) found.push(new Set(knot));
  };
  for (const path of imports.keys()) if (!numbers.has(path)) visit(path);
  return found;
}

/** From some file of the knot back to itself, by as few imports as there can be. */
function shortestWayRound(knot: ReadonlySet<string>, imports: ReadonlyMap<string, readonly Import[]>): string[] {
  let shortest: string[] = [];
  for (const start of [...knot].sort()) {
    const way = wayBack(start, knot, imports);
    if (shortest.length === 0 || way.length < shortest.length) shortest = way;
  }
  return shortest;
}

function wayBack(start: string, knot: ReadonlySet<string>, imports: ReadonlyMap<string, readonly Import[]>): string[] {
  const seen = new Set<string>();
  let ways = [[start]];
  while (ways.length > 0) {
    const longer: string[][] = [];
    for (const way of ways) {
      for (const { to } of imports.get(way.at(-1)!)!) {
        if (to === start) return [...way, to];
        if (!knot.has(to) || seen.has(to)) continue;
        seen.add(to);
        longer.push([...way, to]);
      }
    }
    ways = longer;
  }
  return [];
}
