import { malformedBytes, unsupportedValue } from './errors.ts';
import type { RecordPart, Serde } from './serde.ts';

/** Bytes as they are. What is read is a view into the fetched batch. */
export const bytesSerde: Serde<Uint8Array> = {
  serialize: (value) => value,
  deserialize: (bytes) => bytes,
};

/** A 32-bit signed integer in 4 bytes, big-endian, as Kafka's IntegerSerializer writes it. */
export const int32Serde: Serde<number> = fixedWidth<number>('a 32-bit integer', 4, {
  fits: (value) => Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31,
  write: (buffer, value) => buffer.writeInt32BE(value),
  read: (bytes) => bytes.readInt32BE(),
});

/**
 * A 64-bit signed integer in 8 bytes, big-endian, as Kafka's LongSerializer writes it.
 * Values beyond +-2^53 do not fit a number and are refused rather than rounded: use {@link bigint64Serde} for them.
 */
export const int64Serde: Serde<number> = fixedWidth<number>('a 64-bit integer within +-2^53', 8, {
  fits: Number.isSafeInteger,
  write: (buffer, value) => {
    buffer.writeInt32BE(Math.floor(value / 2 ** 32), 0);
    buffer.writeUInt32BE(value - Math.floor(value / 2 ** 32) * 2 ** 32, 4);
  },
  read: (bytes) => bytes.readInt32BE(0) * 2 ** 32 + bytes.readUInt32BE(4),
});

/** A 64-bit signed integer in 8 bytes, big-endian, as a bigint. */
export const bigint64Serde: Serde<bigint> = fixedWidth<bigint>('a 64-bit integer', 8, {
  fits: (value) => BigInt.asIntN(64, value) === value,
  write: (buffer, value) => buffer.writeBigInt64BE(value),
  read: (bytes) => bytes.readBigInt64BE(),
});

/** A double in 8 bytes, big-endian, as Kafka's DoubleSerializer writes it. */
export const float64Serde: Serde<number> = fixedWidth<number>('a double', 8, {
  fits: (value) => typeof value === 'number',
  write: (buffer, value) => buffer.writeDoubleBE(value),
  read: (bytes) => bytes.readDoubleBE(),
  accepts: () => true,
});

interface FixedWidthCodec<T> {
  /** Whether a value to be written is of the encoding. */
  fits(value: T): boolean;
  write(buffer: Buffer, value: T): void;
  read(bytes: Buffer): T;
  /** Whether a value that was read may be handed out; `fits` where it is not given. */
  accepts?(value: T): boolean;
}

function fixedWidth<T extends number | bigint>(
  encoding: string,
  widthBytes: number,
  codec: FixedWidthCodec<T>,
): Serde<T> {
  const accepts = codec.accepts ?? codec.fits;
  return {
    serialize(value: T, topic: string, part: RecordPart) {
      if (!codec.fits(value)) throw unsupportedValue(encoding, topic, part, `${value} is not one`);
      const buffer = Buffer.allocUnsafe(widthBytes);
      codec.write(buffer, value);
      return buffer;
    },
    deserialize(bytes: Buffer, topic: string, part: RecordPart) {
      if (bytes.length !== widthBytes) {
        throw malformedBytes(encoding, topic, part, `it has ${bytes.length} bytes instead of ${widthBytes}`);
      }
      const value = codec.read(bytes);
      if (!accepts(value)) throw malformedBytes(encoding, topic, part, `${value} is out of range`);
      return value;
    },
  };
}
