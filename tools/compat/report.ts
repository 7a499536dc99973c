/** Cases that run one after the other and end in a table: for clients whose own language or build is not ours. */

export interface Case {
  readonly name: string;
  /** Throws when the client did not see what it should. May return a word about what it saw. */
  run(): Promise<string | undefined>;
}

/** Runs the cases, prints a line for each, and returns how many failed. */
export async function runCases(title: string, cases: readonly Case[]): Promise<number> {
  console.log(`\n${title}`);
  let failed = 0;
  for (const { name, run } of cases) {
    const startedAt = performance.now();
    try {
      const seen = await run();
      console.log(`  ok      ${name.padEnd(58)} ${duration(startedAt)}  ${seen ?? ''}`);
    } catch (error) {
      failed += 1;
      console.log(`  FAILED  ${name.padEnd(58)} ${duration(startedAt)}`);
      console.log(indent(error instanceof Error ? error.message : String(error)));
    }
  }
  console.log(`  ${cases.length - failed} of ${cases.length} passed`);
  return failed;
}

/** @throws Error that shows the text when it does not match. */
export function expectMatch(text: string, pattern: RegExp): void {
  if (!pattern.test(text)) throw new Error(`expected ${pattern} in:\n${text.slice(0, 2000)}`);
}

function duration(startedAt: number): string {
  return `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
}

function indent(text: string): string {
  return text
    .split('\n')
    .slice(0, 30)
    .map((line) => `            ${line}`)
    .join('\n');
}
