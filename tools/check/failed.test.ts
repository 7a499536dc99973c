import { describe, expect, it } from 'vitest';
import { failedTests } from './failed.ts';

const passed = { status: 'passed', title: 'x', ancestorTitles: ['A'], failureMessages: [] as readonly string[] };
const failed = (title: string, ...failureMessages: string[]) => ({
  ...passed,
  status: 'failed',
  title,
  failureMessages,
});
const file = (name: string, ...assertionResults: (typeof passed)[]) => {
  const isFine = assertionResults.every(({ status }) => status === 'passed');
  return { name: `/here/${name}`, status: isFine ? 'passed' : 'failed', message: '', assertionResults };
};

describe('what failed', () => {
  it('is told by file, by its whole name and by the first line of what it said', () => {
    const report = {
      testResults: [
        file('tools/a.test.ts', passed),
        file('tools/b.test.ts', passed, failed('keeps it', '\nAssertionError: expected 1\n    at b.ts:1', 'and more')),
        file('tools/c.test.ts', failed('says nothing')),
      ],
    };
    expect(failedTests(report, '/here')).toEqual([
      'tools/b.test.ts > A > keeps it > AssertionError: expected 1',
      'tools/c.test.ts > A > says nothing',
    ]);
  });

  it('is a file too that was never loaded, and one whose tests passed and whose end failed', () => {
    const unloaded = {
      ...file('a.test.ts'),
      status: 'failed',
      message: "Error: Cannot find module './b.ts'\n    at x",
    };
    const badEnd = { ...file('b.test.ts', passed), status: 'failed', message: 'AssertionError: something was left' };
    expect(failedTests({ testResults: [unloaded, badEnd] }, '/here')).toEqual([
      "a.test.ts > Error: Cannot find module './b.ts'",
      'b.test.ts > AssertionError: something was left',
    ]);
  });

  it('is cut where it is long, and counted where it is much', () => {
    const many = Array.from({ length: 43 }, (_, n) => failed(`test ${n}`, 'x'.repeat(1000)));
    const lines = failedTests({ testResults: [file('a.test.ts', ...many)] }, '/here');
    expect(lines).toHaveLength(41);
    expect(lines[39]).toHaveLength(200);
    expect(lines[39]).toMatch(/^a\.test\.ts > A > test 39 > x+…$/);
    expect(lines[40]).toBe('and 3 more');
  });

  it('is nothing where nothing ran', () => {
    expect(failedTests({}, '/here')).toEqual([]);
  });
});
