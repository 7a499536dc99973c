/** The built page: read once, served from memory, so that no request decides which file is read. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import fs, { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { ConsoleError } from '../errors.ts';

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly zipped: Buffer;
  /** Its name tells its content, so a browser may keep it for ever. */
  readonly isImmutable: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** What the page is built from, in a checkout. */
const SOURCES = '{page/**/*.*,src/api/*.ts,vite.config.ts,package.json}';
const DIGEST_DIGITS = 16;
/** A page that was built from sources of before is kept for so long. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/** Where the page is and, in a checkout, what it is built from. */
export interface PagePlace {
  readonly built: string;
  readonly root: string;
}

/** The built program lies in `dist`, the source in `src/server`. */
export function pagePlace(): PagePlace {
  const here = import.meta.dirname;
  const root = here.endsWith(join('src', 'server')) ? join(here, '../..') : join(here, '..');
  return { built: join(root, 'dist/page'), root };
}

/**
 * Reads the built page. In a checkout, where sources are what runs, it is built from them, unless it was before.
 * @throws ConsoleError `CONSOLE_PAGE_MISSING`
 */
export async function readPage({ built, root }: PagePlace = pagePlace()): Promise<ReadonlyMap<string, PageFile>> {
  const place = existsSync(join(root, 'page/index.html')) ? await builtFromSources(root) : built;
  const files = new Map<string, PageFile>();
  for await (const name of fs.glob('**/*.*', { cwd: place })) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = await readFile(join(place, name));
    const zipped = await promisify(gzip)(bytes);
    files.set(`/${name}`, { type, bytes, zipped, isImmutable: name.startsWith('assets/') });
  }
  if (!files.has('/index.html')) {
    throw new ConsoleError('CONSOLE_PAGE_MISSING', `The console's page is not in ${place}: build it with pnpm build`);
  }
  return files;
}

/**
 * The folder of the page that belongs to the sources as they are, built where there is none. Several processes of a checkout may come to
 * this at once, also while the package is built: each builds in a folder of its own, and the first to be done gives it its name.
 */
async function builtFromSources(root: string): Promise<string> {
  const cache = join(root, 'node_modules/.cache/page');
  const place = join(cache, await digestOfSources(root));
  if (existsSync(place)) return place;
  await mkdir(cache, { recursive: true });
  const own = await mkdtemp(join(cache, 'building-'));
  try {
    await build(root, own);
    await rename(own, place).catch((error: unknown) => {
      if (!existsSync(place)) throw error;
    });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
  await forgetOld(cache);
  return place;
}

async function digestOfSources(root: string): Promise<string> {
  const names: string[] = [];
  for await (const name of fs.glob(SOURCES, { cwd: root })) names.push(name);
  const digest = createHash('sha256');
  for (const name of names.toSorted()) digest.update(`${name}\0`).update(await readFile(join(root, name)));
  return digest.digest('hex').slice(0, DIGEST_DIGITS);
}

/** Who has only just found one of them reads it within moments. */
async function forgetOld(cache: string): Promise<void> {
  const nowMs = Date.now();
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: nowMs }));
    if (nowMs - mtimeMs > KEPT_MS) await rm(path, { recursive: true, force: true });
  }
}

/** With the builder of the checkout, in a process of its own: it is no part of what is installed. */
async function build(root: string, folder: string): Promise<void> {
  try {
    const vite = join(dirname(createRequire(join(root, 'package.json')).resolve('vite/package.json')), 'bin/vite.js');
    // Vite's own lock is about one folder for all of its builds, which these do not share.
    const options = ['--outDir', folder, '--bypass-lock', '--logLevel', 'error'];
    await promisify(execFile)(process.execPath, [vite, 'build', ...options], { cwd: root });
  } catch (cause) {
    throw new ConsoleError('CONSOLE_PAGE_MISSING', `The console's page could not be built: ${String(cause)}`, {
      cause,
    });
  }
}
