/** Reads out of vitest's report which tests did not run. */
import { relative } from 'node:path';

/** As much of vitest's JSON report as is read. */
export interface TestReport {
  readonly testResults?: readonly {
    readonly name: string;
    readonly status?: string;
    /** What the file as a whole failed with. */
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

const SKIPPED = ['pending', 'skipped', 'todo', 'disabled'];

/** A line for each suite of which tests were skipped: where it stands, what it is called, how many they are. */
export function skippedSuites({ testResults = [] }: TestReport, folder: string): string[] {
  const counts = new Map<string, number>();
  for (const { name, assertionResults } of testResults) {
    for (const { status, ancestorTitles, title } of assertionResults) {
      if (!SKIPPED.includes(status)) continue;
      const suite = `${relative(folder, name)}: ${ancestorTitles[0] ?? title}`;
      counts.set(suite, (counts.get(suite) ?? 0) + 1);
    }
  }
  return [...counts].map(([suite, count]) => `${suite} (${count} ${count === 1 ? 'test' : 'tests'})`);
}
