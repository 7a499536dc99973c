/** Writes a package's declarations with the compiler itself: one `.d.ts` beside each source that its doors reach. */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';

const root = join(import.meta.dirname, '../..');

/**
 * The compiler sees the siblings' sources, not their builds, and emits their declarations too; so it writes the whole
 * tree to a temporary folder, and the package takes its own part.
 *
 * @throws Error with the compiler's report when the package does not compile.
 */
export function emitTypes(folder: string, entry: readonly string[]): void {
  const out = mkdtempSync(join(tmpdir(), 'millrace-types-'));
  try {
    const config = join(out, 'tsconfig.json');
    writeFileSync(
      config,
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        files: entry.map((file) => join(folder, file)),
        include: [],
        compilerOptions: {
          noEmit: false,
          declaration: true,
          emitDeclarationOnly: true,
          // The types are checked once, by the check's step `types`; here it would be once for each package that is above a source.
          // What cannot be declared is said all the same.
          noCheck: true,
          rootDir: root,
          outDir: join(out, 'types'),
          typeRoots: [join(root, 'node_modules/@types')],
        },
      }),
    );
    compile(config);
    const own = join(out, 'types', relative(root, folder), 'src');
    for (const file of globSync('**/*.d.ts', { cwd: own })) {
      namesDeclarations(join(own, file));
    }
    cpSync(own, join(folder, 'dist'), { recursive: true });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
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
