/** Judges an unpacked tarball as those who install it will meet it. Pure but for reading the folder it is given. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { moduleReferences, parse } from '../source/index.ts';

/** A `package.json` as far as it is read here. */
interface PackedManifest {
  readonly name: string;
  readonly exports?: unknown;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

/** Shorter than this, a README does not say what the package is. */
const README_CHARS_MIN = 80;

/** What is wrong with the package in `folder`; empty when nothing is. */
export function checkPacked(folder: string): string[] {
  const manifest: PackedManifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = globSync('**/*', { cwd: folder }).filter((file) => statSync(join(folder, file)).isFile());
  return [
    ...checkTexts(folder),
    ...checkContents(files),
    ...checkTargets(folder, manifest),
    ...checkVersions(manifest),
    ...files.filter((file) => /\.(?:js|d\.ts)$/.test(file)).flatMap((file) => checkImports(folder, file, manifest)),
  ];
}

function checkTexts(folder: string): string[] {
  const wrong: string[] = [];
  if (!existsSync(join(folder, 'LICENSE'))) wrong.push('there is no LICENSE inside');
  const readme = join(folder, 'README.md');
  if (!existsSync(readme) || readFileSync(readme, 'utf8').length < README_CHARS_MIN) {
    wrong.push('there is no README.md inside that says what the package is');
  }
  return wrong;
}

const SHIPPED =
  /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.+\.(?:js|d\.ts)|dist\/page\/.+\.(?:html|css|svg))$/;

/** Only what is built is shipped, of a page its files too: no sources, tests, fixtures, maps or build leftovers. */
function checkContents(files: readonly string[]): string[] {
  return files
    .filter((file) => !SHIPPED.test(file))
    .concat(files.filter((file) => /\.test\.|fixtures\//.test(file)))
    .map((file) => `${file} should not be inside`);
}

/** Everything the manifest points at exists, in `dist`; a program begins with a line that says what runs it. */
function checkTargets(folder: string, manifest: PackedManifest): string[] {
  const wrong: string[] = [];
  const targets = [...JSON.stringify([manifest.exports ?? {}, manifest.bin ?? {}]).matchAll(/"(\.?[\w./-]+\.\w+)"/g)]
    .map(([, target]) => target ?? '')
    .filter((target) => target !== './package.json' && !target.endsWith('package.json'));
  if (targets.length === 0) wrong.push('exports nothing');
  for (const target of targets) {
    if (!/^(?:\.\/)?dist\//.test(target) || !existsSync(join(folder, target))) {
      wrong.push(`${target} is named in package.json but is not a built file inside`);
    }
  }
  for (const program of Object.values(manifest.bin ?? {})) {
    const path = join(folder, program);
    if (existsSync(path) && !readFileSync(path, 'utf8').startsWith('#!/usr/bin/env node')) {
      wrong.push(`${program} is a program, but does not begin with #!/usr/bin/env node`);
    }
  }
  return wrong;
}

/** No range that means something in this workspace only. */
function checkVersions(manifest: PackedManifest): string[] {
  return Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })
    .filter(([, range]) => /^(?:workspace|link|file|catalog):/.test(range))
    .map(([name, range]) => `depends on ${name} as ${range}, which means nothing outside the workspace`);
}

/** Every import is a file inside, a dependency that is declared, or part of Node. */
function checkImports(folder: string, file: string, manifest: PackedManifest): string[] {
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
  const tree = parse({ path: file, text: readFileSync(join(folder, file), 'utf8') });
  const wrong: string[] = [];
  for (const { specifier, line } of moduleReferences(tree)) {
    const at = `${file}:${line}`;
    if (specifier.startsWith('.')) {
      const target = join(folder, dirname(file), specifier);
      const found = file.endsWith('.d.ts') ? target.replace(/\.js$/, '.d.ts') : target;
      if (!specifier.endsWith('.js') || !existsSync(found)) {
        wrong.push(`${at} imports ${specifier}, which is not inside`);
      }
    } else if (!isDeclared(specifier, declared)) {
      wrong.push(`${at} imports ${specifier}, which is not among the dependencies`);
    }
  }
  return wrong;
}

function isDeclared(specifier: string, declared: Readonly<Record<string, string>>): boolean {
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  return specifier.startsWith('node:') || builtinModules.includes(name) || name in declared;
}
