import { describe, expect, it } from 'vitest';
import { parse } from '../source/index.ts';
import { longFunctionsOf, mendSlips, slipsOf } from './dialect.ts';
import { FUNCTION_LINES_MAX } from './rules.ts';

const mend = (text: string): string => mendSlips({ path: 'a.ts', text });

describe('the dialect', () => {
  it('takes the braces from what fits on one line with its `if`, whatever stands around it', () => {
    expect(mend('if (a) {\n  return b;\n}\n')).toBe('if (a) return b;\n');
    expect(mend('if (a) {\n  if (b) {\n    c();\n  }\n  d();\n}\n')).toBe('if (a) {\n  if (b) c();\n  d();\n}\n');
    expect(mend('for (const a of b) {\n  if (a) {\n    c++;\n  }\n}\n')).toBe(
      'for (const a of b) {\n  if (a) c += 1;\n}\n',
    );
  });

  it('leaves braces that say something: two branches, a comment, two statements, a line that would be too long', () => {
    for (const text of [
      'if (a) {\n  b();\n} else {\n  c();\n}\n',
      'if (a) {\n  // Why.\n  b();\n}\n',
      'if (a) {\n  b();\n  c();\n}\n',
      `if (a) {\n  ${'b'.repeat(120)}();\n}\n`,
      'if (a) {\n  for (;;) b();\n}\n',
    ]) {
      expect(mend(text)).toBe(text);
    }
  });

  it('puts braces around a body that stands on a line of its own', () => {
    expect(mend('if (a)\n  b();\n')).toBe('if (a)\n  { b(); }\n');
  });

  it('counts in words of assignment where nothing is read, and leaves increments that are read', () => {
    expect(mend('a++;\n--this.b;\nfor (let i = 0; i < 9; i++) c(i++);\n')).toBe(
      'a += 1;\nthis.b -= 1;\nfor (let i = 0; i < 9; i += 1) c(i++);\n',
    );
  });

  it('says where, and what to write', () => {
    expect(slipsOf(parse({ path: 'a.ts', text: '\na++;' }))).toEqual([
      expect.objectContaining({ line: 2, message: 'write `a += 1`' }),
    ]);
  });
});

describe('the length of functions', () => {
  const body = (lines: number): string => 'x();\n'.repeat(lines);
  const longOf = (text: string): unknown[] => longFunctionsOf(parse({ path: 'a.ts', text }));

  it('finds functions, methods and arrows of more lines than are allowed', () => {
    const tooMany = FUNCTION_LINES_MAX - 1;
    for (const head of ['function f() {', 'const f = () => {', 'const o = { f() {', 'class C { f() {']) {
      const tail = head.startsWith('function') || head.endsWith('> {') ? '}' : '} }';
      expect(longOf(`${head}\n${body(tooMany)}${tail}`)).toEqual([
        { line: 1, name: 'f', lines: FUNCTION_LINES_MAX + 1 },
      ]);
      expect(longOf(`${head}\n${body(tooMany - 1)}${tail}`)).toEqual([]);
    }
  });

  it('counts a suite of tests for nothing, and its tests for what they are', () => {
    const suite = (inner: string): string => `describe('a', () => {\n${inner}});`;
    expect(longOf(suite(body(100)))).toEqual([]);
    expect(longOf(suite(`it('b', () => {\n${body(100)}});\n`))).toHaveLength(1);
  });
});
