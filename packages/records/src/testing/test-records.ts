import fc from 'fast-check';
import type { RecordHeaderInput } from '../record.ts';

/** A record to be written, as property tests draw it. */
export interface RecordInput {
  timestamp: number;
  key: string | Uint8Array | null;
  value: string | Uint8Array | null;
  headers: RecordHeaderInput[];
}

const bytesOrText = fc.oneof(
  fc.constant(null),
  fc.string({ unit: 'binary' }),
  fc.uint8Array(),
  fc.uint8Array({ minLength: 50, maxLength: 200 }),
);

/** Timestamps near each other, far apart, and at the ends of what is allowed. */
const timestamp = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_001_000 }),
  fc.integer({ min: -1, max: 2 ** 52 }),
  fc.constantFrom(-1, 0, 2 ** 31, 2 ** 32, 2 ** 52),
);

const header = fc.record({
  key: fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((text) => Buffer.from(text)),
  ),
  value: fc.oneof(bytesOrText, fc.constant(undefined)),
});

/** One record of arbitrary content. */
export const recordInput: fc.Arbitrary<RecordInput> = fc.record({
  timestamp,
  key: bytesOrText,
  value: bytesOrText,
  headers: fc.array(header, { maxLength: 4 }),
});

/** The records of one batch. */
export const recordInputs: fc.Arbitrary<RecordInput[]> = fc.array(recordInput, { minLength: 1, maxLength: 30 });

/** Text that looks like what people send: JSON lines, which compress well. */
export function jsonLines(bytes: number): Buffer {
  let text = '';
  for (let i = 0; text.length < bytes; i += 1) {
    text += `${JSON.stringify({ id: i, user: `user-${(i * 7919) % 1000}`, action: ['click', 'view', 'buy'][i % 3], amount: ((i * 31_337) % 100_000) / 100 })}\n`;
  }
  return Buffer.from(text).subarray(0, bytes);
}

/** Bytes that do not compress, the same for the same seed. */
export function noise(bytes: number, seed = 1): Buffer {
  const buffer = Buffer.alloc(bytes);
  let state = seed | 0;
  for (let i = 0; i < bytes; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    buffer[i] = state >>> 24;
  }
  return buffer;
}
