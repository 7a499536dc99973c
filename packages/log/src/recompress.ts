import { type Compression, recompressBatch } from '@millrace/records';
import type { Recompressor } from './log-types.ts';

/** Stores the records of a batch in another codec, in the calling thread. */
export const recompressInline: Recompressor = (batch, { compression, ...options }) =>
  recompressBatch(batch, compression as Compression, options);
