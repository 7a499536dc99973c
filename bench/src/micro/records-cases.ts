/** Building and reading record batches: ours, and what kafkajs and @platformatic/kafka do for the same records. */
import { createRequire } from 'node:module';
import {
  BATCH_HEADER_BYTES,
  Compression,
  checkBatch,
  crc32c,
  RecordBatchBuilder,
  RecordCursor,
  readRecords,
} from '@millrace/records';
import { createRecordsBatch, Reader as PlatformaticReader, readRecordsBatch } from '@platformatic/kafka';
import { randomValues } from '../random-values.ts';
import type { MakeCase, MicroCase } from './case.ts';

const RECORDS = 1000;
const KEY = Buffer.from('customer-4711');
const NOW = 1_700_000_000_000;

/** kafkajs has no door to its encoders, so its files are loaded one by one. */
const require = createRequire(import.meta.url);

interface KafkaJsEncoder {
  readonly buffer: Buffer;
}

export const cases: Record<string, MakeCase> = {};

/** Adds a case for records of 100 and of 1,024 bytes. */
function forSizes(
  name: string,
  make: (values: readonly Buffer[], batch: Buffer) => MicroCase | Promise<MicroCase>,
): void {
  for (const valueBytes of [100, 1024]) {
    const values = randomValues(RECORDS, valueBytes);
    cases[`${name}, ${valueBytes} B`] = () => make(values, ourBatch(values));
  }
}

forSizes('build millrace', (values, batch) => ({
  run: () => ourBatch(values),
  units: RECORDS,
  bytes: batch.length,
}));

forSizes('build @platformatic/kafka', (values, batch) => ({
  run: () => {
    const messages = values.map((value) => ({ topic: 't', partition: 0, key: KEY, value }));
    return createRecordsBatch(messages).buffer;
  },
  units: RECORDS,
  bytes: batch.length,
}));

forSizes('build kafkajs', (values, batch) => {
  const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
    RecordBatch(batch: object): Promise<KafkaJsEncoder>;
  };
  const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => KafkaJsEncoder;
  return {
    // As kafkajs' Produce request does it.
    run: async () => {
      const records = values.map((value, offsetDelta) => Record({ offsetDelta, key: KEY, value }));
      return (await RecordBatch({ lastOffsetDelta: RECORDS - 1, records, firstTimestamp: NOW })).buffer;
    },
    units: RECORDS,
    bytes: batch.length,
  };
});

forSizes('read millrace, every value', (_, batch) => ({
  run: () => {
    let bytes = 0;
    for (const record of readRecords(batch)) bytes += record.value?.length ?? 0;
    return bytes;
  },
  units: RECORDS,
  bytes: batch.length,
}));

forSizes('read millrace, cursor', (_, batch) => ({
  run: () => {
    const cursor = new RecordCursor(batch);
    let bytes = 0;
    while (cursor.next()) bytes += cursor.valueBytes;
    return bytes;
  },
  units: RECORDS,
  bytes: batch.length,
}));

forSizes('read @platformatic/kafka', (_, batch) => ({
  run: () => {
    let bytes = 0;
    for (const record of readRecordsBatch(PlatformaticReader.from(batch)).records) bytes += record.value?.length ?? 0;
    return bytes;
  },
  units: RECORDS,
  bytes: batch.length,
}));

forSizes('read kafkajs', (_, batch) => {
  const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => object;
  const decode = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (
    decoder: object,
  ) => Promise<{ records: { value: Buffer }[] }>;
  return {
    run: async () => {
      let bytes = 0;
      for (const { value } of (await decode(new Decoder(batch))).records) bytes += value.length;
      return bytes;
    },
    units: RECORDS,
    bytes: batch.length,
  };
});

forSizes('check as a broker does (CRC included)', (_, batch) => ({
  run: () => checkBatch(batch, 0, { contiguousOffsets: true }),
  units: 1,
  bytes: batch.length,
}));

forSizes('crc32c millrace', (_, batch) => ({
  run: () => crc32c(batch.subarray(BATCH_HEADER_BYTES)),
  units: 1,
  bytes: batch.length,
}));

forSizes('crc32c kafkajs', (_, batch) => {
  const crc = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;
  return { run: () => crc(batch.subarray(BATCH_HEADER_BYTES)), units: 1, bytes: batch.length };
});

for (const [name, codec] of Object.entries(Compression)) {
  if (codec === Compression.NONE) continue;
  cases[`build and compress ${name.toLowerCase()}, 1024 B`] = () => {
    const values = randomValues(RECORDS, 1024);
    const batch = ourBatch(values);
    return { run: () => ourBatch(values, codec), units: RECORDS, bytes: batch.length };
  };
  cases[`read compressed ${name.toLowerCase()}, 1024 B`] = () => {
    const values = randomValues(RECORDS, 1024);
    const bytes = ourBatch(values).length;
    const compressed = ourBatch(values, codec);
    return {
      run: () => {
        let sum = 0;
        for (const record of readRecords(compressed)) sum += record.value?.length ?? 0;
        return sum;
      },
      units: RECORDS,
      bytes,
    };
  };
}

function ourBatch(values: readonly Buffer[], compression: Compression = Compression.NONE): Buffer {
  const builder = new RecordBatchBuilder({ initialBytes: 4096, targetBytes: 2 ** 30 });
  for (let index = 0; index < values.length; index += 1) builder.append(NOW + index, KEY, values[index]!);
  return builder.build({ compression });
}
