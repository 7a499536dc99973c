/**
 * `node tools/package/main.ts [--install] [--to FOLDER]`: builds every package, packs it as it would be published, and judges
 * the tarballs: by our own rules, by publint, and by are-the-types-wrong. With `--install`, they are installed and used as npm
 * users do. With `--to`, the tarballs are left in that folder.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { root } from '../source/index.ts';
import { checkPacked } from './check.ts';
import { type Packed, tryInstalled } from './install.ts';
import { wrongTypes } from './types.ts';

const run = promisify(execFile);

/** Tarballs that were found right are remembered by content, because are-the-types-wrong takes a while. */
const SEEN = join(root, 'node_modules/.cache/millrace/packages');

/** Part of what is remembered: raise it when the judgement changes. */
const JUDGEMENT = '1';

const { values } = parseArgs({ options: { install: { type: 'boolean', default: false }, to: { type: 'string' } } });
const scratch = mkdtempSync(join(tmpdir(), 'millrace-packages-'));
try {
  await main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const built = await turboBuild();
  const to = values.to === undefined ? join(scratch, 'tarballs') : resolve(values.to);
  mkdirSync(to, { recursive: true });
  mkdirSync(SEEN, { recursive: true });
  const manifests = globSync(['packages/*/package.json', 'apps/*/package.json'], { cwd: root }).sort();
  const queue = [...manifests];
  const packages: Packed[] = [];
  let wrong = 0;
  const judge = async (): Promise<void> => {
    for (let manifest = queue.shift(); manifest !== undefined; manifest = queue.shift()) {
      const { name, tarball, line, faults } = await packAndCheck(join(root, dirname(manifest)), to);
      packages.push({ name, tarball });
      console.log(`${name.padEnd(22)} ${line}`);
      for (const fault of faults) {
        console.log(`    ${fault}`);
      }
      wrong += faults.length;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, judge));
  if (values.install) {
    const faults = await tryInstalled(packages, scratch);
    console.log(`installed and used: ${faults.length === 0 ? 'ok' : faults.join('\n')}`);
    wrong += faults.length;
  }
  console.log(`${manifests.length} packages, ${wrong} faults`);
  process.exitCode = built && wrong === 0 ? 0 : 1;
}

/** Builds what has changed; a package that fails is reported, and the others are judged all the same. */
async function turboBuild(): Promise<boolean> {
  try {
    await run('turbo', ['run', 'build', '--continue', '--output-logs=errors-only'], { cwd: root, maxBuffer: 64 << 20 });
    return true;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    console.log(`${stdout}${stderr}`);
    return false;
  }
}

interface Judged {
  readonly name: string;
  readonly tarball: string;
  readonly line: string;
  readonly faults: readonly string[];
}

async function packAndCheck(folder: string, to: string): Promise<Judged> {
  const packed = await run('pnpm', ['pack', '--json', '--pack-destination', to], { cwd: folder });
  const { name, filename, files } = JSON.parse(packed.stdout);
  const tarball = resolve(to, filename);
  const bytes = readFileSync(tarball);
  const line = `${String(files.length).padStart(3)} files ${(bytes.length / 1024).toFixed(1).padStart(7)} KiB packed`;
  const digest = createHash('sha256').update(JUDGEMENT).update(bytes).digest('hex');
  if (existsSync(join(SEEN, digest))) return { name, tarball, line, faults: [] };
  const unpacked = mkdtempSync(join(scratch, 'unpacked-'));
  await run('tar', ['-xzf', tarball, '-C', unpacked]);
  const faults = [
    ...checkPacked(join(unpacked, 'package')),
    ...(await askPublint(bytes)),
    ...(await wrongTypes(bytes)),
  ];
  if (faults.length === 0) writeFileSync(join(SEEN, digest), name);
  return { name, tarball, line, faults };
}

async function askPublint(bytes: Buffer): Promise<string[]> {
  const tarball = new Uint8Array(bytes).buffer;
  const { messages, pkg } = await publint({ pack: { tarball }, strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`);
}
