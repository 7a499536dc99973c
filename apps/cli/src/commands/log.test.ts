import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLogConfig, LogManager } from '@millrace/log';
import { NodeDisk, seededRandom, systemClock } from '@millrace/ports';
import { buildEndTxnMarker, Compression, RecordBatchBuilder } from '@millrace/records';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { millrace } from '../testing/test-cli.ts';

let folder: string;
let partition: string;

const run = (...args: string[]): ReturnType<typeof millrace> => millrace(undefined, ['log', ...args]);
const fileOf = (suffix: string): string => join(partition, `00000000000000000000${suffix}`);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-cli-log-'));
  partition = join(folder, 'orders-0');
  const logs = new LogManager({
    disk: new NodeDisk(),
    clock: systemClock,
    random: seededRandom(1),
    logDirs: [folder],
    brokerId: 1,
    clusterId: 'MkU3OEVBNTcwNTJENDM2Qg',
    configOf: () => ({ ...defaultLogConfig, segmentBytes: 2000, indexIntervalBytes: 200 }),
  });
  await logs.open();
  const log = await logs.getOrCreate('orders', 0, { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', isNew: true });
  for (let i = 0; i < 40; i += 1) {
    const builder = new RecordBatchBuilder();
    builder.append(1_700_000_000_000 + i, `k${i}`, i === 1 ? null : `value ${i}`, [{ key: 'h', value: 'x' }]);
    const isTransactional = i < 3;
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: i, isTransactional };
    const compression = i === 5 ? Compression.ZSTD : Compression.NONE;
    await log.append(builder.build({ ...producer, compression }), { leaderEpoch: 0, origin: 'client' });
    if (i !== 2) continue;
    const marker = {
      type: 0,
      coordinatorEpoch: 4,
      producerId: 7,
      producerEpoch: 0,
      timestampMs: 1_700_000_000_002,
    } as const;
    await log.append(buildEndTxnMarker(marker), { leaderEpoch: 0, origin: 'coordinator' });
  }
  await logs.close(1);
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('millrace log dump', () => {
  it('prints batches, records and markers', async () => {
    const { stdout, exitCode } = await run('dump', fileOf('.log'), '--records');
    const lines = stdout.split('\n');
    expect(exitCode).toBe(0);
    expect(lines[0]).toMatch(
      /^byte 0: offsets 0 to 0, 1 record, \d+ B uncompressed, largest timestamp 2023-11-14T22:13:20.000Z, leader epoch 0, producer 7 epoch 0 sequence 0 to 0, transactional, CRC [0-9a-f]{8}$/,
    );
    expect(lines[1]).toBe('  0  2023-11-14T22:13:20.000Z  "k0" = "value 0"  (h="x")');
    expect(lines[3]).toBe('  1  2023-11-14T22:13:20.001Z  "k1" = null  (h="x")');
    expect(stdout).toContain('abort marker of coordinator epoch 4');
    expect(stdout).toContain('B zstd,');
  });

  it('prints indexes, snapshots and checkpoints', async () => {
    const snapshot = readdirSync(partition).find((name) => name.endsWith('.snapshot'))!;
    const files = [
      fileOf('.index'),
      fileOf('.timeindex'),
      fileOf('.txnindex'),
      join(partition, snapshot),
      join(partition, 'leader-epoch-checkpoint'),
      join(folder, 'recovery-point-offset-checkpoint'),
      join(partition, 'partition.metadata'),
    ];
    const { stdout, exitCode } = await run('dump', ...files);
    expect(exitCode).toBe(0);
    for (const expected of [
      /^offset \d+ at byte \d+$/m,
      /^timestamp 17\d+ \(2023-11-14T.*\) at offset \d+$/m,
      /^producer 7 aborted offsets 0 to 3, last stable offset 4$/m,
      /^producer 7 epoch 0, last sequence \d+ at offset \d+, last seen 2023.*, coordinator epoch 4, no open transaction$/m,
      /^leader epoch 0 from offset 0$/m,
      /^orders-0 41$/m,
      /^topic_id: AAAAAAAAAAAAAAAAAAAAAQ$/m,
    ])
      expect(stdout).toMatch(expected);
  });

  it('prints an object a line for scripts', async () => {
    const { stdout } = await millrace(undefined, ['--json', 'log', 'dump', fileOf('.log'), '--records']);
    const entries = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(entries[6]).toMatchObject({ kind: 'batch', baseOffset: 6, compression: 'zstd', producerId: 7 });
    expect(entries[0].records[0]).toMatchObject({ offset: 0, key: 'k0', value: 'value 0' });
  });

  it('verifies a segment with its indexes, from any of its files', async () => {
    expect(await run('dump', fileOf('.index'), '--verify')).toMatchObject({ exitCode: 0 });
    const index = readFileSync(fileOf('.index'));
    index.writeInt32BE(index.readInt32BE(4) + 1, 4);
    writeFileSync(fileOf('.index'), index);
    const { stdout, exitCode } = await run('dump', fileOf('.log'), '--verify');
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/\.index at byte 0: offset \d+ leads to byte \d+, which is the middle of a batch/);
  });

  it('says what it cannot read', async () => {
    expect(await run('dump', join(folder, 'what.txt'))).toMatchObject({ exitCode: 1 });
    const missing = await run('dump', join(folder, '00000000000000000000.log'));
    expect(missing.stderr).toContain('Cannot read');
  });
});

describe('millrace log verify', () => {
  it.each([
    ['missing', /^error: Cannot verify \S+missing: there is no such folder\.\n$/],
    ['a-file/x', /^error: Cannot verify \S+a-file\/x: there is no such folder\.\n$/],
    ['a-file', /^error: Cannot verify \S+a-file: it is a file, not a folder\.\n`millrace log dump FILE`/],
  ])('says what it is that was given, before it reads anything: %s', async (name, message) => {
    writeFileSync(join(folder, 'a-file'), '');
    const { stdout, stderr, exitCode } = await run('verify', folder, join(folder, name));
    expect([stdout, stderr, exitCode]).toEqual(['', expect.stringMatching(message), 1]);
  });

  it.each(['.', 'empty', 'no-log-0', '__millrace_metadata'])(
    'takes nothing for whole that holds no log: %s',
    async (name) => {
      const other = join(folder, 'other');
      for (const each of ['empty', 'no-log-0', '__millrace_metadata'])
        mkdirSync(join(other, each), { recursive: true });
      const { stdout, exitCode } = await run('verify', folder, join(other, name));
      expect([stdout.split('\n')[1], exitCode]).toEqual([expect.stringMatching(/: nothing to verify\. /), 1]);
    },
  );

  it('finds nothing wrong in what was written', async () => {
    for (const args of [[folder], [folder, '--deep'], [partition]]) {
      const { stdout, stderr, exitCode } = await run('verify', ...args);
      expect([exitCode, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/: no damage in 1 partition, \d+ segments, 41 records, \d/);
    }
  });

  it('finds every flipped bit of a segment, and tells topic, file and position', async () => {
    const original = fileOf('.log');
    const bytes = readFileSync(original);
    for (let at = 0; at < 400; at += 7) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 4;
      writeFileSync(original, damaged);
      const { stdout, exitCode } = await run('verify', folder);
      // Offset and leader epoch lie outside the CRC; what a wrong epoch says is not to be told from the file alone.
      const isEpoch = /^1[2-5]$/.test(String(offsetInBatch(bytes, at)));
      if (!isEpoch) expect(`${at} ${exitCode} ${stdout}`).toMatch(/^\d+ 1 orders-0: 0{20}\.(log|index|timeindex)/);
    }
  });

  it('finds a cut index, a bad snapshot, a hole in the offsets, and a torn end', async () => {
    truncateSync(fileOf('.timeindex'), 20);
    const snapshot = readdirSync(partition).find((name) => name.endsWith('.snapshot'))!;
    truncateSync(join(partition, snapshot), 20);
    const logs = readdirSync(partition).filter((name) => name.endsWith('.log'));
    copyFileSync(fileOf('.log'), join(partition, logs[1]!));
    appendFileSync(join(partition, logs.at(-1)!), Buffer.alloc(10));
    const { stdout, exitCode } = await run('verify', folder);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('.timeindex: ');
    expect(stdout).toContain(`${snapshot}: `);
    expect(stdout).toMatch(/offset 0 comes behind offset \d+/);
    expect(stdout).toContain('(a torn end: the next start cuts it off)');
    const { stdout: json } = await millrace(undefined, ['--json', 'log', 'verify', folder]);
    expect(JSON.parse(json)[0]).toMatchObject({ folder, isComplete: true, tornEnds: 1 });
  });

  it('tells of a folder in the place of a file, and goes on', async () => {
    for (const path of [fileOf('.log'), fileOf('.timeindex'), join(partition, 'leader-epoch-checkpoint')]) {
      rmSync(path);
      mkdirSync(path);
    }
    writeFileSync(join(folder, 'other-0'), 'no folder');
    const { stdout, exitCode } = await run('verify', folder);
    expect(exitCode).toBe(1);
    expect(stdout.match(/EISDIR/g)).toHaveLength(3);
    // A file that only has the name of a partition is none.
    expect(stdout).not.toContain('other-0');
  });

  it('leaves a directory alone that a broker uses', async () => {
    const lock = await new NodeDisk().lock(join(folder, '.lock'));
    const { stderr, exitCode } = await run('verify', folder);
    await lock?.release();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('in use by another broker');
  });
});

function offsetInBatch(bytes: Buffer, at: number): number {
  let start = 0;
  for (;;) {
    const sizeBytes = bytes.readInt32BE(start + 8) + 12;
    if (start + sizeBytes > at) return at - start;
    start += sizeBytes;
  }
}

describe('a file that is not there', () => {
  it.each(['gone.txt', '00000000000000000000.log'])('is called missing, whatever it is called: %s', async (name) => {
    const { exitCode, stderr } = await millrace(undefined, ['log', 'dump', `/nowhere/${name}`]);
    expect([exitCode, stderr]).toEqual([1, `error: Cannot read /nowhere/${name}: there is no such file.\n`]);
  });
});
