import { describe, expect, it } from 'vitest';
import { checkCircles } from './circles.ts';

/** Files as `path: what it imports`. */
function findings(files: Readonly<Record<string, readonly string[]>>): string[] {
  const sources = Object.entries(files).map(([path, imports]) => ({
    path,
    text: imports.map((specifier) => `import type { X } from '${specifier}';\n`).join(''),
  }));
  return checkCircles(sources).map(({ path, line, message }) => `${path}:${line} ${message.split(';')[0]}`);
}

describe('the look for circles', () => {
  it('finds two files that import each other, if only their types', () => {
    expect(findings({ 'p/a.ts': ['./low.ts', './in/b.ts'], 'p/in/b.ts': ['../a.ts'], 'p/low.ts': [] })).toEqual([
      'p/a.ts:2 imports in a circle: p/a.ts -> p/in/b.ts -> p/a.ts',
    ]);
  });

  it('names a shortest way round of files that are tied in many ways, once', () => {
    const files = { 'a.ts': ['./b.ts'], 'b.ts': ['./c.ts'], 'c.ts': ['./d.ts'], 'd.ts': ['./a.ts', './c.ts'] };
    expect(findings(files)).toEqual(['c.ts:1 imports in a circle: c.ts -> d.ts -> c.ts']);
  });

  it('finds circles that have nothing to do with each other, and a file that imports itself', () => {
    expect(findings({ 'a.ts': ['./b.ts'], 'b.ts': ['./a.ts'], 'c.ts': ['./c.ts'], 'd.ts': ['./a.ts'] })).toEqual([
      'a.ts:1 imports in a circle: a.ts -> b.ts -> a.ts',
      'c.ts:1 imports in a circle: c.ts -> c.ts',
    ]);
  });

  it('lets many files stand on one, and tests import what they test', () => {
    const files = {
      'top.ts': ['./left.ts', './right.ts'],
      'left.ts': ['./low.ts'],
      'right.ts': ['./low.ts', './left.ts'],
      'low.ts': [],
      'low.test.ts': ['./low.ts', './top.ts'],
    };
    expect(findings(files)).toEqual([]);
  });

  it('looks at components of pages too', () => {
    expect(findings({ 'a.tsx': ['./b.tsx'], 'b.tsx': ['./a.tsx'] })).toHaveLength(1);
  });
});
