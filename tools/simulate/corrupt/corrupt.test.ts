import { expect, it } from 'vitest';
import { flipEveryBit } from './flip-every-bit.ts';

it('finds a flipped bit or a cut file, or does not care, in a sample of the files of a small log', async () => {
  const { kinds, silent } = await flipEveryBit({ everyNth: 41, seed: 5 });
  expect(silent).toEqual([]);
  expect(kinds.get('log')?.found).toBeGreaterThan(100);
  expect(kinds.get('timeindex')?.changes).toBeGreaterThan(50);
}, 240_000);
