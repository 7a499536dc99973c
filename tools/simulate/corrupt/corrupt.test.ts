import { expect, it } from 'vitest';
import { flipEveryBit } from './flip-every-bit.ts';

it('finds a flipped bit or does not care, in one of many bits of a small log', async () => {
  const figures = await flipEveryBit({ everyNthBit: 61, seed: 5 });
  expect(figures.silent).toEqual([]);
  expect(figures.found).toBeGreaterThan(100);
});
