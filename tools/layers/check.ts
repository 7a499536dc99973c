/** Holds sources and package manifests against the rules. Pure: what it judges is handed in, so tests can hand in wrong code. */
import { posix } from 'node:path';
import ts from '@typescript/typescript6';
import { type Finding, lineOf, moduleReferences, parse, type SourceFile } from '../source/index.ts';
import {
  type Floor,
  floors,
  memberRules,
  type Room,
  roofExceptions,
  roofs,
  rooms,
  supportExceptions,
  type WorldRule,
  worldRules,
} from './rules.ts';

/** A `package.json` of the workspace, as far as the check reads it. */
export interface Manifest {
  readonly path: string;
  readonly name: string;
  readonly dependencies: readonly string[];
}

const DOORS = new Set(['', '/internal', '/package.json']);

/** All rooms a room may import: its own list, and what those may import in turn. */
export function reach(name: string, seen: Set<string> = new Set()): Set<string> {
  for (const next of rooms[name]?.imports ?? []) {
    if (!seen.has(next)) {
      seen.add(next);
      reach(next, seen);
    }
  }
  return seen;
}

export function checkLayers(sources: readonly SourceFile[], manifests: readonly Manifest[]): Finding[] {
  return [...manifests.flatMap(checkManifest), ...sources.flatMap(checkSource)];
}

function checkManifest(manifest: Manifest): Finding[] {
  const room = rooms[manifest.name];
  if (room === undefined) return [];
  const allowed = reach(manifest.name);
  return manifest.dependencies
    .filter((name) => isRoom(name) && !allowed.has(name))
    .map((name) => ({
      path: manifest.path,
      line: 1,
      message: `${manifest.name} depends on ${name}, which is not below it: ${room.why}`,
    }));
}

function checkSource(file: SourceFile): Finding[] {
  const tree = parse(file);
  const home = Object.entries(rooms).find(([, room]) => file.path.startsWith(`${room.folder}/`));
  const findings: Finding[] = [];
  const add = (line: number, message: string): void => {
    findings.push({ path: file.path, line, message });
  };
  for (const { specifier, line } of moduleReferences(tree)) {
    const message = specifier.startsWith('.')
      ? judgeRelative(file.path, specifier, home?.[1])
      : judgePackage(file.path, specifier, home);
    if (message !== undefined) add(line, message);
  }
  if (!isTest(file.path)) {
    for (const rule of worldRules) {
      if (rule.folders.some((folder) => file.path.startsWith(folder))) {
        for (const { uses, line } of worldUses(tree, rule)) {
          if (!rule.exceptions.some((exception) => exception.path === file.path && exception.uses === uses)) {
            add(line, `${uses}: ${rule.name}: ${rule.why}`);
          }
        }
      }
    }
  }
  if (!isTest(file.path)) {
    for (const { folders, member, why } of memberRules) {
      if (!folders.some((folder) => file.path.startsWith(folder))) continue;
      for (const line of memberUses(tree, member)) add(line, `.${member}: ${why}`);
    }
  }
  return findings;
}

/** A relative import stays inside its package; the roofs' exceptions say which may leave. */
function judgeRelative(path: string, specifier: string, room: Room | undefined): string | undefined {
  const target = posix.join(posix.dirname(path), specifier);
  const home = room?.folder ?? topFolder(path);
  if (target === home || target.startsWith(`${home}/`)) {
    return isTest(path) ? undefined : (judgeSupport(path, target, specifier) ?? judgeFloor(path, target, specifier));
  }
  if (roofExceptions.some((exception) => matches(path, exception.from) && target.startsWith(exception.to))) {
    return undefined;
  }
  for (const [roof, why] of Object.entries(roofs)) {
    if (target.startsWith(roof)) return `imports ${specifier} from ${roof}: ${why}`;
  }
  return `${specifier} leaves ${home}: a package is entered by its name, through its two doors`;
}

/** What stands in a `testing` folder is for tests, and for what stands there too. */
function judgeSupport(path: string, target: string, specifier: string): string | undefined {
  if (!isSupport(target) || isSupport(path)) return undefined;
  if (supportExceptions.some(({ from }) => from === path)) return undefined;
  return `${specifier} is for tests alone`;
}

function isSupport(path: string): boolean {
  return path.includes('/testing/') && !path.startsWith('packages/testing/');
}

/** Within a package that has floors, an import goes down. */
function judgeFloor(path: string, target: string, specifier: string): string | undefined {
  for (const [source, plan] of Object.entries(floors)) {
    const from = floorOf(path, source);
    if (from === undefined) continue;
    const floor = plan[from];
    if (from !== '' && floor === undefined) return `${source}/${from} is no floor in tools/layers/rules.ts: add it`;
    const to = floorOf(target, source) ?? '';
    if (floor === undefined || to === from || floorsBelow(plan, from).has(to)) continue;
    return `${specifier} is not below ${source}/${from}: ${floor.why}`;
  }
  return undefined;
}

/** The floor that a file of a package's sources lies on: '' beside the floors, undefined outside the sources. */
function floorOf(path: string, source: string): string | undefined {
  if (!path.startsWith(`${source}/`)) return undefined;
  const within = path.slice(source.length + 1);
  return within.includes('/') ? topFolder(within) : '';
}

function floorsBelow(plan: Readonly<Record<string, Floor>>, name: string, seen: Set<string> = new Set()): Set<string> {
  for (const next of plan[name]?.imports ?? []) {
    seen.add(next);
    floorsBelow(plan, next, seen);
  }
  return seen;
}

function judgePackage(path: string, specifier: string, home: [string, Room] | undefined): string | undefined {
  const name = Object.keys(rooms).find((room) => specifier === room || specifier.startsWith(`${room}/`));
  if (name === undefined) return undefined;
  if (!DOORS.has(specifier.slice(name.length))) {
    return `${specifier} is a deep import: a package has two doors, its index and its internal`;
  }
  if (home === undefined) return undefined;
  if (name === home[0]) return `${specifier} is this package itself: import the file`;
  const forTests = isTest(path) && home[1].testsImport?.includes(name);
  if (!forTests && !reach(home[0]).has(name)) {
    return `${home[0]} imports ${name}, which is not below it: ${home[1].why}`;
  }
  return undefined;
}

/** The modules and globals of a rule that a file uses. */
function worldUses(tree: ts.SourceFile, rule: WorldRule): { uses: string; line: number }[] {
  const found: { uses: string; line: number }[] = [];
  for (const { specifier, line } of moduleReferences(tree)) {
    const bare = specifier.startsWith('node:') ? specifier : `node:${specifier}`;
    const module = rule.modules.find(
      (name) => [specifier, bare].includes(name) || [specifier, bare].some((spelled) => spelled.startsWith(`${name}/`)),
    );
    if (module !== undefined) found.push({ uses: module, line });
  }
  const visit = (node: ts.Node): void => {
    const uses = globalNamed(tree, node);
    if (uses !== undefined && rule.globals.includes(uses)) found.push({ uses, line: lineOf(tree, node) });
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The lines on which a member of this name is reached for, with a dot or by taking an object apart. */
function memberUses(tree: ts.SourceFile, member: string): number[] {
  const lines: number[] = [];
  const visit = (node: ts.Node): void => {
    const isDotted = ts.isPropertyAccessExpression(node) && node.name.text === member;
    const isTaken =
      ts.isBindingElement(node) &&
      ts.isObjectBindingPattern(node.parent) &&
      (node.propertyName ?? node.name).getText(tree) === member;
    if (isDotted || isTaken) lines.push(lineOf(tree, node));
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return lines;
}

/** The dotted name a node stands for, when it may be a global: `Date.now`, `setTimeout`, `new Date()`. */
function globalNamed(tree: ts.SourceFile, node: ts.Node): string | undefined {
  if (ts.isNewExpression(node) && node.expression.getText(tree) === 'Date' && (node.arguments?.length ?? 0) === 0) {
    return 'new Date()';
  }
  if (ts.isPropertyAccessExpression(node)) return node.getText(tree).replace(/^globalThis\./, '');
  if (!ts.isIdentifier(node)) return undefined;
  const parent = node.parent;
  // A member of an object, or a declaration of the same name, is not the global.
  const isMember = ts.isPropertyAccessExpression(parent) && parent.name === node;
  const isDeclared =
    (ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent) || ts.isPropertySignature(parent)) &&
    parent.name === node;
  return isMember || isDeclared ? undefined : node.text;
}

function isRoom(name: string): boolean {
  return name in rooms || name.startsWith('@millrace/');
}

/** Tests, and what stands outside as they do: `test-*.ts` in a `testing` folder. */
function isTest(path: string): boolean {
  return /\.(test|bench)\.ts$|\/testing\/test-[\w-]+\.ts$/.test(path) || path.includes('/fixtures/');
}

function topFolder(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '.';
}

function matches(path: string, pattern: string): boolean {
  return pattern.startsWith('*') ? path.endsWith(pattern.slice(1)) : path.startsWith(pattern);
}
