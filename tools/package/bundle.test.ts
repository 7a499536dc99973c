import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../source/index.ts';

const run = promisify(execFile);

/** What a user's program does, as far as it works without a broker: builds batches in all codecs and reads them again. */
const PROGRAM = `
import { Admin } from '@millrace/admin';
import { Consumer } from '@millrace/consumer';
import { Producer } from '@millrace/producer';
import { Compression, checkBatch, RecordBatchBuilder, readRecords } from '@millrace/records';

const done = [typeof Admin, typeof Consumer, typeof Producer];
for (const [name, compression] of Object.entries(Compression)) {
  const builder = new RecordBatchBuilder();
  for (let i = 0; i < 1000; i++) builder.append(i, 'key ' + i, 'value '.repeat(20) + i);
  const batch = builder.build({ compression });
  const records = readRecords(batch);
  done.push([name, checkBatch(batch, 0) ?? 'right', records.length, String(records[999].value).slice(-9)].join(' '));
}
console.log(JSON.stringify(done));
`;

const DONE = [
  'function',
  'function',
  'function',
  ...['NONE', 'GZIP', 'SNAPPY', 'LZ4', 'ZSTD'].map((name) => `${name} right 1000 value 999`),
];

describe('a program that is bundled to one file', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-bundle-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['esm', 'mjs'],
    ['cjs', 'cjs'],
  ] as const)('runs alone, where no package and no native code is to be found: %s', async (format, extension) => {
    const source = join(root, 'tools/sdk', 'bundled-program.mjs');
    const file = join(folder, `program.${extension}`);
    const { warnings } = await build({
      stdin: { contents: PROGRAM, resolveDir: join(root, 'tools/sdk'), sourcefile: source },
      bundle: true,
      platform: 'node',
      target: 'node22',
      format,
      outfile: file,
      logLevel: 'silent',
      // In a CommonJS file there is no address of a module: that is what the program has to live with.
      logOverride: { 'empty-import-meta': 'silent' },
    });
    expect(warnings).toEqual([]);
    writeFileSync(join(folder, 'package.json'), '{}');
    const { stdout } = await run(process.execPath, [file], { cwd: folder, env: {} });
    expect(JSON.parse(stdout)).toEqual(DONE);
  });
});
