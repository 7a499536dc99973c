import { expect, it } from 'vitest';
import { producerSettings } from './options.ts';

const settingsOf = (options: object) => producerSettings({ bootstrapServers: 'localhost:9092', ...options });

it.each([
  [{ lingerMS: 5 }, 'lingerMS is no option of a producer; did you mean lingerMs?'],
  [{ 'linger.ms': 5 }, 'linger.ms is no option of a producer; did you mean lingerMs?'],
  [{ brokers: [] }, 'it is called bootstrapServers'],
  [{ createPartitioner() {} }, 'it is called partitioner'],
  [{ maxInFlightRequests: 1 }, 'it is called inFlightRequestsMax'],
  [{ bootstrapServers: undefined }, 'bootstrapServers must be'],
  [{ acks: -1 }, "acks must be 0, 1, 'all', not -1"],
  [{ acks: 1, idempotent: true }, "idempotent needs acks 'all', not 1"],
  [{ compression: 'GZIP' }, "compression must be 'none', 'gzip', 'snappy', 'lz4', 'zstd', not 'GZIP'"],
  [
    { compression: 'gzip', compressionLevel: 10 },
    'compressionLevel of gzip must be a whole number from 1 to 9, not 10',
  ],
  [{ compression: 'zstd', compressionLevel: 23 }, 'compressionLevel of zstd must be'],
  [{ compression: 'lz4', compressionLevel: 1 }, 'compressionLevel needs a compression that has levels'],
  [{ lingerMs: Number.NaN }, 'lingerMs must be a whole number'],
  [{ lingerMs: '5' }, 'give the number 5'],
  [{ batchBytes: 0 }, 'batchBytes must be a whole number from 1'],
  [{ inFlightRequestsMax: 6 }, 'idempotent allows 5 requests in flight, not 6'],
  [{ valueSerializer: JSON.stringify }, 'valueSerializer must be an object with serialize(), not a function'],
  [{ partitioner: () => 0 }, 'partitioner must be an object with partition(), not a function'],
  [{ onDeliveryError: 'log' }, 'onDeliveryError must be a function'],
  [
    { transactionalId: 'tx\ud800' },
    "transactionalId must be text of 1 to 32767 bytes, not 'tx\\ud800' (a string): it holds half",
  ],
  [{ transactionalId: 'x', acks: 1 }, "a transactionalId needs idempotent and acks 'all': leave acks: 1 out"],
  [{ transactionalId: 'x', idempotent: false }, 'leave idempotent: false out'],
  [{ transactionalId: 'x'.repeat(32_768) }, 'transactionalId must be text of 1 to 32767 bytes'],
  [{ onBufferFull: 'drop' }, "onBufferFull must be 'wait', 'fail', not 'drop'"],
])('a producer refuses %o', (options, message) => {
  expect(() => settingsOf(options)).toThrow(message);
  expect(() => settingsOf(options)).toThrow(expect.objectContaining({ code: 'PRODUCER_INVALID_OPTION' }));
});

it('takes every level that a codec has', () => {
  for (let level = 1; level <= 9; level += 1) settingsOf({ compression: 'gzip', compressionLevel: level });
  for (let level = -5; level <= 22; level += 1) settingsOf({ compression: 'zstd', compressionLevel: level });
});
