import type { ClientOptions } from '@millrace/client';
import {
  aBoolean,
  aFunction,
  clientOptionFields,
  type FieldRules,
  faultOf,
  foreignClientOptions,
  INT32_MAX,
  milliseconds,
  objectWith,
  oneOf,
  type Shape,
  someName,
  valueFault,
  wholeNumber,
} from '@millrace/client/internal';
import { systemClock } from '@millrace/ports';
import { Compression } from '@millrace/records';
import type { AsyncSerializer, Serializer } from '@millrace/serdes';
import { BatchMemory } from './batch-memory.ts';
import { ProducerError } from './errors.ts';
import type { Partitioner } from './partitioner.ts';
import type { BatchSettings } from './produce-batch.ts';
import type { SenderSettings } from './sender.ts';

/** How the records of a batch are compressed. */
export type CompressionName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/**
 * What acknowledges a record: `0` nobody (it is done when its bytes are handed to the system, and may be lost unnoticed), `1` the leader, `'all'` every in-sync replica.
 */
export type Acks = 0 | 1 | 'all';

/** Settings of a {@link Producer}; those of the connection are in `ClientOptions`. */
export interface ProducerOptions<K = string | Uint8Array, V = string | Uint8Array> extends ClientOptions {
  /** `'all'` by default. */
  acks?: Acks | undefined;
  /**
   * Whether the broker drops what it has already when a batch is sent again, so that a retry neither repeats nor reorders
   * records (KIP-98). True by default, false with `acks` 0 or 1, which do not allow it.
   */
  idempotent?: boolean | undefined;
  /**
   * A name for transactions: with it, records are sent in transactions and no other way. Of producers with the same name the newest
   * alone may write, so each instance of a service needs one of its own.
   */
  transactionalId?: string | undefined;
  /** How long a transaction may be open until the brokers abort it, in milliseconds. 60,000 by default. */
  transactionTimeoutMs?: number | undefined;
  /** How long a batch waits for more records, in milliseconds. 0 by default: it goes as soon as a request may be sent, and fills meanwhile. */
  lingerMs?: number | undefined;
  /** The size before compression at which a batch is full, in bytes. 256 KiB by default. A larger record makes a batch of its own. */
  batchBytes?: number | undefined;
  /** The largest produce request and the largest record, in bytes. 1 MiB by default, which is what brokers take by default. */
  requestBytesMax?: number | undefined;
  /** The most that unacknowledged records may take, in bytes. 64 MiB by default. */
  bufferBytesMax?: number | undefined;
  /** Whether a send that finds the buffer full waits for room, or fails at once with `PRODUCER_BUFFER_FULL`. `'wait'` by default. */
  onBufferFull?: 'wait' | 'fail' | undefined;
  /** How long a send waits for room and for the topic's partitions, in milliseconds (`max.block.ms`). 60,000 by default. */
  blockMsMax?: number | undefined;
  /** How many sends may wait for room; one more fails with `PRODUCER_BUFFER_FULL`. 1,000,000 by default. */
  waitingSendsMax?: number | undefined;
  /** Produce requests in flight to one broker. 5 by default, which is also the most that idempotence allows. */
  inFlightRequestsMax?: number | undefined;
  /** How long after `send` a record must have been acknowledged or fails, in milliseconds, whatever it waits for. 120,000 by default. */
  deliveryTimeoutMs?: number | undefined;
  /** The pause before a failed batch is sent again, in milliseconds; doubles up to `retryBackoffMsMax`. 100 by default. */
  retryBackoffMs?: number | undefined;
  /** 1,000 by default. */
  retryBackoffMsMax?: number | undefined;
  /** `'none'` by default. */
  compression?: CompressionName | undefined;
  /** gzip 1 to 9, zstd -131072 to 22, the others have none; the codec's own default when left out. */
  compressionLevel?: number | undefined;
  /** Java's default partitioner by default: murmur2 of the key; keyless records stick to a partition for a batch. */
  partitioner?: Partitioner | undefined;
  /** Turns keys into bytes, at once or (with `async: true`) later. Without it a key is a string or bytes. */
  keySerializer?: Serializer<K> | AsyncSerializer<K> | undefined;
  /** Turns values into bytes, at once or (with `async: true`) later. Without it a value is a string or bytes. */
  valueSerializer?: Serializer<V> | AsyncSerializer<V> | undefined;
  /** Told of each record that was given to `enqueue` and is lost. By default the next `flush` or `close` fails instead. */
  onDeliveryError?: ((error: Error) => void) | undefined;
}

/** The options with everything filled in, as the parts of the producer take them. */
export interface ProducerSettings extends SenderSettings, BatchSettings {
  readonly acks: Acks;
  readonly bufferBytesMax: number;
  readonly onBufferFull: 'wait' | 'fail';
  readonly blockMsMax: number;
  readonly waitingSendsMax: number;
  readonly requestTimeoutMs: number;
  readonly transactionalId: string | undefined;
  readonly transactionTimeoutMs: number;
}

type OwnOptions = Omit<ProducerOptions<never, never>, keyof ClientOptions> &
  Pick<ClientOptions, 'retryBackoffMs' | 'retryBackoffMsMax'>;

const ownFields: FieldRules<OwnOptions> = {
  acks: oneOf(0, 1, 'all'),
  idempotent: aBoolean,
  transactionalId: someName,
  transactionTimeoutMs: milliseconds(1),
  lingerMs: milliseconds(),
  batchBytes: wholeNumber(1),
  requestBytesMax: wholeNumber(1),
  bufferBytesMax: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  onBufferFull: oneOf('wait', 'fail'),
  blockMsMax: milliseconds(),
  waitingSendsMax: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  inFlightRequestsMax: wholeNumber(1),
  deliveryTimeoutMs: milliseconds(1),
  retryBackoffMs: milliseconds(),
  retryBackoffMsMax: milliseconds(),
  compression: oneOf('none', 'gzip', 'snappy', 'lz4', 'zstd'),
  // Its range depends on the codec.
  compressionLevel: wholeNumber(-INT32_MAX),
  partitioner: objectWith('partition'),
  keySerializer: objectWith('serialize'),
  valueSerializer: objectWith('serialize'),
  onDeliveryError: aFunction,
};

const optionShape: Shape = {
  noun: 'option of a producer',
  fields: { ...clientOptionFields, ...ownFields },
  foreign: {
    ...foreignClientOptions,
    createPartitioner: 'it is called partitioner; the default puts keys where kafkajs does',
    maxInFlightRequests: 'it is called inFlightRequestsMax',
    transactionTimeout: 'it is called transactionTimeoutMs',
    metadataMaxAge: 'it is called metadataMaxAgeMs',
  },
};

/** The levels that a codec has. */
const LEVELS = { gzip: [1, 9], zstd: [-131_072, 22] } as const;

const COMPRESSION_BY_NAME = {
  none: Compression.NONE,
  gzip: Compression.GZIP,
  snappy: Compression.SNAPPY,
  lz4: Compression.LZ4,
  zstd: Compression.ZSTD,
} as const;

/** The most of `bufferBytesMax` that is kept while nothing is to be sent. */
const IDLE_MEMORY_BYTES_MAX = 8 * 1024 * 1024;

/** Brokers remember this many batches of a producer, so more in flight could not be told from new ones (KIP-98). */
const IDEMPOTENT_IN_FLIGHT_MAX = 5;

/**
 * Fills in the defaults.
 * @throws ProducerError `PRODUCER_INVALID_OPTION` for a name that there is not, a value of the wrong kind, or a contradiction
 */
export function producerSettings(options: ProducerOptions<never, never>): ProducerSettings {
  const fault = faultOf(options, optionShape) ?? levelFault(options);
  if (fault !== undefined) throw invalidOption(fault);
  const acks = options.acks ?? 'all';
  const idempotent = options.idempotent ?? acks === 'all';
  const inFlightRequestsMax = options.inFlightRequestsMax ?? IDEMPOTENT_IN_FLIGHT_MAX;
  if (idempotent && acks !== 'all') throw invalidOption(`idempotent needs acks 'all', not ${acks}`);
  const { transactionalId } = options;
  if (transactionalId !== undefined && !idempotent) {
    const given = acks === 'all' ? 'idempotent: false' : `acks: ${acks}`;
    throw invalidOption(`a transactionalId needs idempotent and acks 'all': leave ${given} out`);
  }
  if (idempotent && inFlightRequestsMax > IDEMPOTENT_IN_FLIGHT_MAX) {
    throw invalidOption(`idempotent allows ${IDEMPOTENT_IN_FLIGHT_MAX} requests in flight, not ${inFlightRequestsMax}`);
  }
  const compression = COMPRESSION_BY_NAME[options.compression ?? 'none'];
  const requestBytesMax = options.requestBytesMax ?? 1024 * 1024;
  // A batch that is larger than a request could only be refused.
  const batchBytes = Math.min(options.batchBytes ?? 256 * 1024, requestBytesMax);
  const bufferBytesMax = options.bufferBytesMax ?? 64 * 1024 * 1024;
  return {
    acks,
    acknowledged: acks !== 0,
    idempotent,
    transactionalId,
    isTransactional: transactionalId !== undefined,
    transactionTimeoutMs: options.transactionTimeoutMs ?? 60_000,
    inFlightRequestsMax,
    compression,
    compressionLevel: options.compressionLevel,
    lingerMs: options.lingerMs ?? 0,
    batchBytes,
    memory: new BatchMemory(
      batchBytes,
      { busyBytesMax: bufferBytesMax, idleBytesMax: Math.min(bufferBytesMax, IDLE_MEMORY_BYTES_MAX) },
      options.clock ?? systemClock,
    ),
    requestBytesMax,
    bufferBytesMax,
    onBufferFull: options.onBufferFull ?? 'wait',
    blockMsMax: options.blockMsMax ?? 60_000,
    waitingSendsMax: options.waitingSendsMax ?? 1_000_000,
    deliveryTimeoutMs: options.deliveryTimeoutMs ?? 120_000,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    retryBackoffMs: options.retryBackoffMs ?? 100,
    retryBackoffMsMax: options.retryBackoffMsMax ?? 1_000,
  };
}

function levelFault({ compression = 'none', compressionLevel }: ProducerOptions<never, never>): string | undefined {
  if (compressionLevel === undefined) return undefined;
  if (compression !== 'gzip' && compression !== 'zstd') {
    return `compressionLevel needs a compression that has levels (gzip, zstd), not '${compression}'`;
  }
  const [min, max] = LEVELS[compression];
  return valueFault(compressionLevel, wholeNumber(min, max), `compressionLevel of ${compression}`);
}

function invalidOption(what: string): ProducerError {
  return new ProducerError('PRODUCER_INVALID_OPTION', `Cannot make a producer: ${what}`);
}
