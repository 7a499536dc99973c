import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLines } from './lines.ts';

async function linesOf(chunks: readonly Buffer[], lineBytesMax?: number): Promise<string[]> {
  const lines: string[] = [];
  async function* source(): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  for await (const some of readLines(source(), lineBytesMax)) lines.push(...some.map(String));
  return lines;
}

describe('lines of input', () => {
  it('end as on Windows too, wherever the input is cut', async () => {
    for (let at = 1; at < 6; at += 1) {
      const input = Buffer.from('a\r\n\rb\r\n');
      expect(await linesOf([input.subarray(0, at), input.subarray(at)])).toEqual(['a', '\rb']);
    }
  });

  it('are the same however the input is cut', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'ü', '\n', '\r'), maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), async (input, sizes) => {
        const bytes = Buffer.from(input);
        const chunks: Buffer[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const size = sizes[turn % sizes.length]!;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const expected = input.split(/\r?\n/);
        if (expected[expected.length - 1] === '') expected.pop();
        expect(await linesOf(chunks)).toEqual(expected);
      }),
    );
  });

  it('may not go on for ever', async () => {
    await expect(linesOf([Buffer.alloc(6, 'a'), Buffer.alloc(6, 'a')], 10)).rejects.toMatchObject({
      code: 'CLI_INPUT_INVALID',
    });
  });
});
