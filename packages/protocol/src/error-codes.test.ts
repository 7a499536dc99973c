import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ErrorCode, errorInfo } from './error-codes.ts';

const rows = readFileSync(new URL('../fixtures/kafka-errors.tsv', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split('\t'));

describe('the error codes', () => {
  it('are those of Kafka, with its names', () => {
    expect(Object.entries(ErrorCode)).toEqual(rows.map(([code, name]) => [name, Number(code)]));
  });

  it('say whether to try again and whether to refresh metadata, as Kafka does', () => {
    for (const [code, name, retriable, refreshMetadata] of rows) {
      expect(errorInfo(Number(code))).toEqual({
        code: Number(code),
        name,
        retriable: retriable === 'yes',
        refreshMetadata: refreshMetadata === 'yes',
      });
    }
  });

  it('that are not known count as an unknown error but keep their number', () => {
    expect(errorInfo(12_345)).toMatchObject({ code: 12_345, name: 'UNKNOWN_SERVER_ERROR', retriable: false });
  });
});
