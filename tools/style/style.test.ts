import { describe, expect, it } from 'vitest';
import { checkStyle } from './check.ts';
import { FILE_LINES_MAX } from './rules.ts';

function findings(path: string, text: string): string[] {
  return checkStyle([{ path, text }], [], []).map((finding) => `${finding.line} ${finding.message}`);
}

function undocumented(files: Record<string, string>): string[] {
  const sources = Object.entries(files).map(([path, text]) => ({ path, text }));
  return checkStyle(sources, ['p/src/index.ts'], []).map((finding) => `${finding.path}:${finding.line}`);
}

describe('the style check', () => {
  it('finds tests that are switched off or narrowed', () => {
    expect(findings('a.test.ts', "\nit.skip('x', () => {});")).toEqual([expect.stringMatching(/^2 switched-off test/)]);
    expect(findings('a.test.ts', "describe.only('x', () => {});")).toHaveLength(1);
    expect(findings('a.test.ts', "it.skipIf(noKcat)('x', () => {});")).toEqual([]);
  });

  it('finds left-over markers, but not in words', () => {
    const marker = ['TO', 'DO'].join('');
    expect(findings('a.ts', `// ${marker}: later`)).toHaveLength(1);
    expect(findings('README.md', `${marker} write this`)).toHaveLength(1);
    expect(findings('a.ts', 'const numTodoTests = 1;')).toEqual([]);
  });

  it('finds paths that exist on one machine only', () => {
    expect(findings('a.ts', `const a = '/${'root'}/x/y';`)).toHaveLength(1);
    expect(findings('a.ts', "const a = './root/x';\nimport '../work/y.ts';")).toEqual([]);
  });

  it('finds overgrown files, except generated ones', () => {
    const text = 'x;\n'.repeat(FILE_LINES_MAX + 1);
    expect(findings('a.ts', text)).toEqual([expect.stringContaining('lines')]);
    expect(findings('p/src/generated/a.ts', text)).toEqual([]);
    expect(findings('a.ts', 'x;\n'.repeat(FILE_LINES_MAX))).toEqual([]);
  });

  it('finds files of the controller that are longer than that room allows', () => {
    const text = 'x;\n'.repeat(501);
    expect(findings('packages/broker/src/controller/term/a.ts', text)).toEqual([
      expect.stringContaining('501 lines, more than 500'),
    ]);
    expect(findings('packages/broker/src/controller/a.test.ts', text)).toEqual([]);
    expect(findings('packages/broker/src/admin/a.ts', text)).toEqual([]);
  });

  it('follows exports of a door to declarations without a doc comment', () => {
    expect(
      undocumented({
        'p/src/index.ts': "export { a, type B, c as d } from './x.ts';\nexport * from './y.ts';\n",
        'p/src/x.ts':
          '/** Documented. */\nexport const a = 1;\nexport interface B {}\nfunction c(): void {}\nexport { c };\n',
        'p/src/y.ts': 'export class E {}\nconst hidden = 1;\n/** Documented. */\nexport type F = string;\n',
      }),
    ).toEqual(['p/src/x.ts:3', 'p/src/x.ts:4', 'p/src/y.ts:1']);
  });

  it('takes one documented overload for all', () => {
    expect(
      undocumented({
        'p/src/index.ts': "export { f } from './x.ts';",
        'p/src/x.ts': '/** Documented. */\nexport function f(a: string): void;\nexport function f(a: number): void;\n',
      }),
    ).toEqual([]);
  });

  it('complains about allowances that are no longer needed', () => {
    const allowance = { path: 'a.ts', rule: 'length', why: 'it once was long' };
    expect(checkStyle([{ path: 'a.ts', text: 'x;\n' }], [], [allowance])).toEqual([
      expect.objectContaining({ message: expect.stringContaining('remove the entry') }),
    ]);
    const long = { path: 'a.ts', text: 'x;\n'.repeat(FILE_LINES_MAX + 1) };
    expect(checkStyle([long], [], [allowance])).toEqual([]);
  });
});
