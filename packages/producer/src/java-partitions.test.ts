/** What Apache Kafka's own classes say of 100,000 keys (`node tools/partitions/main.ts` has asked them), held against ours. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { murmur2, murmur2OfString } from './murmur2.ts';
import { partitionForKey } from './partitioner.ts';

const CODE_POINTS = [0x6b, 0x37, 0xe9, 0xdf, 0x3b4, 0x6d41, 0x20ac, 0xffff, 0x10400, 0x1f30a];
const KEY_UNITS_MAX = 80;

const fixture = JSON.parse(readFileSync(new URL('../fixtures/java-partitions.json', import.meta.url), 'utf8')) as {
  keys: number;
  seed: number;
  murmur2Sha256: string;
  partitionsSha256: Record<string, string>;
  samples: [hex: string, hash: number][];
};

/** The keys that the Java program makes: bytes, ASCII and other text in turns, made by the same generator. */
function* keys(): Generator<Uint8Array | string> {
  let state = fixture.seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 16) % below;
  };
  for (let number = 0; number < fixture.keys; number += 1) {
    const units = next(KEY_UNITS_MAX);
    if (number % 3 === 0) yield Uint8Array.from({ length: units }, () => next(256));
    else {
      const points = Array.from({ length: units }, () =>
        number % 3 === 1 ? 32 + next(95) : CODE_POINTS[next(CODE_POINTS.length)]!,
      );
      yield String.fromCodePoint(...points);
    }
  }
}

function sha256(of: (key: Uint8Array | string) => number): string {
  const results = Buffer.alloc(4 * fixture.keys);
  let at = 0;
  for (const key of keys()) at = results.writeInt32BE(of(key), at);
  return createHash('sha256').update(results).digest('hex');
}

const hashOf = (key: Uint8Array | string): number => (typeof key === 'string' ? murmur2OfString(key) : murmur2(key));

it('the first keys and their hashes are those of Java', () => {
  const first = [...keys()].slice(0, fixture.samples.length);
  expect(first.map((key) => [Buffer.from(key as string).toString('hex'), hashOf(key)])).toEqual(fixture.samples);
});

it(`murmur2 of ${fixture.keys} keys is what Java computes`, () => {
  expect(fixture.keys).toBe(100_000);
  expect(sha256(hashOf)).toBe(fixture.murmur2Sha256);
});

it.each(Object.entries(fixture.partitionsSha256))(
  'of %s partitions every key gets the one that Java gives it',
  (count, hash) => {
    expect(sha256((key) => partitionForKey(key, Number(count)))).toBe(hash);
  },
);
