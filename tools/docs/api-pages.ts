/** What each package gives its users, from its types and their comments. Written when the site is built, and kept nowhere. */
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import ts from '@typescript/typescript6';
import { root } from '../source/index.ts';

/** Packages that people write programs with, and the door of each. */
const PACKAGES = ['producer', 'consumer', 'admin', 'serdes', 'testing', 'client'];

/** Pages by their paths below `docs`: one for each package, and one that leads to them. */
export function apiPages(): ReadonlyMap<string, string> {
  const doors = PACKAGES.map((name) => join(root, 'packages', name, 'src/index.ts')).filter((path) => existsSync(path));
  const program = ts.createProgram(doors, {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ESNext,
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    typeRoots: globSync('node_modules/@types', { cwd: root }),
  });
  const checker = program.getTypeChecker();
  const pages = new Map<string, string>();
  for (const [index, door] of doors.entries()) {
    const name = PACKAGES[index] ?? '';
    const file = program.getSourceFile(door);
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
    if (module === undefined) continue;
    const parts = checker
      .getExportsOfModule(module)
      .map((each) => ((each.flags & ts.SymbolFlags.Alias) === 0 ? each : checker.getAliasedSymbol(each)))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((symbol) => entryOf(symbol, checker));
    pages.set(`api/${name}.md`, `# @millrace/${name}\n\n${parts.join('\n\n')}\n`);
  }
  const links = [...pages.keys()]
    .map((path) => path.replace('api/', ''))
    .map((path) => `- [@millrace/${path.replace('.md', '')}](./${path})`);
  pages.set('api/index.md', `# The packages\n\nWhat each gives to programs, from its types.\n\n${links.join('\n')}\n`);
  return pages;
}

function entryOf(symbol: ts.Symbol, checker: ts.TypeChecker): string {
  const comment = safe(ts.displayPartsToString(symbol.getDocumentationComment(checker)));
  const [declaration] = symbol.declarations ?? [];
  const shown = declaration === undefined ? '' : declarationText(declaration);
  return `## ${symbol.name}\n\n${comment}\n\n\`\`\`ts\n${shown}\n\`\`\``;
}

/** A declaration without what only the package itself sees. */
function declarationText(declaration: ts.Declaration): string {
  if (ts.isClassDeclaration(declaration)) {
    const heading = declaration.getText().split('{', 1)[0] ?? '';
    const members = declaration.members.filter(isPublic).map((member) => `  ${signatureOf(member)}`);
    return `${heading.trim()} {\n${members.join('\n')}\n}`;
  }
  if (ts.isFunctionDeclaration(declaration)) return signatureOf(declaration);
  if (ts.isVariableDeclaration(declaration)) return `const ${declaration.getText().split(' = ', 1)[0]}`;
  return declaration.getText();
}

function isPublic(member: ts.ClassElement): boolean {
  const hidden = ts.SyntaxKind.PrivateKeyword;
  const modifiers = ts.canHaveModifiers(member) ? (ts.getModifiers(member) ?? []) : [];
  return (
    !(member.name !== undefined && ts.isPrivateIdentifier(member.name)) &&
    !modifiers.some(({ kind }) => kind === hidden)
  );
}

/** A member or function without its body. */
function signatureOf(node: ts.ClassElement | ts.FunctionDeclaration): string {
  const text = node.getText();
  const body = 'body' in node ? (node.body as ts.Node | undefined) : undefined;
  const cut = body === undefined ? text : text.slice(0, body.getStart() - node.getStart());
  return cut.replace(/\s+/g, ' ').trim();
}

/** What stands outside of code is markdown with Vue in it. */
function safe(text: string): string {
  return text.replace(/(`[^`]*`)|<|\{\{/g, (found, code) => code ?? (found === '<' ? '&lt;' : '{ {'));
}
