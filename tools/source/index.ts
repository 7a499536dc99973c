/**
 * Reads the checkout as the checks see it: which files there are, and what each TypeScript file imports and names.
 * The parser is TypeScript 6's, because TypeScript 7 has no stable programming interface yet.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from '@typescript/typescript6';

/** The checkout's root folder. */
export const root: string = join(import.meta.dirname, '../..');

/** A TypeScript file and its text; `path` is relative to the root, with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Every file git knows or would add, so that what is ignored is never judged. */
export function listFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  // A file that is deleted but not yet committed is still listed.
  return listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)));
}

/** The TypeScript sources among the files of the checkout. */
export function readSources(): SourceFile[] {
  return listFiles()
    .filter((path) => /\.[mc]?tsx?$/.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** Parses with parent links, which the finders below need. */
export function parse(file: SourceFile): ts.SourceFile {
  return ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ESNext, true);
}

/** One place in a file that names another module. */
export interface ModuleReference {
  readonly specifier: string;
  readonly line: number;
}

/** Functions that are given a module's name. */
const LOADERS = ['require', 'import.meta.resolve', 'require.resolve', 'process.getBuiltinModule'];

/** The module specifiers of imports, re-exports, dynamic imports, import types and `import.meta.resolve`. */
export function moduleReferences(tree: ts.SourceFile): ModuleReference[] {
  const found: ModuleReference[] = [];
  const add = (node: ts.Node | undefined): void => {
    if (node !== undefined && ts.isStringLiteralLike(node)) {
      found.push({ specifier: node.text, line: lineOf(tree, node) });
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier);
    } else if (ts.isCallExpression(node)) {
      const callee = node.expression;
      const loads = callee.kind === ts.SyntaxKind.ImportKeyword || LOADERS.includes(callee.getText(tree));
      if (loads) add(node.arguments[0]);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The line of a node, counted from 1 as editors do. */
export function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

/** What a check has to say about one place. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** Prints findings as `path:line message`, and sets the exit code when there are any. */
export function report(name: string, findings: readonly Finding[], checked: number): void {
  for (const { path, line, message } of findings) {
    console.log(`${path}:${line} ${message}`);
  }
  console.log(`${name}: ${checked} files, ${findings.length} findings`);
  if (findings.length > 0) process.exitCode = 1;
}
