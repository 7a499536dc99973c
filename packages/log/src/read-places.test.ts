import { expect, it } from 'vitest';
import { ReadMemory } from './read-memory.ts';
import { ReadPlaces } from './read-places.ts';

it('remembers where the last so many reads ended, and forgets the oldest first', () => {
  const places = new ReadPlaces(new ReadMemory(0));
  for (let offset = 0; offset < 64; offset += 1) places.note(offset, offset * 100);
  places.note(0, 1);
  places.note(64, 6400);
  expect([places.positionOf(0), places.positionOf(1), places.positionOf(2), places.positionOf(64)]).toEqual([
    1,
    undefined,
    200,
    6400,
  ]);
  places.clear();
  expect(places.positionOf(0)).toBeUndefined();
});
