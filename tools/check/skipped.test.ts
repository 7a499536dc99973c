import { describe, expect, it } from 'vitest';
import { skippedSuites } from './skipped.ts';

describe('what was skipped', () => {
  it('is told by suite, with how many tests of it did not run', () => {
    const test = (status: string, title: string, ...ancestorTitles: string[]) => ({ status, title, ancestorTitles });
    const report = {
      testResults: [
        { name: '/here/tools/a.test.ts', assertionResults: [test('passed', 'x', 'A'), test('passed', 'y', 'A')] },
        {
          name: '/here/tools/b.test.ts',
          assertionResults: [
            test('skipped', 'x', 'B: no disk', 'inner'),
            test('pending', 'y', 'B: no disk'),
            test('passed', 'z', 'C'),
          ],
        },
        { name: '/here/tools/c.test.ts', assertionResults: [test('skipped', 'alone')] },
      ],
    };
    expect(skippedSuites(report, '/here')).toEqual([
      'tools/b.test.ts: B: no disk (2 tests)',
      'tools/c.test.ts: alone (1 test)',
    ]);
  });

  it('is nothing where nothing ran', () => {
    expect(skippedSuites({}, '/here')).toEqual([]);
  });
});
