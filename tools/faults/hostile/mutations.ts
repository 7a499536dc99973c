import type { Random } from '@millrace/ports';

const SIZE_BYTES = 4;
/** Numbers that lengths and sizes go wrong at. */
const TELLING = [-1, 0, 1, -2, 0x7fffffff, -0x80000000, 0x7fff, 0x00100000, 524_289, 0x7ffffff0];

type Mutation = (frame: Buffer, corpus: readonly Buffer[], random: Random) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  (frame) => frame,
  (frame, _, random) => overwritten(frame, Buffer.from(random.bytes(1 + random.nextInt(8))), random),
  (frame, _, random) => overwritten(frame, int32(TELLING[random.nextInt(TELLING.length)] ?? 0), random),
  (frame, _, random) => overwritten(frame, Buffer.alloc(1 + random.nextInt(10), 0xff), random),
  (frame, _, random) => frame.subarray(0, random.nextInt(frame.length + 1)),
  (frame, _, random) => Buffer.concat([frame, random.bytes(random.nextInt(300))]),
  (frame, corpus, random) => Buffer.concat([frame.subarray(0, 8), any(corpus, random).subarray(8)]),
  (frame, _, random) => {
    // Another API, or a version of it, with the same body.
    const copy = Buffer.from(frame);
    if (copy.length >= 4) copy.writeInt16BE(random.nextInt(80), random.nextInt(2) * 2);
    return copy;
  },
  (_, __, random) => Buffer.from(random.bytes(random.nextInt(400))),
  // A header with nothing but tagged fields, each of two bytes.
  (_, __, random) =>
    Buffer.concat([Buffer.from('0012000300000001ffff', 'hex'), Buffer.alloc(random.nextInt(20_000), 1)]),
];

/** A frame that nobody should send, size in front; one in forty has a wrong size. */
export function mutated(corpus: readonly Buffer[], random: Random): Buffer {
  const frame = mutatedBytes(corpus, random);
  const isWrong = random.nextInt(40) === 0;
  const sizeBytes = isWrong ? (TELLING[random.nextInt(TELLING.length)] ?? 0) : frame.length;
  return Buffer.concat([int32(sizeBytes), frame], SIZE_BYTES + frame.length);
}

/** One of these that somebody has changed, without a size. */
export function mutatedBytes(corpus: readonly Buffer[], random: Random): Buffer {
  let bytes = any(corpus, random);
  for (let times = 1 + random.nextInt(3); times > 0; times -= 1) {
    bytes = (MUTATIONS[random.nextInt(MUTATIONS.length)] as Mutation)(bytes, corpus, random);
  }
  return bytes;
}

function any(corpus: readonly Buffer[], random: Random): Buffer {
  return corpus[random.nextInt(corpus.length)] ?? Buffer.alloc(0);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(SIZE_BYTES);
  bytes.writeInt32BE(value);
  return bytes;
}

function overwritten(frame: Buffer, bytes: Buffer, random: Random): Buffer {
  if (frame.length === 0) return bytes;
  const copy = Buffer.from(frame);
  bytes.copy(copy, random.nextInt(copy.length));
  return copy;
}
