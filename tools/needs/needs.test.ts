import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { may } from './index.ts';

/** Asks for kcat where no program can be found but Node. */
function askWithoutPrograms(ci: string | undefined): { code: number; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-needs-'));
  const script = `
    const { has } = await import(${JSON.stringify(join(import.meta.dirname, 'index.ts'))});
    console.log(has('kcat', 'file:///x/tools/some.test.ts', ${JSON.stringify(join(folder, 'skipped.txt'))}));
    console.log(require('node:fs').readFileSync(${JSON.stringify(join(folder, 'skipped.txt'))}, 'utf8'));`;
  symlinkSync(process.execPath, join(folder, 'node'));
  try {
    const { CI: _, ...env } = process.env;
    const options = {
      env: { ...env, PATH: folder, ...(ci === undefined ? {} : { CI: ci }) },
      encoding: 'utf8' as const,
    };
    const command = [
      join(folder, 'node'),
      '--input-type=commonjs',
      '-e',
      `(async () => {${script}})().catch((e) => { console.log(e.message); process.exit(3); })`,
    ];
    return { code: 0, output: execFileSync(command[0]!, command.slice(1), options) };
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    return { code: status, output: stdout };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('a program that a test needs', () => {
  it('is noted when it is missing, with the way to install it', () => {
    expect(askWithoutPrograms(undefined)).toEqual({
      code: 0,
      output: expect.stringContaining('false\ntools/some.test.ts needs kcat (Debian: apt-get install kcat)\n'),
    });
    expect(askWithoutPrograms('false').code).toBe(0);
  });

  it('is noted with its reason where no program would bring it, in CI too', () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-may-'));
    const file = join(folder, 'skipped.txt');
    try {
      expect(may(undefined, 'file:///x/tools/a.test.ts', file)).toBe(true);
      expect(may('only root may mount', 'file:///x/tools/a.test.ts', file)).toBe(false);
      expect(readFileSync(file, 'utf8')).toBe('tools/a.test.ts: only root may mount\n');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is a failure when it is missing in CI', () => {
    expect(askWithoutPrograms('true')).toEqual({
      code: 3,
      output: expect.stringContaining('in CI nothing is skipped'),
    });
  });
});
