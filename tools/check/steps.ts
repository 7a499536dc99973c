/** The steps of the root check as data: what runs, in which order, and what each protects. */

export interface Step {
  readonly name: string;
  /** What a failure means, in words for whoever sees it. */
  readonly why: string;
  readonly command: readonly [string, ...string[]];
  /** Steps that must be over before this one starts, because it uses what they make or needs the machine for itself. */
  readonly after?: readonly string[];
}

/** Where vitest leaves its counts, relative to the root. */
export const TEST_REPORT = 'node_modules/.cache/millrace/tests.json';

const STATIC = ['types', 'page', 'lint', 'layers', 'style', 'dead'];

export const steps: readonly Step[] = [
  {
    name: 'types',
    why: 'the whole workspace type-checks as one program',
    command: ['tsc', '--noEmit', '-p', 'tsconfig.json'],
  },
  {
    name: 'page',
    why: "the console's page type-checks by itself: it has the browser's globals and not Node's",
    command: ['tsc', '--noEmit', '-p', 'apps/console/page/tsconfig.json'],
  },
  {
    name: 'lint',
    why: 'formatting and lint: `pnpm format` mends most of it',
    command: ['biome', 'check', '--error-on-warnings', '.'],
  },
  {
    name: 'layers',
    why: 'packages import only what is below them; the core never touches the world (tools/layers/rules.ts)',
    command: ['node', 'tools/layers/main.ts'],
  },
  {
    name: 'style',
    why: 'no switched-off tests, no left-over markers, no overgrown files, documented doors (tools/style)',
    command: ['node', 'tools/style/main.ts'],
  },
  {
    name: 'dead',
    why: 'no file, export or dependency that nothing uses, and none that is used but not declared',
    command: ['knip', '--no-progress', '--no-config-hints'],
  },
  {
    name: 'packages',
    why: 'every package builds and packs; its tarball is right, installs and works without the workspace (tools/package)',
    command: ['node', 'tools/package/main.ts', '--install'],
    after: STATIC,
  },
  {
    name: 'docs',
    why: 'the site of the documentation builds, with its references from the code, and no link of it leads nowhere (tools/docs)',
    command: ['node', 'tools/docs/main.ts', '--api', '--site'],
    after: STATIC,
  },
  {
    name: 'tests',
    why: 'the tests of packages, applications and tools',
    command: ['vitest', 'run', '--reporter=dot', '--reporter=json', `--outputFile.json=${TEST_REPORT}`],
    after: STATIC,
  },
];
