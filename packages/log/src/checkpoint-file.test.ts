import { MemoryDisk } from '@millrace/ports';
import { describe, expect, it } from 'vitest';
import {
  checkpointKey,
  decodeEpochCheckpoint,
  decodeOffsetCheckpoint,
  encodeEpochCheckpoint,
  encodeOffsetCheckpoint,
  readOffsetCheckpoint,
} from './checkpoint-file.ts';

describe('checkpoint files', () => {
  it('hold version, count, and topic, partition and offset a line', () => {
    const offsets = new Map([
      [checkpointKey('orders', 0), 42],
      [checkpointKey('a.b_c-1', 11), 9_007_199_254_740_991],
    ]);
    const text = '0\n2\norders 0 42\na.b_c-1 11 9007199254740991\n';
    expect(encodeOffsetCheckpoint(offsets).toString()).toBe(text);
    expect(decodeOffsetCheckpoint(Buffer.from(text), 'x')).toEqual(offsets);
  });

  it.each([
    ['\u001b[2J\u0007'.repeat(20), 'version "\\u001b[2J'],
    [`0\n\u001b]0;${'x'.repeat(100)}`, '"\\u001b]0;xxx'],
  ])('of rubbish are quoted shortly, and without what a terminal would act on', (text, shown) => {
    const decode = (): unknown => decodeOffsetCheckpoint(Buffer.from(text), 'x');
    expect(decode).toThrowError(shown);
    expect(decode).not.toThrowError(/\p{Cc}|.{200}/u);
  });

  it('hold version, count, and epoch and start offset a line', () => {
    const epochs = [
      { epoch: 0, startOffset: 0 },
      { epoch: 3, startOffset: 17 },
    ];
    expect(encodeEpochCheckpoint(epochs).toString()).toBe('0\n2\n0 0\n3 17\n');
    expect(decodeEpochCheckpoint(Buffer.from('0\n2\n0 0\n3 17\n'), 'x')).toEqual(epochs);
  });

  it('are refused when they are something else', () => {
    for (const text of [
      '\n',
      '1\n0\n',
      '0\n',
      '0\n1\n',
      '0\n2\na 0 1\n',
      '0\n1\na 0\n',
      '0\n1\na b c\n',
      '0\n1\na 0 1 2\n',
    ]) {
      expect(() => decodeOffsetCheckpoint(Buffer.from(text), '/d/file'), text).toThrow('/d/file');
    }
  });

  it('are empty when nobody has written into them yet', () => {
    expect(decodeOffsetCheckpoint(Buffer.alloc(0), 'x')).toEqual(new Map());
  });

  it('are empty when they are not there', async () => {
    expect(await readOffsetCheckpoint(new MemoryDisk(), '/d/none')).toEqual(new Map());
  });
});
