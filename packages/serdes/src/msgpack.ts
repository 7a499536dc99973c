import { Packr } from 'msgpackr';
import { malformedBytes, unsupportedValue } from './errors.ts';
import type { Serde } from './serde.ts';

/**
 * MessagePack. Objects are written as plain maps, so that every MessagePack library reads them.
 * The type argument is a promise of the caller's: nothing checks it at run time.
 */
export function messagePackSerde<T = unknown>(): Serde<T> {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  return {
    serialize(value, topic, part) {
      try {
        return packr.pack(value);
      } catch (cause) {
        throw unsupportedValue(
          'MessagePack',
          topic,
          part,
          cause instanceof Error ? cause.message : String(cause),
          cause,
        );
      }
    },
    deserialize(bytes, topic, part) {
      try {
        return packr.unpack(bytes) as T;
      } catch (cause) {
        throw malformedBytes('MessagePack', topic, part, cause instanceof Error ? cause.message : String(cause), cause);
      }
    },
  };
}
