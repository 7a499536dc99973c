import { describe, expect, it } from 'vitest';
import { offsetFileName, offsetOfFileName, parsePartitionFolderName } from './file-names.ts';

describe('file names', () => {
  it('have the offset in twenty digits', () => {
    expect(offsetFileName(42, '.log')).toBe('00000000000000000042.log');
    expect(offsetOfFileName('00000000000000000042.log', '.log')).toBe(42);
    expect(offsetOfFileName('00000000000000000042.index', '.log')).toBeUndefined();
    expect(offsetOfFileName('00000000000000000042.log.deleted', '.log')).toBeUndefined();
    expect(offsetOfFileName('leader-epoch-checkpoint', '.log')).toBeUndefined();
  });

  it('of folders are topic and partition, whatever dashes the topic has', () => {
    expect(parsePartitionFolderName('a-b-1-12')).toEqual({ topic: 'a-b-1', partition: 12 });
    expect(parsePartitionFolderName('__consumer_offsets-0')).toEqual({ topic: '__consumer_offsets', partition: 0 });
    for (const other of ['a-1.0123456789abcdef-delete', 'a-1.0123456789abcdef-future', 'a', 'a-', '-1', 'a-x']) {
      expect(parsePartitionFolderName(other), other).toBeUndefined();
    }
    expect(parsePartitionFolderName('__cluster_metadata-0')).toBeUndefined();
  });
});
