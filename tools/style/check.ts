/** Judges files by the rules; pure, so that tests can hand in wrong files. */
import { posix } from 'node:path';
import ts from '@typescript/typescript6';
import { type Finding, lineOf, parse, type SourceFile } from '../source/index.ts';
import { longFunctionsOf, slipsOf } from './dialect.ts';
import { allowed, exempt, FILE_LINES_MAX, FUNCTION_LINES_MAX, patterns, shorter } from './rules.ts';

type Allowance = (typeof allowed)[number];

/** Findings of all rules over all files. `doors` are the index files whose exports must be documented. */
export function checkStyle(
  files: readonly SourceFile[],
  doors: readonly string[],
  allowances: readonly Allowance[] = allowed,
): Finding[] {
  const used = new Set<Allowance>();
  const mayBreak = (path: string, rule: string): boolean => {
    const entry = allowances.find((candidate) => candidate.path === path && candidate.rule === rule);
    if (entry !== undefined) used.add(entry);
    return entry !== undefined;
  };
  const findings = files
    .filter((file) => isJudged(file.path))
    .flatMap((file) => [...checkPatterns(file), ...checkLength(file), ...checkSource(file)])
    .filter(({ path, rule }) => !mayBreak(path, rule));
  const undocumented = checkDoors(files, doors).filter(({ path, rule }) => !mayBreak(path, rule));
  // The ratchet: an allowance goes when its reason is gone.
  const stale = allowances
    .filter((entry) => !used.has(entry))
    .map(({ path, rule }) => ({
      path,
      line: 1,
      message: `is allowed to break "${rule}" but does not: remove the entry`,
    }));
  return [...findings, ...undocumented, ...stale];
}

/** Whether the rules hold for a file at all. */
export function isJudged(path: string): boolean {
  return !exempt.some((exemption) => exemption.path.test(path));
}

interface RuleFinding extends Finding {
  readonly rule: string;
}

function checkPatterns(file: SourceFile): RuleFinding[] {
  const rules = patterns.filter((rule) => rule.files.test(file.path));
  if (rules.length === 0) return [];
  return file.text.split('\n').flatMap((text, index) =>
    rules
      .filter((rule) => rule.pattern.test(text))
      .map((rule) => ({
        path: file.path,
        line: index + 1,
        rule: rule.name,
        message: `${rule.name}: ${rule.why}: ${text.trim().slice(0, 100)}`,
      })),
  );
}

function checkLength(file: SourceFile): RuleFinding[] {
  const lines = file.text.split('\n').length - 1;
  const room = shorter.find(({ path }) => path.test(file.path));
  const most = room?.lines ?? FILE_LINES_MAX;
  if (!file.path.endsWith('.ts') || lines <= most) return [];
  const why = room === undefined ? '' : ` (${room.why})`;
  const message = `has ${lines} lines, more than ${most}: find the two things that it does${why}`;
  return [{ path: file.path, line: 1, rule: 'length', message }];
}

function checkSource(file: SourceFile): RuleFinding[] {
  const { path } = file;
  if (!path.endsWith('.ts')) return [];
  const tree = parse(file);
  const slips = slipsOf(tree).map(({ line, rule, message }) => ({
    path,
    line,
    rule,
    message: `${rule}: ${message} (\`node tools/style/main.ts --mend\` does it)`,
  }));
  const long = longFunctionsOf(tree).map(({ line, name, lines }) => ({
    path,
    line,
    rule: 'long function',
    message: `${name} has ${lines} lines, more than ${FUNCTION_LINES_MAX}: find the two things that it does`,
  }));
  return [...slips, ...long];
}

/** Follows each door's exports to their declarations inside the package, and finds those without a doc comment. */
function checkDoors(files: readonly SourceFile[], doors: readonly string[]): RuleFinding[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const trees = new Map<string, ts.SourceFile>();
  const treeOf = (path: string): ts.SourceFile | undefined => {
    const file = byPath.get(path);
    if (file !== undefined && !trees.has(path)) trees.set(path, parse(file));
    return trees.get(path);
  };
  const findings = new Map<string, RuleFinding>();
  const seen = new Set<string>();

  /** Looks at one exported name of a file, or at all when `name` is undefined. */
  const follow = (path: string, name: string | undefined): void => {
    const key = `${path} ${name ?? '*'}`;
    const tree = treeOf(path);
    if (tree === undefined || seen.has(key)) return;
    seen.add(key);
    for (const statement of tree.statements) {
      if (ts.isExportDeclaration(statement)) {
        followExport(path, statement, name);
      } else if (declares(statement, name) && !isDocumented(tree, statement, name)) {
        const line = lineOf(tree, statement);
        const what = name ?? statement.getText(tree).split('\n')[0]?.slice(0, 60);
        findings.set(`${path}:${line}`, {
          path,
          line,
          rule: 'documented doors',
          message: `${what} is public but has no doc comment: say what it does, its units, defaults and errors`,
        });
      }
    }
  };
  const followExport = (path: string, statement: ts.ExportDeclaration, name: string | undefined): void => {
    const specifier = statement.moduleSpecifier;
    const target =
      specifier === undefined
        ? path
        : ts.isStringLiteral(specifier) && specifier.text.startsWith('.')
          ? posix.join(posix.dirname(path), specifier.text)
          : undefined;
    if (target === undefined) return;
    const clause = statement.exportClause;
    if (clause !== undefined && ts.isNamedExports(clause)) {
      for (const element of clause.elements) {
        if (name === undefined || element.name.text === name) {
          follow(target, (element.propertyName ?? element.name).text);
        }
      }
    } else if (clause === undefined && target !== path) {
      follow(target, name);
    }
  };
  for (const door of doors) {
    follow(door, undefined);
  }
  return [...findings.values()];
}

/** Whether a statement declares the name; for `export *` (no name), whether it is exported at all. */
function declares(statement: ts.Statement, name: string | undefined): boolean {
  if (name === undefined) {
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
    return modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword) ?? false;
  }
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.some((declared) => declared.name.getText() === name);
  }
  const named = statement as ts.Statement & { name?: ts.Node };
  const isDeclaration =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement);
  return isDeclaration && named.name?.getText() === name;
}

/** A doc comment directly above, on the statement or on one of its overloads or merged declarations of the same name. */
function isDocumented(tree: ts.SourceFile, statement: ts.Statement, name: string | undefined): boolean {
  const own = ts.getJSDocCommentsAndTags(statement).length > 0;
  if (own || name === undefined) return own;
  return tree.statements.some(
    (other) => other !== statement && declares(other, name) && ts.getJSDocCommentsAndTags(other).length > 0,
  );
}
