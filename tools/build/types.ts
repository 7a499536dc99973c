/**
 * Packages' declarations, written by the compiler itself: one `.d.ts` beside each source that a package's doors reach. It sees the siblings'
 * sources, not their builds, and would write their declarations for every package again; so all are written once, as one program, and each
 * package takes its own.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '../..');

/** Where turbo.json's task `//#declarations` says that they are. */
const written = join(root, 'node_modules/.cache/millrace/declarations');

/**
 * Writes the declarations of every package.
 *
 * @throws Error with the compiler's report when a package does not compile.
 */
export async function writeTypes(): Promise<void> {
  const files = await allEntries();
  const out = mkdtempSync(join(tmpdir(), 'millrace-types-'));
  try {
    const config = join(out, 'tsconfig.json');
    writeFileSync(
      config,
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        files,
        include: [],
        compilerOptions: {
          noEmit: false,
          declaration: true,
          emitDeclarationOnly: true,
          // The types are checked once, by the check's step `types`. What cannot be declared is said all the same.
          noCheck: true,
          rootDir: root,
          outDir: join(out, 'types'),
          typeRoots: [join(root, 'node_modules/@types')],
          // What is found through node_modules is taken for somebody else's, of which nothing is written.
          paths: doors(),
        },
      }),
    );
    compile(config);
    for (const file of globSync('**/*.d.ts', { cwd: join(out, 'types') })) {
      namesDeclarations(join(out, 'types', file));
    }
    rmSync(written, { recursive: true, force: true });
    mkdirSync(written, { recursive: true });
    cpSync(join(out, 'types'), written, { recursive: true });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** Puts the declarations of the package in `folder` beside what it was built to. */
export async function takeTypes(folder: string): Promise<void> {
  // Turbo has them written before, from sources as they are now; who builds without it gets no older ones.
  if (process.env['TURBO_HASH'] === undefined) await writeTypes();
  const own = join(written, relative(root, folder), 'src');
  if (!existsSync(own)) {
    throw new Error(`there are no declarations in ${own}: build with \`pnpm build\`, which writes them first`);
  }
  cpSync(own, join(folder, 'dist'), { recursive: true });
}

/** What the packages' own settings say that they are built from. */
async function allEntries(): Promise<string[]> {
  const before = process.cwd();
  const entries: string[] = [];
  try {
    for (const settings of globSync('{packages,apps}/*/tsup.config.ts', { cwd: root }).sort()) {
      const folder = join(root, dirname(settings));
      // As tsup does, since they read their package's manifest.
      process.chdir(folder);
      const { default: options } = await import(pathToFileURL(join(root, settings)).href);
      entries.push(...options.entry.map((file: string) => join(folder, file)));
    }
  } finally {
    process.chdir(before);
  }
  return entries;
}

/** The names that packages import each other by, and the sources that these are in the workspace. */
function doors(): Record<string, string[]> {
  const paths: Record<string, string[]> = {};
  for (const manifest of globSync('{packages,apps}/*/package.json', { cwd: root })) {
    const { name, exports } = JSON.parse(readFileSync(join(root, manifest), 'utf8'));
    for (const [door, source] of Object.entries<string>(exports)) {
      if (source.endsWith('.ts')) paths[join(name, door)] = [join(root, dirname(manifest), source)];
    }
  }
  return paths;
}

function compile(config: string): void {
  try {
    execFileSync(join(root, `node_modules${sep}.bin${sep}tsc`), ['-p', config], { stdio: 'pipe', encoding: 'utf8' });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`the declarations do not compile:\n${stdout}${stderr}`, { cause: error });
  }
}

/** Sources import each other as `./x.ts`; what is published must name `./x.js`. */
function namesDeclarations(file: string): void {
  const text = readFileSync(file, 'utf8');
  const renamed = text.replace(/((?:from|import)\s*\(?\s*['"]\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1.js$2');
  writeFileSync(file, renamed);
}
