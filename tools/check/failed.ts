/** Reads out of vitest's report which tests failed, for whoever sees no more than the end of the output. */
import { relative } from 'node:path';
import type { TestReport } from './skipped.ts';

/** More is cut: it stands in the step's output. */
const LINE_CHARS_MAX = 200;
const LINES_MAX = 40;

/** A line for each test that failed, and for each file that could not be loaded: where it stands, what it is called, what it said first. */
export function failedTests({ testResults = [] }: TestReport, folder: string): string[] {
  const lines = testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(folder, name);
    const failed = assertionResults.filter((each) => each.status === 'failed');
    if (failed.length === 0) return status === 'failed' ? [lineOf(file, '', message)] : [];
    return failed.map(({ ancestorTitles, title, failureMessages }) =>
      lineOf(file, [...ancestorTitles, title].join(' > '), failureMessages?.[0]),
    );
  });
  const more = lines.length - LINES_MAX;
  return more > 0 ? [...lines.slice(0, LINES_MAX), `and ${more} more`] : lines;
}

function lineOf(file: string, test: string, message = ''): string {
  const first = message.split('\n').find((line) => line.trim() !== '') ?? '';
  const line = [file, test, first.trim()].filter((each) => each !== '').join(' > ');
  return line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX - 1)}…` : line;
}
