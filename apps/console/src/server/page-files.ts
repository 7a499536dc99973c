/** The built page: read once, served from memory, so that no request decides which file is read. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import fs, { readFile, stat } from 'node:fs/promises';
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
 * Reads the built page. In a checkout, where sources are what runs, it is built first when it is missing or older than they are.
 * @throws ConsoleError `CONSOLE_PAGE_MISSING`
 */
export async function readPage({ built, root }: PagePlace = pagePlace()): Promise<ReadonlyMap<string, PageFile>> {
  if (existsSync(join(root, 'page/index.html')) && (await isStale(built, root))) await build(root);
  const files = new Map<string, PageFile>();
  for await (const name of fs.glob('**/*.*', { cwd: built })) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = await readFile(join(built, name));
    const zipped = await promisify(gzip)(bytes);
    files.set(`/${name}`, { type, bytes, zipped, isImmutable: name.startsWith('assets/') });
  }
  if (!files.has('/index.html')) {
    throw new ConsoleError('CONSOLE_PAGE_MISSING', `The console's page is not in ${built}: build it with pnpm build`);
  }
  return files;
}

async function isStale(built: string, root: string): Promise<boolean> {
  const page = join(built, 'index.html');
  if (!existsSync(page)) return true;
  const { mtimeMs } = await stat(page);
  for await (const name of fs.glob('{page/**/*.*,src/api/*.ts,vite.config.ts}', { cwd: root })) {
    if ((await stat(join(root, name))).mtimeMs > mtimeMs) return true;
  }
  return false;
}

/** With the builder of the checkout, in a process of its own: it is no part of what is installed. */
async function build(root: string): Promise<void> {
  try {
    const vite = join(dirname(createRequire(join(root, 'package.json')).resolve('vite/package.json')), 'bin/vite.js');
    await promisify(execFile)(process.execPath, [vite, 'build', '--logLevel', 'error'], { cwd: root });
  } catch (cause) {
    throw new ConsoleError('CONSOLE_PAGE_MISSING', `The console's page could not be built: ${String(cause)}`, {
      cause,
    });
  }
}
