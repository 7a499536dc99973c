/** Lays the built packages out as they lie after an install, so that what is measured is what users run and not the sources. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly publishConfig?: Readonly<Record<string, unknown>>;
}

/**
 * Copies the built `millrace` with all that it depends on into a folder of its own.
 * @returns The program, and the folder, which is the caller's to remove.
 * @throws Error when something is not built: `pnpm build` does that.
 */
export function installBuilt(): { program: string; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-installed-'));
  const installed = new Map<string, string>();
  const program = install(join(root, 'apps/cli'), folder, installed);
  return { program: join(program, 'dist/main.js'), folder };
}

/** Installs one package, its dependencies first, and returns where it is. */
function install(source: string, folder: string, installed: Map<string, string>): string {
  const manifest: Manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  const known = installed.get(manifest.name);
  if (known !== undefined) return known;
  if (!existsSync(join(source, 'dist'))) throw new Error(`${manifest.name} is not built: run "pnpm build" first`);
  const target = join(folder, manifest.name);
  installed.set(manifest.name, target);
  mkdirSync(join(target, 'node_modules'), { recursive: true });
  // What pnpm does when it packs: the fields of `publishConfig` take the place of the others.
  writeFileSync(join(target, 'package.json'), JSON.stringify({ ...manifest, ...manifest.publishConfig }));
  cpSync(join(source, 'dist'), join(target, 'dist'), { recursive: true });
  for (const [name, range] of Object.entries(manifest.dependencies ?? {})) {
    const dependency = realpathSync(join(source, 'node_modules', name));
    const link = join(target, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(range.startsWith('workspace:') ? install(dependency, folder, installed) : dependency, link);
  }
  return target;
}
