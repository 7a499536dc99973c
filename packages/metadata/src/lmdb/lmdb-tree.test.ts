import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLmdbTree } from './lmdb-tree.ts';

/** Written by lmdb-js 3.5.6: 120 topics of which 40 were deleted again, values on several pages, names beyond ASCII. */
const file = gunzipSync(readFileSync(new URL('../../fixtures/lmdb.mdb.gz', import.meta.url)));

describe('a store that an earlier build kept in LMDB', () => {
  it('is read whole', () => {
    const tree = readLmdbTree(file);
    expect(tree.zxid).toBe(176);
    expect(tree.childrenOf('/brokers/topics')).toHaveLength(81);
    expect(tree.node('/controller_epoch')).toEqual({
      data: '12',
      version: 5,
      childrenCreated: 0,
      czxid: 3,
      mzxid: 175,
      createdMs: 1_700_000_000_000,
      modifiedMs: 1_700_000_000_000,
      ephemeralOwner: undefined,
    });
    expect(tree.node('/large')?.data).toBe('abcdefghij'.repeat(2000));
    expect(Buffer.from(String(tree.node('/bytes')?.data), 'latin1')).toEqual(
      Buffer.from(Array.from({ length: 256 }, (_, index) => index)),
    );
    expect(Buffer.from(String(tree.node('/brokers/topics/café')?.data), 'latin1').toString()).toBe('é');
    expect(tree.childrenOf('/brokers/ids')).toEqual([]);
  });

  it('is read or refused with an error, whatever its bytes are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 64 }),
        fc.option(fc.nat(file.length), { nil: file.length }),
        (changes, length) => {
          const damaged = Buffer.from(file.subarray(0, length));
          for (const [at, value] of changes) if (at < length) damaged[at] = value;
          try {
            readLmdbTree(damaged);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
