import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type PagePlace, pagePlace, readPage } from './page-files.ts';

const FIRST_LOAD_BYTES_MAX = 250 * 1024;

let folder: string | undefined;

afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
  folder = undefined;
});

/** A checkout's console in which nothing was built yet. */
async function freshCheckout(): Promise<PagePlace> {
  const from = pagePlace().root;
  folder = await mkdtemp(join(tmpdir(), 'millrace-page-'));
  const root = join(folder, 'apps/console');
  await cp(join(from, '../../tsconfig.json'), join(folder, 'tsconfig.json'));
  for (const name of ['page', 'src/api', 'vite.config.ts', 'package.json']) {
    await cp(join(from, name), join(root, name), { recursive: true });
  }
  await mkdir(join(root, 'node_modules'));
  for (const name of await readdir(join(from, 'node_modules'))) {
    if (name.startsWith('.')) continue;
    await symlink(join(from, 'node_modules', name), join(root, 'node_modules', name));
  }
  return { built: join(root, 'dist/page'), root };
}

describe('the built page', () => {
  it('needs less than 250 KB for the first look', async () => {
    const files = await readPage();
    const index = files.get('/index.html')?.bytes.toString() ?? '';
    const named = [...index.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, name = '']) => name);
    expect(named.length).toBeGreaterThan(1);
    const sizes = ['/index.html', ...named].map((name) => files.get(name)?.zipped.length ?? Number.NaN);
    // The pages themselves come when they are looked at; the largest of them counts as well.
    const pages = [...files].filter(([name]) => name.endsWith('.js') && !named.includes(name));
    const largest = Math.max(...pages.map(([, { zipped }]) => zipped.length));
    expect(sizes.reduce((sum, size) => sum + size, largest)).toBeLessThan(FIRST_LOAD_BYTES_MAX);
    expect(index).not.toMatch(/<script(?![^>]*\ssrc=)/);
  });

  it('is built once by all who need it at once, and anew when its sources change', async () => {
    const place = await freshCheckout();
    const cache = join(place.root, 'node_modules/.cache/page');
    const [one, other] = await Promise.all([readPage(place), readPage(place)]);
    expect([...one!.keys()].toSorted()).toEqual([...other!.keys()].toSorted());
    const [built, ...more] = await readdir(cache);
    expect(more).toEqual([]);
    await readPage(place);
    expect(await readdir(cache)).toEqual([built]);
    await writeFile(join(place.root, 'page/public/added.svg'), '<svg/>');
    expect((await readPage(place)).has('/added.svg')).toBe(true);
    expect(await readdir(cache)).toHaveLength(2);
  }, 120_000);
});
