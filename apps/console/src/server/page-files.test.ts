import { describe, expect, it } from 'vitest';
import { readPage } from './page-files.ts';

const FIRST_LOAD_BYTES_MAX = 250 * 1024;

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
});
