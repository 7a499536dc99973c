/** The dialect of the house, as far as a program can tell it, each rule with its mend; and functions that are too long. */
import ts from '@typescript/typescript6';
import { lineOf, parse, type SourceFile } from '../source/index.ts';
import { FUNCTION_LINES_MAX } from './rules.ts';

/** The width that the formatter keeps to. */
const LINE_WIDTH = 120;

/** One place that speaks another dialect, and what it would be in this one. */
export interface Slip {
  readonly line: number;
  readonly rule: string;
  readonly message: string;
  readonly start: number;
  readonly end: number;
  readonly mended: string;
}

/** What a file says in another way than the house does. */
export function slipsOf(tree: ts.SourceFile): Slip[] {
  const found: Slip[] = [];
  const visit = (node: ts.Node): void => {
    const slip = slipOf(tree, node);
    if (slip !== undefined) found.push(slip);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The text with all slips mended. */
export function mendSlips(file: SourceFile): string {
  let { text } = file;
  for (;;) {
    const slips = slipsOf(parse({ path: file.path, text }));
    if (slips.length === 0) return text;
    // What lies within something that is mended is mended in the next round.
    let keptTo = 0;
    const parts: string[] = [];
    for (const { start, end, mended } of slips) {
      if (start < keptTo) continue;
      parts.push(text.slice(keptTo, start), mended);
      keptTo = end;
    }
    text = parts.join('') + text.slice(keptTo);
  }
}

function slipOf(tree: ts.SourceFile, node: ts.Node): Slip | undefined {
  if (ts.isIfStatement(node)) return needlessBraces(tree, node) ?? missingBraces(tree, node);
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) return increment(tree, node);
  return undefined;
}

/** `if (x) { return y; }` where all of it fits on one line. */
function needlessBraces(tree: ts.SourceFile, node: ts.IfStatement): Slip | undefined {
  const { thenStatement: block, elseStatement, parent } = node;
  const isBranch = elseStatement !== undefined || (ts.isIfStatement(parent) && parent.elseStatement === node);
  if (isBranch || !ts.isBlock(block)) return undefined;
  const [only, more] = block.statements;
  if (only === undefined || more !== undefined || !isShort(only)) return undefined;
  const body = only.getText(tree);
  // Comments within the braces need them.
  if (block.getText(tree).slice(1, -1).trim() !== body) return undefined;
  const head = tree.text.slice(lineStart(tree, node), block.getStart(tree));
  const line = head + body;
  if (line.includes('\n') || line.length > LINE_WIDTH) return undefined;
  return slip(tree, block, 'needless braces', body, 'what fits on one line with its `if` has no braces');
}

/** An `if` whose body stands on a line of its own, without braces. */
function missingBraces(tree: ts.SourceFile, node: ts.IfStatement): Slip | undefined {
  const body = node.thenStatement;
  if (ts.isBlock(body)) return undefined;
  if (!tree.text.slice(node.expression.end, body.getStart(tree)).includes('\n')) return undefined;
  return slip(tree, body, 'missing braces', `{ ${body.getText(tree)} }`, 'a body on a line of its own has braces');
}

function isShort(statement: ts.Statement): boolean {
  return (
    ts.isReturnStatement(statement) ||
    ts.isThrowStatement(statement) ||
    ts.isContinueStatement(statement) ||
    ts.isBreakStatement(statement) ||
    ts.isExpressionStatement(statement)
  );
}

/** `i++` as a statement, or in the head of a loop; within an expression it stays. */
function increment(tree: ts.SourceFile, node: ts.PrefixUnaryExpression | ts.PostfixUnaryExpression): Slip | undefined {
  const { operator, operand, parent } = node;
  const sign = operator === ts.SyntaxKind.PlusPlusToken ? '+' : operator === ts.SyntaxKind.MinusMinusToken ? '-' : '';
  const isAlone = ts.isExpressionStatement(parent) || (ts.isForStatement(parent) && parent.incrementor === node);
  if (sign === '' || !isAlone) return undefined;
  const mended = `${operand.getText(tree)} ${sign}= 1`;
  return slip(tree, node, 'increment', mended, `write \`${mended}\``);
}

function slip(tree: ts.SourceFile, node: ts.Node, rule: string, mended: string, message: string): Slip {
  return { line: lineOf(tree, node), rule, message, start: node.getStart(tree), end: node.end, mended };
}

function lineStart(tree: ts.SourceFile, node: ts.Node): number {
  const start = node.getStart(tree);
  return tree.text.lastIndexOf('\n', start - 1) + 1;
}

/** A function that is longer than a reader can see at once. */
export interface LongFunction {
  readonly line: number;
  readonly name: string;
  readonly lines: number;
}

/**
 * The functions of a file that have more lines than are allowed. The callbacks of a test's `describe` hold functions, and count for
 * what is between those: nothing.
 */
export function longFunctionsOf(tree: ts.SourceFile): LongFunction[] {
  const found: LongFunction[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined && !isSuite(tree, node)) {
      const lines = linesOf(tree, node);
      if (lines > FUNCTION_LINES_MAX) found.push({ line: lineOf(tree, node), name: nameOf(tree, node), lines });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function linesOf(tree: ts.SourceFile, node: ts.Node): number {
  const from = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line;
  return tree.getLineAndCharacterOfPosition(node.end).line - from + 1;
}

/** `describe('...', () => { ... })`, `describe.each(...)('...', ...)`. */
function isSuite(tree: ts.SourceFile, node: ts.Node): boolean {
  return ts.isCallExpression(node.parent) && /^describe\b/.test(node.parent.expression.getText(tree));
}

function nameOf(tree: ts.SourceFile, node: ts.Node): string {
  const named = node as ts.Node & { name?: ts.Node };
  if (named.name !== undefined) return named.name.getText(tree);
  if (ts.isVariableDeclaration(node.parent) || ts.isPropertyAssignment(node.parent)) {
    return node.parent.name.getText(tree);
  }
  return node.getText(tree).split('\n', 1)[0]?.slice(0, 40) ?? '';
}
