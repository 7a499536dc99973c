import { describe, expect, it } from 'vitest';
import { ReadChunk, ReadMemory } from './read-memory.ts';
import { ReadPlaces } from './read-places.ts';

const KIB = 1024;

function chunkOf(memory: ReadMemory, fromOffset: number, places = new ReadPlaces(memory)): ReadChunk {
  const taken = memory.take(100 * KIB)!;
  const chunk = new ReadChunk(places, {
    bytes: taken,
    fromOffset,
    bytesMax: 1,
    nextOffset: fromOffset + 1,
    memory: taken,
  });
  places.share(chunk, places.changes);
  return chunk;
}

describe('memory for reads', () => {
  it('is used again as soon as its last reader has done', () => {
    const memory = new ReadMemory(1000 * KIB);
    const chunk = chunkOf(memory, 0);
    chunk.use();
    chunk.release();
    expect(memory.take(100 * KIB)).not.toBe(chunk.bytes);
    chunk.release();
    expect(memory.usedBytes).toBe(100 * KIB);
    expect(memory.take(90 * KIB)).toBe(chunk.bytes);
    expect(memory.usedBytes).toBe(0);
  });

  it('is not taken for small reads, nor for such as would take most of it', () => {
    const memory = new ReadMemory(1000 * KIB);
    expect([memory.take(KIB), memory.take(600 * KIB)]).toEqual([undefined, undefined]);
    memory.give(Buffer.alloc(400 * KIB));
    expect(memory.take(100 * KIB)).toHaveLength(100 * KIB);
  });

  it('keeps no more than its bound, and what was read ahead rather than what is free', () => {
    const memory = new ReadMemory(250 * KIB);
    const places = new ReadPlaces(memory);
    const chunks = [0, 1, 2].map((offset) => chunkOf(memory, offset, places));
    memory.give(Buffer.alloc(100 * KIB));
    for (const chunk of chunks) memory.keepAhead(chunk);
    expect(memory.usedBytes).toBe(200 * KIB);
    expect(chunks.map((chunk) => places.isShared(chunk))).toEqual([false, true, true]);
    expect(places.chunkFrom(1, 1, 2)).toBe(chunks[1]);
    expect(memory.usedBytes).toBe(100 * KIB);
  });

  it('goes back to the system when nobody reads', () => {
    const memory = new ReadMemory(1000 * KIB);
    const places = new ReadPlaces(memory);
    memory.keepAhead(chunkOf(memory, 0, places));
    chunkOf(memory, 1).release();
    memory.trim();
    expect(memory.usedBytes).toBe(200 * KIB);
    memory.trim();
    expect({ usedBytes: memory.usedBytes, ahead: places.hasReadFrom(0) }).toEqual({ usedBytes: 0, ahead: false });
  });
});
