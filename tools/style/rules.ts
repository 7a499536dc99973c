/** What the style check looks for, and what is allowed to break it, each with its reason. */

/** Lines a file may have: beyond it, a reader loses the way in it. */
export const FILE_LINES_MAX = 600;

/** Rooms whose files, tests aside, have fewer. */
export const shorter: readonly { readonly path: RegExp; readonly lines: number; readonly why: string }[] = [
  {
    path: /^packages\/broker\/src\/controller\/(?!.*\.test\.ts$)/,
    lines: 500,
    why: 'what a controller does is divided by what happens to it',
  },
];

/** Lines a function may have: what a reader sees at once. */
export const FUNCTION_LINES_MAX = 70;

/** A pattern that no source may contain. */
export interface Pattern {
  readonly name: string;
  readonly pattern: RegExp;
  /** Which files it is looked for in. */
  readonly files: RegExp;
  readonly why: string;
}

// Markers are put together from halves, so that this file does not contain what it forbids.
const MARKERS = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|');

export const patterns: readonly Pattern[] = [
  {
    name: 'switched-off test',
    pattern: /\b(?:it|test|describe|bench)\.(?:skip|only|todo|fails)\b/,
    files: /\.test\.ts$/,
    why: 'a test that does not run protects nothing; use skipIf with a condition that says what the machine lacks',
  },
  {
    name: 'left-over marker',
    pattern: new RegExp(`\\b(?:${MARKERS})\\b`),
    files: /\.(?:ts|md|sh|ya?ml|json)$/,
    why: 'what is left to do belongs in an issue',
  },
  {
    name: 'path of one machine',
    pattern: /(?<![a-zA-Z0-9_.$}/-])\/(?:work|root|farm|home\/[a-z]+)\//,
    files: /\.(?:ts|md|sh|ya?ml|json)$/,
    why: 'it means nothing elsewhere',
  },
  {
    name: 'enum, namespace or parameter property',
    pattern: /^\s*(?:export\s+)?(?:declare\s+)?(?:const\s+)?(?:enum|namespace)\s+\w+\s*\{/,
    files: /\.ts$/,
    why: 'source runs with its types stripped, so only erasable syntax works',
  },
  {
    name: 'silenced type checker',
    pattern: /@ts-(?:ignore|nocheck)\b/,
    files: /\.ts$/,
    why: 'use @ts-expect-error with a reason: it complains when it is no longer needed',
  },
];

/** Files the patterns and the length do not hold for. */
export const exempt: readonly { path: RegExp; why: string }[] = [
  { path: /(^|\/)generated\//, why: 'written by tools/codegen; the definitions are what people read' },
  { path: /(^|\/)fixtures\//, why: 'data from outside, kept as it came' },
  { path: /^pnpm-lock\.yaml$/, why: 'written by pnpm' },
];

/** Single files that may break one rule, with the reason. The check complains about entries that are no longer needed. */
export const allowed: readonly { path: string; rule: string; why: string }[] = [
  { path: 'tools/style/style.test.ts', rule: 'switched-off test', why: 'proves that the rule can fail' },
];
