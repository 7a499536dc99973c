/** What each package gives its users, from its types and their comments. Written when the site is built, and kept nowhere. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from '@typescript/typescript6';
import { root } from '../source/index.ts';

/** Packages that people write programs with come first. */
const FIRST = ['producer', 'consumer', 'admin', 'serdes', 'testing', 'client', 'console', 'broker-app'];

/** A package that is published: what it is called, what it is for, and its public door. */
interface Published {
  readonly name: string;
  readonly description: string;
  readonly door: string;
}

/** All packages that are published and have something for programs. */
function published(): Published[] {
  const found = globSync('{packages,apps}/*/package.json', { cwd: root }).flatMap((path) => {
    const { name, description } = JSON.parse(readFileSync(join(root, path), 'utf8')) as Record<string, string>;
    const door = join(root, path, '../src/index.ts');
    return existsSync(door) ? [{ name: name ?? '', description: description ?? '', door }] : [];
  });
  const place = ({ name }: Published): number => {
    const at = FIRST.indexOf(name.replace('@millrace/', ''));
    return at < 0 ? FIRST.length : at;
  };
  return found.sort((a, b) => place(a) - place(b) || (a.name < b.name ? -1 : 1));
}

/** Pages by their paths below `docs`: one for each package, and one that leads to them. */
export function apiPages(): ReadonlyMap<string, string> {
  const packages = published();
  const doors = packages.map(({ door }) => door);
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
  const links: string[] = [];
  for (const { name, description, door } of packages) {
    const file = program.getSourceFile(door);
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
    if (module === undefined) continue;
    const parts = checker
      .getExportsOfModule(module)
      .map((each) => ((each.flags & ts.SymbolFlags.Alias) === 0 ? each : checker.getAliasedSymbol(each)))
      .filter(isWrittenByHand)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((symbol) => entryOf(symbol, checker));
    const slug = name.replace('@millrace/', '');
    pages.set(`api/${slug}.md`, `# ${name}\n\n${safe(description)}\n\n${parts.join('\n\n')}\n`);
    links.push(`| [${name}](./${slug}) | ${safe(description)} |`);
  }
  const table = ['| package | |', '|---|---|', ...links].join('\n');
  pages.set('api/index.md', `# The packages\n\nWhat each gives to programs, from its types.\n\n${table}\n`);
  return pages;
}

/** The messages of the protocol are in a table of their own: their fields are Kafka's. */
function isWrittenByHand({ declarations = [] }: ts.Symbol): boolean {
  return !declarations.some((each) => each.getSourceFile().fileName.includes('/generated/'));
}

function entryOf(symbol: ts.Symbol, checker: ts.TypeChecker): string {
  const comment = safe(ts.displayPartsToString(symbol.getDocumentationComment(checker)));
  const [declaration] = symbol.declarations ?? [];
  const shown = declaration === undefined ? '' : declarationText(declaration);
  const tags = symbol
    .getJsDocTags(checker)
    .map(tagText)
    .filter((text) => text !== '');
  return [`## ${symbol.name}`, comment, `\`\`\`ts\n${shown}\n\`\`\``, ...tags].join('\n\n');
}

/** What stands beside a comment: what is thrown, and examples. Parameters are told with the declaration. */
function tagText({ name, text = [] }: ts.JSDocTagInfo): string {
  const told = ts.displayPartsToString(text);
  if (name === 'example') return `Example:\n\n${told}`;
  if (name === 'param') return `- ${safe(told.replace(/^(\S+) /, '`$1`: '))}`;
  if (name === 'returns') return `Returns ${safe(told)}`;
  return name === 'throws' ? `Throws ${safe(told)}` : '';
}

/** A declaration without what only the package itself sees. */
function declarationText(declaration: ts.Declaration): string {
  if (ts.isClassDeclaration(declaration)) {
    const heading = declaration.getText().split('{', 1)[0] ?? '';
    const members = declaration.members
      .filter(isPublic)
      .map((member) => `${commentOf(member)}  ${signatureOf(member)}`);
    return `${heading.trim()} {\n${members.join('\n')}\n}`;
  }
  if (ts.isFunctionDeclaration(declaration)) return signatureOf(declaration);
  if (ts.isVariableDeclaration(declaration)) return `const ${declaration.getText().split(' = ', 1)[0]}`;
  return declaration.getText();
}

/** A member's own comment, as it stands in the source. */
function commentOf(member: ts.ClassElement): string {
  const comment = ts.getJSDocCommentsAndTags(member).filter(ts.isJSDoc).at(-1);
  return comment === undefined ? '' : `  ${comment.getText()}\n`;
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
