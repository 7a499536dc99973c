import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameAssembler, TRUSTED_FRAME_BYTES } from './frame-assembler.ts';

function framed(body: Uint8Array): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

function sizePrefix(bytes: number): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes);
  return size;
}

function drain(assembler: FrameAssembler): Buffer[] {
  const frames: Buffer[] = [];
  for (let frame = assembler.next(); frame !== undefined; frame = assembler.next()) {
    frames.push(frame);
  }
  return frames;
}

/** Cuts a stream at the given places. */
function cut(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((place) => place % (stream.length + 1)))].sort((a, b) => a - b);
  return [...places, stream.length].map((end, index) => stream.subarray(places[index - 1] ?? 0, end));
}

describe('FrameAssembler', () => {
  it('hands out the same frames however the stream is cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.nat({ max: 5000 }), { maxLength: 40 }),
        (bodies, cuts) => {
          const assembler = new FrameAssembler({ frameBytesMax: 1000 });
          const frames: Buffer[] = [];
          for (const chunk of cut(Buffer.concat(bodies.map(framed)), cuts)) {
            assembler.push(chunk);
            frames.push(...drain(assembler));
          }
          expect(frames.map((frame) => frame.toString('hex'))).toEqual(
            bodies.map((body) => Buffer.from(body).toString('hex')),
          );
          expect(assembler.midFrame).toBe(false);
          expect(assembler.partialBytes).toBe(0);
        },
      ),
    );
  });

  it('keeps frames apart from chunks that are only lent', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.nat({ max: 5000 }), { maxLength: 40 }),
        (bodies, cuts) => {
          const assembler = new FrameAssembler({ frameBytesMax: 1000, chunksAreLent: true });
          const frames: Buffer[] = [];
          for (const chunk of cut(Buffer.concat(bodies.map(framed)), cuts)) {
            const lent = Buffer.from(chunk);
            assembler.push(lent);
            frames.push(...drain(assembler));
            lent.fill(0xff);
          }
          expect(frames.map((frame) => frame.toString('hex'))).toEqual(
            bodies.map((body) => Buffer.from(body).toString('hex')),
          );
        },
      ),
    );
  });

  it('hands out the same frames when chunks are pushed before frames are taken', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 12 }),
        fc.array(fc.nat({ max: 700 }), { maxLength: 20 }),
        (bodies, cuts) => {
          const assembler = new FrameAssembler({ frameBytesMax: 1000 });
          for (const chunk of cut(Buffer.concat(bodies.map(framed)), cuts)) {
            assembler.push(chunk);
          }
          expect(drain(assembler).map((frame) => [...frame])).toEqual(bodies.map((body) => [...body]));
        },
      ),
    );
  });

  it('gives a frame that lies whole in a chunk as a view of the chunk', () => {
    const assembler = new FrameAssembler({ frameBytesMax: 1000 });
    const chunk = Buffer.concat([framed(Buffer.from('abc')), framed(Buffer.from('defg'))]);
    assembler.push(chunk);
    const [first, second] = drain(assembler);
    expect(first?.buffer).toBe(chunk.buffer);
    expect(second?.toString()).toBe('defg');
    expect(second?.buffer).toBe(chunk.buffer);
  });

  it('allocates a frame of trusted size once, whatever the number of chunks', () => {
    const allocated: number[] = [];
    const assembler = new FrameAssembler({
      frameBytesMax: TRUSTED_FRAME_BYTES,
      allocateFrame: (bytes) => {
        allocated.push(bytes);
        return Buffer.alloc(bytes);
      },
    });
    const body = Buffer.alloc(TRUSTED_FRAME_BYTES, 7);
    for (const chunk of cut(framed(body), [1, 5, 70_000, 500_000, 900_000])) {
      assembler.push(chunk);
    }
    expect(drain(assembler)[0]?.equals(body)).toBe(true);
    expect(allocated).toEqual([TRUSTED_FRAME_BYTES]);
  });

  it('does not believe a large size until the bytes come', () => {
    const allocated: number[] = [];
    const assembler = new FrameAssembler({
      frameBytesMax: 104_857_600,
      allocateFrame: (bytes) => {
        allocated.push(bytes);
        return Buffer.allocUnsafe(bytes);
      },
    });
    assembler.push(sizePrefix(104_857_600));
    assembler.push(Buffer.alloc(10));
    expect(assembler.next()).toBeUndefined();
    expect(allocated).toEqual([TRUSTED_FRAME_BYTES]);
    assembler.push(Buffer.alloc(TRUSTED_FRAME_BYTES));
    expect(assembler.next()).toBeUndefined();
    expect(allocated).toEqual([TRUSTED_FRAME_BYTES, 2 * TRUSTED_FRAME_BYTES]);
  });

  it('keeps the content when a large frame outgrows its buffer several times', () => {
    const body = Buffer.from(Uint32Array.from({ length: 1_300_000 }, (_, index) => index * 2654435761).buffer);
    const assembler = new FrameAssembler({ frameBytesMax: 10_000_000 });
    const frames: Buffer[] = [];
    for (let at = 0, stream = framed(body); at < stream.length; at += 65_536) {
      assembler.push(stream.subarray(at, at + 65_536));
      frames.push(...drain(assembler));
    }
    expect(frames).toHaveLength(1);
    expect(frames[0]?.equals(body)).toBe(true);
  });

  it.each([-1, -2_147_483_648, 1001, 2_147_483_647])('stops at a size of %i', (size) => {
    const assembler = new FrameAssembler({ frameBytesMax: 1000 });
    assembler.push(Buffer.concat([framed(Buffer.from('ok')), sizePrefix(size), Buffer.alloc(100)]));
    expect(drain(assembler)).toHaveLength(1);
    expect(assembler.fault).toEqual({ sizeBytes: size, first: false });
    assembler.push(framed(Buffer.from('later')));
    expect(assembler.next()).toBeUndefined();
  });

  it('waits where memory is refused and goes on when it is granted', () => {
    let granted = false;
    let heldBytes = 0;
    const memory = {
      take: (bytes: number) => {
        heldBytes += granted ? bytes : 0;
        return granted;
      },
      release: (bytes: number) => {
        heldBytes -= bytes;
      },
    };
    const assembler = new FrameAssembler({ frameBytesMax: 1000, memory });
    const stream = framed(Buffer.from('hello world'));
    assembler.push(stream.subarray(0, 9));
    expect(assembler.next()).toBeUndefined();
    expect(assembler.blocked).toBe(true);
    granted = true;
    expect(assembler.next()).toBeUndefined();
    expect(assembler.blocked).toBe(false);
    expect(heldBytes).toBe(5);
    assembler.push(stream.subarray(9));
    expect(assembler.next()?.toString()).toBe('hello world');
    expect(heldBytes).toBe(0);
  });

  it('gives back what it held when it is dropped', () => {
    let heldBytes = 0;
    const memory = {
      take: (bytes: number) => {
        heldBytes += bytes;
        return true;
      },
      release: (bytes: number) => {
        heldBytes -= bytes;
      },
    };
    const assembler = new FrameAssembler({ frameBytesMax: 1000, memory });
    assembler.push(framed(Buffer.from('hello')).subarray(0, 7));
    assembler.next();
    expect(assembler.midFrame).toBe(true);
    assembler.dispose();
    expect(heldBytes).toBe(0);
    expect(assembler.midFrame).toBe(false);
  });
});
