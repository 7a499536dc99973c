import { RecordsError } from '../errors.ts';

/** The error for a codec's damaged data. */
export function badCompression(codec: string, what: string, cause?: unknown): RecordsError {
  return new RecordsError(
    'RECORDS_BAD_COMPRESSION',
    `Cannot decompress ${codec} records: ${what}. Their producer or the storage damaged them.`,
    { cause },
  );
}

/** The error for what would become larger than it may. */
export function tooLarge(codec: string, bytesMax: number): RecordsError {
  return new RecordsError(
    'RECORDS_TOO_LARGE',
    `Cannot decompress ${codec} records: they become more than ${bytesMax} bytes. Raise the bound, or send smaller batches.`,
  );
}
